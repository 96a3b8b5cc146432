"""What the stopper is shown of each trial, and what it says.  Pure; the scheduler acts on it."""

from metaopt.objective import curve
from metaopt.stopping.base import Stopper
from metaopt.study import Study


class Judge:
    """Shows ``stopper`` what is new of each trial of ``study``, once, to be minimised; an error of it stops nothing."""

    def __init__(self, study: Study, stopper: Stopper) -> None:
        """Tell it of all that there is."""
        self._study, self._stopper = study, stopper
        self._seen: dict[int, int] = {}
        self._failures = list[str]()
        for number in [*study.open, *study.ended]:
            self.verdict(number)

    def failures(self) -> list[str]:
        """What went wrong with it since."""
        failures, self._failures = self._failures, []
        return failures

    def forget(self, number: int) -> None:
        """Another attempt at this trial begins: its curve is shown anew."""
        self._seen.pop(number, None)

    def verdict(self, number: int) -> str:
        """Why a trial should stop, given what is new of it; or nothing."""
        trial, objective = self._study.trials[number], self._study.objective
        new = trial.points[self._seen.get(number, 0) :]
        self._seen[number] = len(trial.points)
        told = [(step, objective.sign * value) for step, value in curve(new, objective.metric)]
        try:
            why = self._stopper.should_stop(number, told) if told else ""
        except Exception as error:  # noqa: BLE001 - a rule of the user's; it must not end the run
            self._failures.append(f"the stopper failed on trial {number}, which goes on: {error!r}")
            return ""
        return f"{why} (values are negated: more is better)" if why and objective.sign < 0 else why
