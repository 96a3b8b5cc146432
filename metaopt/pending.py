"""What the optimizer is to know of the trials that have not ended: what is new since it was asked last.  Pure."""

from metaopt.crew import Newcomers
from metaopt.messages import Expect
from metaopt.study import Study


class Pending:
    """Looks at each trial of ``study`` once, and again when it has paused or goes on."""

    def __init__(self, study: Study) -> None:
        self._study, self._known = study, 0
        self._pausing, self._resumed = Newcomers(), list[int]()

    def resumed(self, number: int) -> None:
        """A paused trial goes on."""
        self._pausing.drop(number)
        self._resumed.append(number)

    def expected(self, *, pausing: bool) -> list[Expect]:
        """What is to be said before the next question; who is paused, where that is of use to the optimizer."""
        study, resumed, self._resumed = self._study, self._resumed, []
        fresh = range(self._known, len(study.trials))
        self._known = len(study.trials)
        paused = study.paused if pausing else {}
        changed = dict.fromkeys((*fresh, *resumed, *self._pausing.among(paused)))
        return [Expect(n, study.trials[n].params, n in paused) for n in changed if n in study.open]
