"""Which GPUs are ill by what trials tell: what failed there and was done elsewhere.  Pure; the scheduler acts on it."""

from collections import defaultdict

from metaopt.messages import Params
from metaopt.shortage import wants_memory
from metaopt.trial import State, Trial

ENOUGH = 2
"""So many points must have failed on a GPU and been completed on others, where nothing else blames it: one may be bad
luck.  One will do when the script's error blames the GPU (``faults.py``)."""


class Evidence:
    """Takes in each trial that has ended, once."""

    def __init__(self) -> None:
        self._failed: defaultdict[str, list[Trial]] = defaultdict(list)
        self._completed: defaultdict[str, set[str]] = defaultdict(set)
        self._against: defaultdict[str, set[int]] = defaultdict(set)

    def weigh(self, trial: Trial) -> dict[str, str]:
        """The GPUs that ``trial``, with all before it, proves to be ill, and why."""
        point, done = _key(trial.params), trial.state is State.COMPLETED
        if done:
            self._completed[point].update(trial.gpus)
        elif _may_be_the_gpu(trial):
            self._failed[point].append(trial)
        found = {
            gpu: f"trial {trial.number} failed here, and was completed elsewhere"
            for gpu in trial.shunned
            if done and trial.gpus and gpu not in trial.gpus
        }
        for failed in self._failed.get(point, ()):
            if self._completed[point] - set(failed.gpus):
                for gpu in set(failed.gpus) - self._completed[point]:
                    found |= self._count(gpu, failed.number)
        return found

    def _count(self, gpu: str, number: int) -> dict[str, str]:
        """One more point that failed on ``gpu`` alone; that it is ill when there are enough."""
        new = number not in self._against[gpu]
        self._against[gpu].add(number)
        if not new or len(self._against[gpu]) < ENOUGH:
            return {}
        trials = ", ".join(map(str, sorted(self._against[gpu])))
        return {gpu: f"trials {trials} failed here, and the same parameters were completed elsewhere"}


def _may_be_the_gpu(trial: Trial) -> bool:
    """Whether it failed on one, and for nothing that is known to be its own fault."""
    own = wants_memory(trial.error) or trial.error.startswith("timeout:")
    return trial.state is State.FAILED and bool(trial.gpus) and not own


def _key(params: Params) -> str:
    return repr(sorted(params.items()))
