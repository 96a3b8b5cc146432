"""What is known of a study: its trials and its workers, folded from facts.

This file and ``scheduler.py`` are the only ones that change a trial's state; ``NEXT`` says which changes there are.
The scheduler applies each fact as it happens, a resumed run and ``metaopt.history`` apply the same facts again: the
same facts in the same order always give the same state.  Nothing here decides.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from metaopt.crew import Crew, Crews
from metaopt.faults import blames_gpu
from metaopt.front import Front
from metaopt.goals import Goals
from metaopt.messages import (
    Abandoned,
    Adopted,
    Assign,
    Closed,
    Fact,
    Finished,
    Interrupted,
    Joined,
    Lost,
    Opened,
    Params,
    Point,
    Renewed,
    Reported,
    Revised,
    Started,
    StoodDown,
    Stop,
    Suggested,
    Thawed,
)
from metaopt.objective import Objective
from metaopt.space import Space
from metaopt.trial import ACTIVE, OUTSIDE, State, Trial, nearest


@dataclass(slots=True)
class Study(Crews):
    """All trials and workers of one study; ``apply`` is the only way to change it, ``report`` a part of it.

    ``run`` is the number of this run, or of the last one; ``workers``, ``idle`` and ``waiting`` are its own, ``crews``
    those of all runs that are under way, each of whose open trials belongs to one of them.  ``open`` are the trials
    that have not ended; ``ended`` those that have, in that order; ``front`` is the Pareto set of the feasible ones.
    ``spent`` are the seconds in which scripts ran to their ends in this run, ``tries`` how often they did.  A trial
    outside the space, as that is now, is among ``trials``, and counts nowhere.
    """

    goals: Goals
    run: int = 0
    trials: dict[int, Trial] = field(default_factory=dict)
    crews: defaultdict[int, Crew] = field(default_factory=lambda: defaultdict(Crew))
    open: dict[int, None] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)
    front: Front = field(default_factory=Front)
    tally: Counter[State] = field(default_factory=Counter)
    spent: float = 0.0
    tries: int = 0
    experiment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def objective(self) -> Objective:
        """The first objective, or the only one."""
        return self.goals.objectives[0]

    @property
    def pareto(self) -> list[Trial]:
        """The feasible trials that no other one dominates, by the first objective, the best one first.

        Of trials with equal values it has the first by number; with one objective, it is the best one alone.
        """
        return [self.trials[number] for number in self.front]

    @property
    def best(self) -> Trial | None:
        """That one of them with the best first objective; None as long as no feasible trial has completed."""
        return next((self.trials[number] for number in self.front), None)

    @property
    def nearest(self) -> Trial | None:
        """As long as there is no best one: the completed trial that exceeds its constraints least, added up."""
        return None if self.best else nearest(self.trials[number] for number in self.ended)

    @property
    def counted(self) -> int:
        """How many of the total there are."""
        return len(self.open) + len(self.ended)

    def is_late(self, worker: int, number: int, attempt: int) -> bool:
        """Whether an attempt is no longer under way, as when its worker was thought lost: no word about it counts."""
        trial = self.trials.get(number)
        return trial is None or trial.worker != worker or trial.attempts != attempt or trial.state not in ACTIVE

    def report(self, worker: int, number: int, attempt: int, points: Sequence[Point]) -> bool:
        """Take in what Reporteds say; False when it is late.  For who folds a million of them without a message."""
        if self.is_late(worker, number, attempt):
            return False
        self.trials[number].take(points)
        return True

    def apply(self, time: float, fact: Fact, run: int | None = None) -> bool:  # noqa: C901, PLR0912 - one case a fact
        """Take in what ``run`` (or else this one) has said at ``time``; False for a late word that changes nothing."""
        run = self.run if run is None else run
        match fact:
            case Started() | Finished() | Stop() if self.is_late(fact.worker, fact.trial, fact.attempt):
                return False
            case Reported(worker, number, attempt, points):
                return self.report(worker, number, attempt, points)
            case Started(_, number, _, pid):
                self.trials[number].start(time, pid)
            case Finished():
                self._finished(time, fact)
            case Assign():
                self._assigned(time, fact)
            case Stop():
                self._stop(self.trials[fact.trial], fact)
            case Suggested(params):
                self._suggested(params, run)
            case Joined(worker):
                self._lost(time, self.crews[run], worker, "joined anew", lives=True)
                self.crews[run].join(time, fact)
            case Lost(worker, why):
                return self._lost(time, self.crews[run], worker, why)
            case StoodDown():
                self._stood_down(time, self.crews[run], fact)
            case Opened():
                self._opened(time, fact, run)
            case Closed():
                self._closed(time, run)
            case Adopted(runs):
                self._take_over(time, run, {other: self.crews.pop(other) for other in runs if other in self.crews})
            case Revised():
                self._revised(time, fact)
            case Thawed() | Abandoned():
                return self._decided(time, fact, run)
            case Interrupted() | Renewed():
                pass
            case _:
                assert_never(fact)
        return True

    def _suggested(self, points: tuple[Params, ...], run: int) -> None:
        for params in points:
            number = len(self.trials)
            self.trials[number] = Trial(number, params, run=run)
            self.tally[State.WAITING] += 1
            self.crews[run].waiting.append(number)
            self.open[number] = None

    def _assigned(self, time: float, fact: Assign) -> None:
        trial = self.trials[fact.trial]
        self._move(trial, State.RUNNING)
        crew = self.crews[trial.run]
        trial.begin(time, fact.worker, fact.attempt, resumes=crew.resumes)
        crew.waiting.remove(fact.trial)
        trial.experiment = crew.experiment
        if (worker := crew.engage(time, fact.worker, fact.trial)) is not None:
            trial.device, trial.gpus = worker.device, worker.gpus

    def _stop(self, trial: Trial, fact: Stop) -> None:
        self._move(trial, State.STOPPING)
        trial.stop, trial.why = fact.reason, fact.why

    def _finished(self, time: float, fact: Finished) -> None:
        trial = self.trials[fact.trial]
        trial.usage, blamed = fact.usage, fact.outcome == "killed" and blames_gpu(fact.error)
        trial.shunned += trial.gpus if blamed else ()
        time = time if fact.ended is None else min(time, max(fact.ended, trial.begun or fact.ended))
        if trial.run == self.run:
            self.spent += time - (trial.begun or time)
            self.tries += 1
        if fact.outcome == "failed":
            self._end(time, trial, State.FAILED, fact.error)
        elif fact.outcome == "killed":
            self._lose(time, trial, fact.error)
        elif fact.outcome == "stopped":
            self._give_back(time, trial)
        else:
            self._completed(time, trial, fact.error)
        crew = self.crews[trial.run]
        crew.free(time, fact.worker)
        if blamed:
            crew.blamed.setdefault(fact.worker, []).append(fact.trial)

    def _completed(self, time: float, trial: Trial, error: str) -> None:
        outcome = self.goals.outcome(trial.closing(self.goals.last))
        if outcome.flaw:
            self._end(time, trial, State.FAILED, f"{outcome.flaw}\n{error}")
        else:
            trial.objectives, trial.excess = outcome.objectives, outcome.excess
            self._end(time, trial, State.COMPLETED)

    def _lost(self, time: float, crew: Crew, worker: int, why: str, *, lives: bool = False) -> bool:
        """Forget ``worker``, and what it ran is lost with it.

        A trial that it had not begun yet has nothing to do with it, if it ``lives`` to say so.
        """
        gone = crew.dismiss(time, worker)
        trial = None if gone is None or gone.trial is None else self.trials[gone.trial]
        if trial is not None and lives and trial.pid is None:
            self._give_back(time, trial)
        elif trial is not None:
            self._lose(time, trial, f"worker {worker} was lost with it: {why}")
        return gone is not None

    def _stood_down(self, time: float, crew: Crew, fact: StoodDown) -> None:
        crew.quarantined |= dict.fromkeys(fact.gpus, fact.why)
        self._lost(time, crew, fact.worker, fact.why, lives=True)

    def _lose(self, time: float, trial: Trial, why: str) -> None:
        """Run a trial again that somebody has killed, unless it happens too often to have nothing to do with it."""
        trial.losses += 1
        if trial.losses < self.crews[trial.run].attempts or trial.stop:
            self._give_back(time, trial)
        else:
            self._end(time, trial, State.FAILED, why)

    def _opened(self, time: float, fact: Opened, run: int) -> None:
        """What ran in an earlier run is run again first, unless others may be at it."""
        self.experiment = fact.experiment
        gone: dict[int, Crew] = {}
        if fact.alone:
            self.run, self.spent, self.tries = run, 0.0, 0
            gone = dict(self.crews)
            self.crews.clear()
        self.crews[run] = Crew(fact.experiment, lost=fact.lost, begun=time, deadline=fact.deadline)
        self._take_over(time, run, gone)

    def _closed(self, time: float, run: int) -> None:
        """What it leaves undone is there for others."""
        gone = self.crews.pop(run, Crew())
        self.crews[run] = Crew(gone.experiment, closed=True)
        self._take_over(time, run, {run: gone})
        if not (self.crews[run].waiting or self.crews[run].paused):
            del self.crews[run]

    def _revised(self, time: float, fact: Revised) -> None:
        """Set aside the trials that are outside the space now; the others have all that it has more of."""
        space, dropped = Space.parse(self.experiment["space"]), set(fact.dropped)
        for trial in self.trials.values():
            if trial.number not in dropped:
                trial.params = space.filled(trial.params, fact.added)
            elif trial.number in self.open:
                self.crews[trial.run].withdraw(trial.number)
                trial.why, trial.started, trial.begun = OUTSIDE, None, None
                self._end(time, trial, State.STOPPED)
        back = [n for n, trial in self.trials.items() if trial.outside and n not in dropped]
        for trial in self.trials.values():
            trial.outside = trial.number in dropped
        inside = [self.trials[number] for number in (*self.ended, *back) if number not in dropped]
        self.ended = [trial.number for trial in inside]
        self.tally = Counter(trial.state for trial in (*inside, *map(self.trials.__getitem__, self.open)))
        self.front = Front()
        for trial in inside:
            self._rank(trial)

    def _take_over(self, time: float, run: int, gone: Mapping[int, Crew]) -> None:
        """The trials of crews that are ``gone`` are those of ``run`` now; what was cut off comes first.

        That a node died is held against what ran there: it may be the reason.
        """
        crew, killers = self.crews[run], set()
        for other in gone.values():
            crew.waiting.extend(other.waiting)
            crew.paused |= other.paused
            killers |= {each.trial for each in other.workers.values() if each.host.partition(".")[0] in crew.lost}
        for number in sorted(self.open, reverse=True):
            trial = self.trials[number]
            if trial.run in gone:
                trial.run = run
                if trial.state in ACTIVE and number in killers:
                    self._lose(time, trial, f"worker {trial.worker} was lost with it: its node died")
                elif trial.state in ACTIVE:
                    self._give_back(time, trial)

    def _give_back(self, time: float, trial: Trial) -> None:
        """End a trial that was stopped for good; make another attempt at one that was only interrupted."""
        if trial.stop == "pruned":
            self._end(time, trial, State.STOPPED)
        elif trial.stop == "paused":
            self._move(trial, State.PAUSED)
            trial.ended, trial.pid = time, None
            self.crews[trial.run].paused[trial.number] = None
        else:
            if self.crews[trial.run].resumes and trial.stop:
                trial.saved += time - (time if trial.begun is None else trial.begun)
            self._move(trial, State.WAITING)
            trial.worker = trial.pid = None
            self.crews[trial.run].waiting.appendleft(trial.number)

    def _decided(self, time: float, fact: Thawed | Abandoned, run: int) -> bool:
        """What is to become of a paused trial."""
        trial = self.trials.get(fact.trial)
        if trial is None or (trial.state, trial.attempts, trial.run) != (State.PAUSED, fact.attempt, run):
            return False
        self.crews[trial.run].withdraw(trial.number)
        if isinstance(fact, Thawed):
            trial.thaw()
            self._move(trial, State.WAITING)
            self.crews[run].waiting.appendleft(trial.number)
        else:
            self._end(time if trial.ended is None else trial.ended, trial, State.STOPPED)
        return True

    def _end(self, time: float, trial: Trial, state: State, error: str = "") -> None:
        self._move(trial, state)
        trial.ended, trial.error, trial.pid = time, error.strip(), None
        self._rank(trial)
        self.open.pop(trial.number)
        self.ended.append(trial.number)

    def _move(self, trial: Trial, state: State) -> None:
        self.tally[trial.state] -= 1
        trial.move(state)
        self.tally[state] += 1

    def _rank(self, trial: Trial) -> None:
        """See whether it is one of the best; all runs find the same ones, in whatever order trials end."""
        if trial.feasible:
            self.front.add(self.goals.worth(trial.objectives), trial.number)
