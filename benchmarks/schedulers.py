"""Other people's multi-fidelity optimizers behind the same few words, run by the Python of their own environment.

    {"optimizer": "bohb", "space": [...], "seed": 1, "trials": 120, "workers": 8, "epochs": 27}
    "next"                  is answered by [trial, point, epoch]: train it up to there; or by null: nothing for now
    [trial, epoch, loss]    a trial has trained so far; is answered by whether it goes on

A line of JSON each, as in opponents.py.  A trial that has been trained before goes on from where it was, and costs the
difference only, where its library says that it is the same one: BOHB and DEHB promote by an identity.  Optuna's pruners
and Syne Tune's ASHA stop for good, as these have nothing else.  All have their own defaults, one epoch the smallest
budget and 3 the reduction; the median rule its five trials and five epochs, as ours.  BOHB and DEHB begin another
bracket when the present ones wait, as their own masters do, and so their workers never wait.
"""

import datetime as dt
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, TextIO

from opponent import Dimension, Point, Setup, converse
from opponents import Optuna

Job = tuple[str, Point, int]
"""The trial, its point, and the epoch up to which it is to be trained."""
REDUCTION = 3


class Scheduler:
    """Gives jobs, and decides on those that are under way."""

    def __init__(self, setup: Setup, epochs: int) -> None:
        self.setup, self.epochs = setup, epochs

    def next(self) -> Job | None:
        """What a free worker is to do; None when there is nothing before something else has ended."""
        raise NotImplementedError

    def report(self, trial: str, epoch: int, loss: float) -> bool:
        """A trial has been trained up to ``epoch``: whether it goes on."""
        raise NotImplementedError


class Pruned(Scheduler):
    """Optuna's samplers, with or without one of its pruners."""

    def __init__(self, setup: Setup, epochs: int, sampler: str, pruner: str = "") -> None:
        super().__init__(setup, epochs)
        import optuna  # noqa: PLC0415 - one of many

        pruners: dict[str, Callable[[], Any]] = {
            "": optuna.pruners.NopPruner,
            "median": partial(optuna.pruners.MedianPruner, n_startup_trials=5, n_warmup_steps=5),
            "hyperband": partial(optuna.pruners.HyperbandPruner, 1, epochs, REDUCTION),
        }
        self._optuna = Optuna(setup, sampler, pruners[pruner]())
        self._pruned = optuna.trial.TrialState.PRUNED
        self._trials: dict[str, Any] = {}

    def next(self) -> Job:
        """A new trial."""
        trial, point = self._optuna.suggest()
        self._trials[str(trial.number)] = trial
        return str(trial.number), point, self.epochs

    def report(self, trial: str, epoch: int, loss: float) -> bool:
        """What the pruner says; the last epoch ends it in any case."""
        known = self._trials[trial]
        known.report(loss, epoch)
        if epoch == self.epochs:
            known.study.tell(known, loss)
        elif known.should_prune():
            known.study.tell(known, state=self._pruned)
            return False
        return True


def configspace(setup: Setup) -> Any:  # noqa: ANN401 - the library's own
    """As ConfigSpace has it."""
    from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer  # noqa: PLC0415 - its own

    class Space(ConfigurationSpace):  # type: ignore[misc]  # its library is not followed
        """With the names that hpbandster knows of its older versions."""

        def get_hyperparameters(self) -> list[Any]:
            """All of them."""
            return list(self.values())

        def get_hyperparameter_by_idx(self, index: int) -> str:
            """The name of one."""
            return str(list(self.keys())[index])

        def get_hyperparameter(self, name: str) -> Any:  # noqa: ANN401 - the library's own
            """By its name."""
            return self[name]

    space = Space(seed=setup.seed)
    for each in setup.space:
        if each.kind == "category":
            space.add(Categorical(each.name, list(each.choices)))
        else:
            number = Integer if each.kind == "integer" else Float
            space.add(number(each.name, (each.low, each.high), log=each.log))
    return space


class Bohb(Scheduler):
    """hpbandster's generator of configurations and its successive halving, without its name server and workers."""

    def __init__(self, setup: Setup, epochs: int) -> None:
        super().__init__(setup, epochs)
        import numpy as np  # noqa: PLC0415 - its own
        from hpbandster.core.dispatcher import Job as Done  # noqa: PLC0415 - one of many
        from hpbandster.optimizers.bohb import BOHB  # noqa: PLC0415 - one of many
        from hpbandster.optimizers.config_generators.bohb import BOHB as Generator  # noqa: N811, PLC0415 - its own

        np.random.seed(setup.seed)  # noqa: NPY002 - what hpbandster draws from
        self._generator = Generator(configspace(setup))
        rungs = round(np.log(epochs) / np.log(REDUCTION)) + 1
        budgets = float(epochs) * REDUCTION ** -np.linspace(rungs - 1, 0, rungs)
        self._master = SimpleNamespace(
            max_SH_iter=rungs, eta=REDUCTION, budgets=budgets, config_generator=self._generator
        )
        self._brackets: list[Any] = []
        self._start = partial(BOHB.get_next_iteration, self._master)
        self._done = Done
        self._open: dict[str, tuple[Any, Any, Any, float]] = {}

    def next(self) -> Job:
        """Of the first bracket that has something to do, or else of a new one."""
        for bracket in self._brackets:
            if (job := bracket.get_next_run()) is not None:
                break
        else:
            bracket = self._start(len(self._brackets), {})
            self._brackets.append(bracket)
            job = bracket.get_next_run()
        name = " ".join(map(str, job[0]))
        self._open[name] = (bracket, *job)
        return name, self.setup.active(job[1]), round(job[2])

    def report(self, trial: str, epoch: int, loss: float) -> bool:
        """Its budget is all that it is told of."""
        bracket, identity, config, budget = self._open[trial]
        if epoch == round(budget):
            job = self._done(identity, config=config, budget=budget)
            job.result = {"loss": loss, "info": {}}
            bracket.register_result(job)
            self._generator.new_result(job)
        return True


class Dehb(Scheduler):
    """DEHB, by its ask and tell."""

    def __init__(self, setup: Setup, epochs: int) -> None:
        super().__init__(setup, epochs)
        from dehb import DEHB  # noqa: PLC0415 - one of many

        self._folder = tempfile.TemporaryDirectory()
        self._dehb = DEHB(
            cs=configspace(setup),
            f=None,
            min_fidelity=1,
            max_fidelity=epochs,
            eta=REDUCTION,
            n_workers=1,
            seed=setup.seed,
            output_path=self._folder.name,
            save_freq="end",
            log_level="ERROR",
        )
        self._open: dict[str, Any] = {}

    def next(self) -> Job:
        """Its next one."""
        job = self._dehb.ask()
        name = str(job["config_id"])
        while name in self._open:  # two brackets may want the same at once
            name += " too"
        self._open[name] = job
        return name, self.setup.active(job["config"]), round(job["fidelity"])

    def report(self, trial: str, epoch: int, loss: float) -> bool:
        """Its fidelity is all that it is told of."""
        if epoch == round(self._open[trial]["fidelity"]):
            self._dehb.tell(self._open.pop(trial), {"fitness": loss, "cost": epoch})
        return True


class SyneTune(Scheduler):
    """Syne Tune's ASHA with one of its searchers, by on_trial_result."""

    def __init__(self, setup: Setup, epochs: int, kind: str) -> None:
        super().__init__(setup, epochs)
        import numpy as np  # noqa: PLC0415 - its own
        from syne_tune import config_space  # noqa: PLC0415 - one of many
        from syne_tune.backend.trial_status import Trial  # noqa: PLC0415 - its own
        from syne_tune.optimizer import baselines  # noqa: PLC0415 - its own

        def domain(each: Dimension) -> Any:  # noqa: ANN401 - the library's own
            if each.kind == "category":
                return config_space.choice(list(each.choices))
            if each.kind == "integer":
                return (config_space.lograndint if each.log else config_space.randint)(each.low, each.high)
            return (config_space.loguniform if each.log else config_space.uniform)(each.low, each.high)

        np.random.seed(setup.seed)  # noqa: NPY002 - what Syne Tune draws brackets from
        made = {"asha": baselines.ASHA, "bohb": baselines.BOHB}
        self._scheduler = made[kind](
            {each.name: domain(each) for each in setup.space},
            metric="loss",
            time_attr="epoch",
            max_t=epochs,
            random_seed=setup.seed,
        )
        self._trial = Trial
        self._open: list[Any] = []

    def next(self) -> Job:
        """A new trial."""
        config = self._scheduler.suggest().config
        trial = self._trial(len(self._open), config, dt.datetime.now(dt.UTC))
        self._open.append(trial)
        self._scheduler.on_trial_add(trial)
        return str(trial.trial_id), self.setup.active(config), self.epochs

    def report(self, trial: str, epoch: int, loss: float) -> bool:
        """What it decides."""
        result = {"loss": loss, "epoch": epoch}
        known = self._open[int(trial)]
        if epoch == self.epochs:
            self._scheduler.on_trial_complete(known, result)
            return True
        return bool(self._scheduler.on_trial_result(known, result) == "CONTINUE")


SCHEDULERS: dict[str, Callable[[Setup, int], Scheduler]] = {
    "optuna:gp": partial(Pruned, sampler="gp"),
    "optuna:tpe+median": partial(Pruned, sampler="tpe", pruner="median"),
    "optuna:tpe+hyperband": partial(Pruned, sampler="tpe", pruner="hyperband"),
    "bohb": Bohb,
    "dehb": Dehb,
    "syne:asha": partial(SyneTune, kind="asha"),
    "syne:bohb": partial(SyneTune, kind="bohb"),
}


def obey(words: TextIO, answers: TextIO) -> None:
    """Do what the lines say."""
    first = json.loads(words.readline())
    space = [Dimension(**each) for each in first["space"]]
    setup = Setup(space, first["seed"], first["trials"], first["workers"])
    scheduler = SCHEDULERS[first["optimizer"]](setup, first["epochs"])
    for line in words:
        word = json.loads(line)
        said = scheduler.next() if word == "next" else scheduler.report(*word)
        print(json.dumps(said), file=answers, flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    converse(obey)
    os._exit(0)  # the threads of some of them would never end
