"""A study whose space has changed: which of its trials are points of the new one.

It has to be clear what each trial was.  A parameter that is new needs a value that the trials had, which is its
default; one that is gone leaves trials behind that cannot be told apart.
"""

from metaopt.errors import HistoryDiffers
from metaopt.messages import Params, Revised, Scalar
from metaopt.scalars import write
from metaopt.space import Space
from metaopt.study import Study
from metaopt.trial import OUTSIDE, State, Trial


def revise(study: Study, space: Space) -> Revised:
    """What becomes of the trials of ``study`` when ``space`` is searched from now on.

    Raises HistoryDiffers when that is not clear: a parameter is gone, or is new without a default.
    """
    before, now = study.experiment.get("space", {}), space.canonical()
    added: dict[str, Scalar] = {}
    dropped: list[int] = []
    for trial in study.trials.values():
        params = space.filled(trial.params, space.defaults)
        if space.contains(params) and not _was_stopped_for_it(trial):
            added |= {name: value for name, value in params.items() if name not in trial.params}
            continue
        if not trial.outside:
            _check_clear(space, params, [name for name in before if name not in now])
            _check_known(space, params, [name for name in now if name not in before])
        dropped.append(trial.number)
    return Revised(added, tuple(dropped))


def _was_stopped_for_it(trial: Trial) -> bool:
    """Whether it never had its chance: it has nothing to come back with."""
    return trial.outside and trial.state is State.STOPPED and trial.why == OUTSIDE


def _check_clear(space: Space, params: Params, removed: list[str]) -> None:
    """Raise HistoryDiffers when it is only for want of the parameters that are ``removed`` that it does not fit."""
    rest = {name: value for name, value in params.items() if name not in removed}
    gone = [name for name in removed if name in params]
    if gone and _fits_where_known(space, rest):
        problem = f"the space has no {gone[0]} any more: trials that differ in it could not be told apart"
        hint = f"Keep it with one value, {gone[0]}: {write(params[gone[0]])}, or search anew with another name:."
        raise HistoryDiffers(problem, hint)


def _check_known(space: Space, params: Params, new: list[str]) -> None:
    """Raise HistoryDiffers when it is only for want of a value of a ``new`` parameter that it does not fit."""
    missing = [name for name in space.active(params) if name in new and name not in params]
    if missing and _fits_where_known(space, params):
        name = missing[0]
        (parameter,) = (each for each in space.parameters if each.name == name)
        problem = f"{name} is new in the space, and it is not said which value the trials had that there are"
        when = f', when: "{parameter.when.canonical()}"' if parameter.when else ""
        hint = f'Say so with a default:  {name}: {{prior: "{parameter.canonical()}"{when}, default: VALUE}}'
        raise HistoryDiffers(problem, hint)


def _fits_where_known(space: Space, params: Params) -> bool:
    """Whether each value is one of an active parameter, and one that it can have."""
    active = {each.name: each for each in space.parameters if each.name in space.active(params)}
    return all(name in active and active[name].contains(value) for name, value in params.items())
