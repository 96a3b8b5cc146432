"""Which GPUs are ill by what trials tell: what failed there and was done elsewhere.  Pure; the scheduler acts on it."""

from collections import defaultdict

from metaopt.messages import Params
from metaopt.shortage import wants_memory
from metaopt.trial import State, Trial

ENOUGH = 2
"""So many points must have failed on a GPU and been completed on others, where nothing else blames it: one may be bad
luck.  One will do when the script's error blames the GPU (``faults.py``), and the trial had no other node's."""


class Evidence:
    """Takes in each trial that has ended, once.

    What failed accuses the GPUs that it had and that it was completed without.  On one node these are one worker's; of
    those of several nodes most are in order: so one is ill only when other trials, which may have had it beside others,
    accuse it too.
    """

    def __init__(self) -> None:
        self._failed: defaultdict[str, list[Trial]] = defaultdict(list)
        self._completed: defaultdict[str, set[str]] = defaultdict(set)
        self._against: defaultdict[str, set[int]] = defaultdict(set)

    def weigh(self, trial: Trial, nodes: int = 1) -> dict[str, str]:
        """The GPUs that ``trial``, on so many nodes, with all before it, proves to be ill, and why."""
        if not trial.gpus:
            return {}
        point, done = _key(trial.params), trial.state is State.COMPLETED
        if done:
            self._completed[point].update(trial.gpus)
        elif _may_be_the_gpu(trial):
            self._failed[point].append(trial)
        found: dict[str, str] = {}
        for gpu in trial.shunned if done else ():
            if gpu not in trial.gpus:
                found |= self._count(gpu, trial.number, ENOUGH if nodes > 1 else 1)
        for failed in self._failed.get(point, ()):
            if self._completed[point] - set(failed.gpus):
                for gpu in set(failed.gpus) - self._completed[point]:
                    found |= self._count(gpu, failed.number)
        return found

    def _count(self, gpu: str, number: int, enough: int = ENOUGH) -> dict[str, str]:
        """One more point that failed on ``gpu`` alone; that it is ill when there are enough."""
        new = number not in self._against[gpu]
        self._against[gpu].add(number)
        if not new or len(self._against[gpu]) < enough:
            return {}
        if len(self._against[gpu]) == 1:
            return {gpu: f"trial {number} failed here, and was completed elsewhere"}
        trials = ", ".join(map(str, sorted(self._against[gpu])))
        return {gpu: f"trials {trials} failed here, and the same parameters were completed elsewhere"}


def _may_be_the_gpu(trial: Trial) -> bool:
    """Whether it failed on one, and for nothing that is known to be its own fault."""
    own = wants_memory(trial.error) or trial.error.startswith("timeout:")
    return trial.state is State.FAILED and not own


def _key(params: Params) -> str:
    return repr(sorted(params.items()))
