"""Reads a history record by record, with none of metaopt's own code, and objects to what must never happen."""

from dataclasses import dataclass, field


@dataclass
class Account:
    """What the records say of one trial: ``result`` is the word that ended it, and there is only one."""

    params: dict
    run: int
    attempt: int = 0
    worker: int | None = None
    stop: str = ""
    losses: int = 0
    result: str = ""
    points: list = field(default_factory=list)

    @property
    def runs(self):
        return self.worker is not None

    @property
    def paused(self):
        return self.stop == "paused" and not self.runs and not self.result

    def end_run(self, result=""):
        assert not (self.result and result)
        self.worker, self.result = None, self.result or result


class Audit:
    """``trials`` are the accounts; each Assign, Stop, Reported and Finished is of the attempt that is under way."""

    def __init__(self, records, attempts, *, resumes=False):
        self.trials, self.crews, self.closed = [], {}, set()
        self.attempts, self.resumes = attempts, resumes
        for self.run, kind, body in records:
            getattr(self, f"_{kind.lower()}")(**body)

    @property
    def workers(self):
        return self.crews.setdefault(self.run, {})

    def _current(self, worker, trial, attempt):
        """The account of a trial; this very attempt at it runs on this worker, and nowhere else."""
        account = self.trials[trial]
        assert (account.worker, account.attempt) == (worker, attempt)
        assert not account.result
        return account

    def _opened(self, *, alone=True, **_):
        if alone:
            self._take_over(list(self.crews))

    def _closed(self):
        self._take_over([self.run])
        self.closed.add(self.run)

    def _renewed(self):
        assert self.run not in self.closed

    def _adopted(self, runs):
        assert self.run not in runs
        assert self.run not in self.closed
        self._take_over(runs)
        self.closed.update(runs)

    def _take_over(self, runs):
        for run in runs:
            self.crews.pop(run, None)
        for account in self.trials:
            if account.run in runs:
                account.run = self.run
                if account.runs:
                    account.end_run("stopped" if account.stop == "pruned" else "")

    def _suggested(self, params):
        assert self.run not in self.closed
        self.trials += [Account(point, self.run) for point in params]

    def _joined(self, worker, **_):
        self._lost(worker)
        self.workers[worker] = None

    def _assign(self, worker, trial, attempt, params, after=None):
        account = self.trials[trial]
        assert not account.result
        assert not account.runs
        assert not account.paused
        assert account.run == self.run
        assert self.run not in self.closed
        assert self.workers[worker] is None  # it is there, and free
        assert attempt == account.attempt + 1
        assert params == account.params
        assert (after or {}) == ({m: step for step, said in account.points for m in said} if self.resumes else {})
        account.worker, account.attempt, account.stop = worker, attempt, ""
        self.workers[worker] = trial
        if not self.resumes:
            account.points = []

    def _started(self, worker, trial, attempt, **_):
        self._current(worker, trial, attempt)

    def _reported(self, worker, trial, attempt, points):
        self._current(worker, trial, attempt).points += points

    def _stop(self, worker, trial, attempt, reason, **_):
        account = self._current(worker, trial, attempt)
        assert not account.stop
        account.stop = reason

    def _finished(self, worker, trial, attempt, outcome, **_):
        account = self._current(worker, trial, attempt)
        if outcome == "killed":
            self._lose(account, outcome)
        else:
            account.end_run("" if outcome == "stopped" and account.stop != "pruned" else outcome)
        if worker in self.workers:  # else it is a word of an earlier run, taken in before this one began
            self.workers[worker] = None

    def _lost(self, worker, **_):
        trial = self.workers.pop(worker, None)
        if trial is not None:
            self._lose(self.trials[trial], "lost")

    def _lose(self, account, how):
        account.losses += 1
        spared = account.losses < self.attempts or account.stop
        account.end_run("stopped" if account.stop == "pruned" else "" if spared else how)

    def _thawed(self, trial, **about):
        self._paused(trial, **about).stop = ""

    def _abandoned(self, trial, **about):
        self._paused(trial, **about).result = "stopped"

    def _paused(self, trial, attempt, **_):
        """The account of a trial that this run has paused."""
        account = self.trials[trial]
        assert account.paused
        assert (account.run, account.attempt) == (self.run, attempt)
        return account

    def _revised(self, added, dropped):
        for number, account in enumerate(self.trials):
            assert not account.runs
            if number in dropped and not account.result:
                account.result = "stopped"
            elif number not in dropped:
                account.params = {**added, **account.params}

    def _interrupted(self, **_):
        """Changes no trial."""
