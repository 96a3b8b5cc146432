"""The scheduler: a state machine.  Events in, commands out; no I/O, no clock, no randomness.

``handle(now, *events)`` is the whole interface: it takes in everything that has happened, then decides once.  What was
applied stands in ``facts`` until the driver takes it away to be journalled.
"""

from collections.abc import Iterable
from typing import assert_never

from metaopt.doubts import Asked, of_end
from metaopt.durations import AT_ONCE, Durations
from metaopt.endings import Endings
from metaopt.given import Given
from metaopt.judge import Judge
from metaopt.limits import Limits
from metaopt.messages import (
    Adopted,
    Assign,
    Claim,
    Command,
    Event,
    Fact,
    Finished,
    Heard,
    Interrupted,
    Joined,
    Lent,
    Lost,
    Opened,
    Quarantine,
    Release,
    Reported,
    Silent,
    Started,
    StoodDown,
    Stop,
    Suggest,
    Suggested,
    Thawed,
)
from metaopt.pending import Pending
from metaopt.placement import ELSEWHERE, begun_anew, hungry, in_words, next_pair, on_ill_gpus, run_again
from metaopt.stopping.base import Stopper
from metaopt.stopping.never import Never
from metaopt.study import Study
from metaopt.verdicts import Weighed


class Scheduler:
    """Gives trials to workers, asks for points, stops what is not worth its time.

    Where other runs share the study (``shared``), what they might want too is claimed, and done when that is Heard.
    """

    def __init__(
        self,
        study: Study,
        limits: Limits,
        stopper: Stopper,
        *,
        shared: bool = False,
        given: Given | None = None,
        watching: bool = False,
    ) -> None:
        """Go on from ``study``, which may have a past; the stopper and the optimizer are told of it.

        An optimizer that is ``watching`` is told of curves too, and may say which paused trials go on.  A stopper that
        is asked apart is not asked here: who answers Advice must have it.
        """
        self.shared = shared
        self.study, self.limits, self.stopper = study, limits, stopper
        self._judge = Judge(study, stopper)
        self.durations = Durations(study)
        self.facts, self.warnings, self.news, self.draining = list[Fact](), list[str](), list[str](), ""
        self._said, self._gone, self._adopting, self._leaving = set[str](), set[int](), set[int](), set[int]()
        self.interrupted = self.exhausted = self.overruled = False
        self._given = given or Given(study)
        self.asked_at: float | None = None
        self._ahead, self._pending = 0, Pending(study)
        self._watching, self._endings, self._asked = watching, Endings(study, watching=watching), Asked()
        self._standing_by, self._claims = dict[int, str](), list[Claim]()

    @property
    def complete(self) -> bool:
        """Whether the study has all its trials, or its space has no more points, and all have ended."""
        ended = not self.study.open and not self.overruled
        return ended and (self._missing <= 0 or (self.exhausted and not self._kept))

    @property
    def finished(self) -> bool:
        """Whether this run has nothing more to do."""
        return not self.study.busy and (bool(self.draining) or self.complete)

    @property
    def refused(self) -> str:
        """Why nobody could run anything, if that is so: no worker has ever had a device."""
        never = len(self._standing_by) >= self.limits.workers and not self.study.tries and not self.study.workers
        return next(iter(self._standing_by.values())) if never else ""

    @property
    def _missing(self) -> int:
        return self.limits.trials - self.study.counted

    @property
    def _kept(self) -> int:
        return self._given.kept(self._missing, exhausted=self.exhausted)

    def room(self, now: float) -> int:
        """How many trials could begin now, if there were workers for all of them."""
        last = self._kept
        new = (0 if self.exhausted else max(self._missing - last, 0)) + (0 if self.study.open else last)
        there = len(self.study.waiting) + sum(self.study.left.values()) + new
        return there if not self.draining and self._fits(now) else 0

    def handle(self, now: float, *events: Event) -> list[Command]:
        """Take in everything that has happened, then decide once."""
        reported: dict[int, None] = {}
        for event in events:
            self._take(now, event, reported)
        decided = [*self._observations(now, reported), *self._stops(now, reported)]
        ill = [*on_ill_gpus(self.study, self._endings.suspects)]
        self._leaving = {each.worker for each in ill}
        decided += [each for each in ill if isinstance(each, Quarantine)]
        for each in ill:
            if isinstance(each, StoodDown):
                self._stood_down(now, each)
        self._thaw(now)
        self._begin(now)
        decided += [*self._observations(now), *self._assignments(now), *self._what_next(now)]
        claims, self._claims, self.warnings = self._claims, [], [*self.warnings, *self._judge.failures()]
        return [*decided, *claims, *self._judge.question()]  # what delays nothing that is decided

    def overrule(self, why: str) -> None:
        """Others do its work, and have not heard all that it has: how the study ends is for them to say."""
        self.interrupted = self.overruled = True
        self._drain(why)

    def _apply(self, now: float, fact: Fact) -> bool:
        if applied := self.study.apply(now, fact):
            self.facts.append(fact)
            if isinstance(fact, Thawed):
                self._pending.resumed(fact.trial)
                self.news.append(f"trial {fact.trial} goes on: {fact.why}")
        return applied

    def _take(self, now: float, event: Event, reported: dict[int, None]) -> None:  # noqa: C901, PLR0912 - one case an event
        match event:
            case Suggested():
                self._suggested(now, event)
            case Reported(_, trial, _, _):
                if self._apply(now, event):
                    reported[trial] = None
                    self.warnings += self._asked.heard(self.study.trials[trial], event)
            case Lost():
                self._lost(now, event)
            case Lent(worker, host):
                self._gone.discard(worker)
                if worker in self.study.workers:
                    self._apply(now, StoodDown(worker, host, ELSEWHERE, spare=True))
            case Interrupted(reason):
                self._apply(now, event)
                self.interrupted = True
                self._drain(reason)
            case Joined():
                self._joined(now, event)
            case StoodDown():
                self._stood_down(now, event)
            case Finished(_, trial, _, _):
                if self._apply(now, event):
                    reported[trial] = None
                    news, warnings = of_end(self.study, event, judged=not isinstance(self.stopper, Never))
                    self.news, self.warnings = [*self.news, *news], [*self.warnings, *warnings]
                    self.warnings += self._asked.ended(self.study.trials[trial], event)
            case Started() | Opened():
                self._apply(now, event)
            case Weighed():
                self._judge.weighed(event)
            case Heard():
                self._heard(event, reported)
            case Silent(run):
                self._adopt(run)
            case _:
                assert_never(event)

    def _joined(self, now: float, event: Joined) -> None:
        before = self.study.workers.get(event.worker)
        if event.worker in self._gone and self._apply(now, event):
            self.news.append(f"worker {event.worker} is back")
        self._gone.discard(event.worker)
        self._standing_by.pop(event.worker, None)
        self._apply(now, event)
        self.warnings += begun_anew(self.study, event, before)
        said = f"{event.host}: {event.doubt}"
        self.news += [said] if event.doubt and said not in self._said else []
        self._said.add(said)

    def _stood_down(self, now: float, event: StoodDown) -> None:
        """A worker runs no trials any more; the same reason is told once a node."""
        told, said = self._standing_by.values(), f"{event.host}: {event.why}"
        if not self.finished:
            self._gone.discard(event.worker)
        idle = event.spare and event.worker not in self.study.workers
        (self.news if idle else self.warnings).extend([] if said in told else [in_words(self.study, event)])
        self._standing_by[event.worker] = said
        self._apply(now, event)
        self._check_workers(event.why)

    def _lost(self, now: float, event: Lost) -> None:
        """A worker has gone; somebody else runs its trial."""
        self._gone.add(event.worker)
        worker = self.study.workers.get(event.worker)
        if self._apply(now, event) and worker is not None:
            why = event.why + run_again(self.study, worker.trial)
            self.warnings.append(f"worker {event.worker} on {worker.host} is lost: {why}")
        self._check_workers("no worker is left")

    def _check_workers(self, why: str) -> None:
        """End the run when there is nobody to run a trial."""
        if len(self._gone | self._standing_by.keys()) >= self.limits.workers and not self.finished:
            self.interrupted = True
            self._drain("no worker is left" if self._gone else f"no worker has a device: {why.splitlines()[0]}")

    def _heard(self, event: Heard, reported: dict[int, None]) -> None:
        """What stands in the common history is so: what others have said, and what was claimed and granted."""
        applied = self.study.apply(event.time, event.fact, event.run)
        match event.fact:
            case Reported(_, trial, _, _) if applied:
                reported[trial] = None
            case Assign(_, trial, _, _):
                self._judge.again(trial)
            case Suggested() if event.run == self.study.run:
                self.asked_at = None
            case Adopted(runs):
                self._adopting = self._adopting - set(runs) if event.run != self.study.run else set()
                who = "this one does" if event.run == self.study.run else f"run {event.run} does"
                self.news += [f"run {run} is over: {who} what it has left" for run in runs]
            case Joined(_, host) if len(self.study.crews[event.run].workers) == 1:
                self.news.append(f"run {event.run}, on {host}, has joined")

    def _adopt(self, *runs: int) -> None:
        """Claim what these runs have left undone."""
        if new := tuple(run for run in runs if run in self.study.crews and run not in self._adopting):
            self._adopting.update(new)
            self._claims.append(Claim(Adopted(new)))

    def _suggested(self, now: float, event: Suggested) -> None:
        """Take points in, and see how many to keep ahead from now on."""
        if self.asked_at is not None:
            self._ahead = self.durations.ahead(now - self.asked_at, now)
        self.exhausted = self.exhausted or not (event.params or event.thawed)
        for number, why in event.thawed:
            if (trial := self.study.trials.get(number)) and self._apply(now, Thawed(number, trial.attempts, why)):
                self._judge.resumed(number)
        wanted = event.params[: max(self._missing, 0)]
        if wanted and self.shared:
            self._claims.append(Claim(Suggested(wanted)))
            return
        self.asked_at = None
        if wanted:
            self._apply(now, Suggested(wanted))

    def _begin(self, now: float) -> None:
        """As soon as there is somebody to run it: what no optimizer suggests."""
        free = self.study.idle and not self.draining and self.asked_at is None
        if free and (points := self._given.points(self._missing, exhausted=self.exhausted)):
            self._suggested(now, Suggested(points))
            self.asked_at = now if self._claims else None

    def _observations(self, now: float, reported: Iterable[int] = ()) -> list[Command]:
        """Tell the optimizer of each trial that has ended; end the run when there is no hope."""
        observed = self._endings.observations(now, reported)
        if hopeless := self._endings.hopeless(self.limits.give_up_after):
            self._drain(hopeless)
        return [*observed]

    def _stops(self, now: float, reported: Iterable[int]) -> list[Stop]:
        stops = self._judge.stops(reported, self.draining, self._endings.last)
        for stop in stops:
            self._apply(now, stop)
        return stops

    def _thaw(self, now: float) -> None:
        """Go on with paused trials that are worth it by now, before anything new; when nothing is to come, end them."""
        if self.draining or not self.study.paused:
            return
        last = self._missing <= self._kept or self.exhausted
        while self._fits(now) and (thawed := self._judge.thawed(last=last)) is not None:
            self._apply(now, thawed)
        for abandoned in self._judge.abandoned() if last else ():
            self._apply(now, abandoned)

    def _assignments(self, now: float) -> list[Command]:
        """Give the waiting trials to the idle workers, first come, first served."""
        commands: list[Command] = []
        while self.study.idle and self.study.waiting and not self.draining and self._fits(now):
            if (pair := next_pair(self.study, self._leaving)) is None:
                break
            worker, trial = pair
            after = trial.reached if self.study.resumes else {}
            assign = Assign(worker, trial.number, trial.attempts + 1, trial.params, after)
            self._asked.begins(trial, after)
            self._apply(now, assign)
            self._judge.again(trial.number)
            commands.append(assign)
        return commands

    def _fits(self, now: float) -> bool:
        """Whether a trial that begins now has a fair chance to complete before the end."""
        return self.durations.fits(self.limits.end - now, self.limits.end - self.limits.begin)

    def _what_next(self, now: float) -> list[Command]:
        """Ask for the points that are missing, or send everybody home."""
        if self.study.waiting and not self.study.busy and not self._fits(now):
            self.interrupted, left = True, max(self.limits.end - now, 0)
            self._drain(f"no trial is likely to complete in the {left:.0f} s that are left for one")
        if self.finished:
            leaving = [worker for worker in (*self.study.workers, *self._standing_by) if worker not in self._gone]
            self._gone.update(leaving)
            return [Release(worker) for worker in leaving]
        if self.study.idle and not self.study.waiting and not self.draining:
            self._adopt(*self.study.left)
        if self.asked_at is not None or self.draining or self.exhausted:
            return []
        if (missing := min(hungry(self.study, self._leaving) + self._ahead, self._missing - self._kept, AT_ONCE)) <= 0:
            return []
        self.asked_at = now
        return [*self._pending.expected(pausing=self._watching and self._judge.pauses), Suggest(missing)]

    def _drain(self, reason: str) -> None:
        self.draining = self.draining or reason
