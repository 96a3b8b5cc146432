"""What the stopper says of each trial, and which are to stop.  Pure; the scheduler acts on it."""

from collections.abc import Iterable
from itertools import islice, takewhile

from metaopt.crew import Newcomers
from metaopt.messages import Abandoned, Stop, Thawed
from metaopt.objective import curve
from metaopt.stopping.base import Promoter, Stopper
from metaopt.stopping.never import Never
from metaopt.study import Study
from metaopt.trial import State

NEGATED = " (values are negated: more is better)"


class Judge:
    """Shows ``stopper`` what is new of each trial of ``study``, once, to be minimised; an error of it stops nothing."""

    def __init__(self, study: Study, stopper: Stopper) -> None:
        """Tell it of all that there is."""
        self._study, self._stopper = study, stopper
        self._blind = type(stopper) is Never  # one of the user's may be made of it
        self._promoter = stopper if isinstance(stopper, Promoter) else None
        self._seen: dict[int, int] = {}
        self._reached: dict[int, float] = {}
        self._paused = Newcomers()
        self._resumed: set[int] = set()
        self._failures = list[str]()
        for number in [*study.open, *study.ended]:
            self._verdict(number)

    @property
    def pauses(self) -> bool:
        """Whether what it stops may go on later: where the scripts of this run can."""
        return self._promoter is not None and self._study.resumes

    def failures(self) -> list[str]:
        """What went wrong with it since."""
        failures, self._failures = self._failures, []
        return failures

    def again(self, number: int) -> None:
        """Another attempt at this trial has begun.

        Its curve is shown from the beginning, which may be said anew, but it is not judged where it has been before.
        """
        self._seen.pop(number, None)
        self._reached.pop(number, None)
        if points := self._study.trials[number].points:
            self._reached[number] = max(step for step, _ in points)

    def stops(self, reported: Iterable[int], draining: str, last: float | None) -> list[Stop]:
        """Which trials of this run are to stop now that these have ``reported``: all, if it is ``draining``."""
        study, whys = self._study, self._whys(reported)
        running = study.workers.values() if draining and study.tally[State.RUNNING] else ()
        whys |= {each.trial: draining for each in running if each.trial is not None}
        reason = "interrupted" if draining else "paused" if self.pauses else "pruned"
        trials = ((study.trials[number], why) for number, why in whys.items())
        return [
            Stop(trial.worker, trial.number, trial.attempts, reason, why, last)
            for trial, why in trials
            if trial.run == study.run and trial.state is State.RUNNING and trial.worker is not None
        ]

    def _whys(self, reported: Iterable[int]) -> dict[int, str]:
        """Which of these are not worth going on with, given what is new of them."""
        return {number: why for number in reported if (why := self._verdict(number))}

    def _verdict(self, number: int) -> str:
        if self._blind:
            return ""
        trial, objective = self._study.trials[number], self._study.objective
        new = trial.points[self._seen.get(number, 0) :]
        self._seen[number] = len(trial.points)
        told = [(step, objective.sign * value) for step, value in curve(new, objective.metric)]
        if (reached := self._reached.get(number)) is not None:
            self._ask(number, [point for point in told if point[0] <= reached])
            told = [point for point in told if not point[0] <= reached]
        why = self._ask(number, told)
        return f"{why}{NEGATED}" if why and objective.sign < 0 else why

    def resumed(self, number: int) -> None:
        """A trial that was paused goes on, as somebody else has found."""
        self._paused.drop(number)
        self._resumed.add(number)

    def thawed(self, *, last: bool) -> Thawed | None:
        """Which paused trial should go on now, if any should, and there is a worker without one to go on with.

        As the ``last`` ones they may wait for one.
        """
        study, idle = self._study, len(self._study.idle)
        if not study.paused or self._promoter is None or not self.pauses or not (idle or last):
            return None
        begun = takewhile(lambda number: study.trials[number].attempts, study.waiting)
        if not last and sum(1 for _ in islice(begun, idle)) == idle:
            return None
        try:
            return self._promoted(self._promoter)
        except Exception as error:  # noqa: BLE001 - a rule of the user's; it must not end the run
            problem = "the stopper failed to say which paused trial goes on, and pauses none any more"
            self._failures.append(f"{problem}: {error!r}")
            self._promoter = None
            return None

    def abandoned(self) -> list[Abandoned]:
        """The paused trials of this run, when nobody has any others that are open."""
        study = self._study
        over = study.tally[State.PAUSED] == len(study.open)
        return [Abandoned(number, study.trials[number].attempts) for number in study.paused] if over else []

    def _promoted(self, promoter: Promoter) -> Thawed | None:
        """Tell it who is paused since, who are the last ones of them, and ask it."""
        paused = self._study.paused
        for number in self._paused.among(paused):
            promoter.pause(number)
        while (found := promoter.promote()) and found[0] in self._resumed and found[0] not in paused:
            self._resumed.discard(found[0])
        if found is None:
            return None
        number, why = found
        if number not in paused:
            raise LookupError(number)
        self._paused.drop(number)
        why = f"{why}{NEGATED}" if self._study.objective.sign < 0 else why
        return Thawed(number, self._study.trials[number].attempts, why)

    def _ask(self, number: int, points: list[tuple[float, float]]) -> str:
        try:
            return self._stopper.should_stop(number, points) if points else ""
        except Exception as error:  # noqa: BLE001 - the same
            self._failures.append(f"the stopper failed on trial {number}, which goes on: {error!r}")
            return ""
