"""A history that several runs share: what has been read of it, who is still there, and which claims hold.

Every run reads all records, in one order, and appends only when it has read everything.  So it knows what the others
know, and what it claims has not been claimed by anybody else.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from metaopt.errors import Overtaken
from metaopt.goals import Goals
from metaopt.history import replay
from metaopt.messages import Adopted, Claim, Event, Heard, Opened, Renewed, Silent, Suggested
from metaopt.recorder import BATCH, Recorder
from metaopt.stores.base import Record, Store
from metaopt.study import Study
from metaopt.wire import from_plain, to_plain

POLL = 1.0
"""Seconds from one look at what the others have said to the next, at most."""
RENEWALS = 6
"""How often, in the time after which it would be given up, a run that has nothing to say says that it is there."""
PATIENCE = 60.0
"""Seconds after which a run that could have been heard, and was not, is given up, if it has not said otherwise."""
SETTLING = 5.0
"""Seconds from the end of a run's scripts to the beginning of the same trials elsewhere."""
STALE = 600.0
"""Seconds after which it is not waited for as long: no two clocks differ by so much.  It may be there all the same."""
GIVEN_UP = "the other runs on this study have heard nothing of this one for too long, and do its work"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run begins in a shared history: at its ``cursor``, with so many ``trials`` of the ``total``.

    ``others`` are the runs that may be under way, and when each was last heard; ``closed`` those that have ended.
    ``patiences`` say of each, this run too, after how many seconds without a word it is given up.
    """

    cursor: object
    trials: int
    total: int
    others: Mapping[int, float]
    closed: Iterable[int] = ()
    patiences: Mapping[int, float] = field(default_factory=dict)


def patience(experiment: Mapping[str, Any]) -> float:
    """After how many seconds without a word from its rank 0 even the scripts of a run have ended."""
    return float(2 * experiment.get("heartbeat", 60.0) + experiment.get("grace", 10.0) + SETTLING)


def join(store: Store, opened: Opened, check: Callable[[Study], None], now: float) -> tuple[Study, "Place"]:
    """Begin a run beside others at ``now``: the study as they have left it, and where this one begins in it.

    Raises what ``check`` raises of the study as it is then.
    """
    begin = store.append([])
    while True:
        past = replay(store)
        study = past.study or Study(Goals.described(opened.experiment))
        check(study)
        study.run = past.run + 1
        record = Record(study.run, 1, round(now, 6), "Opened", to_plain(opened))
        try:
            cursor = store.append([record], after=begin if past.cursor is None else past.cursor)
        except Overtaken:
            continue
        closed = [run for run, crew in study.crews.items() if crew.closed]
        others = {run: past.heard[run] for run in study.crews if run not in closed}
        study.apply(record.time, opened, study.run)
        patiences = {run: patience(crew.experiment) for run, crew in study.crews.items()}
        return study, Place(cursor, study.counted, opened.experiment["trials"], others, closed, patiences)


class Peers:
    """The other runs, as run ``run`` sees them."""

    def __init__(self, run: int, place: Place, now: float) -> None:
        self._run, self._trials, self._total = run, place.trials, place.total
        self._patiences = dict(place.patiences)
        self.poll = min(POLL, *(self._patience(other) / RENEWALS for other in (run, *place.others)))
        self.renewal = self._patience(run) / RENEWALS
        self._silence = {
            other: 0.0 if now - heard < STALE else self._patience(other) - 2 * self._patience(other) / RENEWALS
            for other, heard in place.others.items()
        }
        self._closed = set(place.closed)
        self._told: set[int] = set()
        self._looked = now
        self.given_up = False

    def look(self, records: Iterable[Record], now: float) -> list[int]:
        """Take in all that is to be read at ``now``; gives the runs that have fallen silent, each once."""
        passed, self._looked = now - self._looked, now
        for run in self._silence:
            self._silence[run] += min(max(passed, 0.0), 2 * self.poll)  # the longer it was, the less could be heard
        for record in records:
            self.take(record)
        silent = [run for run in self._silence if self._is_silent(run) and run not in self._told]
        self._told.update(silent)
        return silent

    def take(self, record: Record) -> None:
        """Learn from a record, this run's own too."""
        if record.run in self._silence or (record.kind == "Opened" and record.run != self._run):
            self._silence[record.run] = 0.0
            self._told.discard(record.run)
        match record.kind:
            case "Opened":
                self._patiences[record.run] = patience(record.body["experiment"])
            case "Suggested":
                self._trials += len(record.body["params"])
            case "Closed":
                self._silence.pop(record.run, None)
                self._closed.add(record.run)
            case "Adopted":
                for run in record.body["runs"]:
                    self._silence.pop(run, None)
                    self._closed.discard(run)
                    self.given_up = self.given_up or run == self._run

    def _patience(self, run: int) -> float:
        return self._patiences.get(run, PATIENCE)

    def _is_silent(self, run: int) -> bool:
        return self._silence[run] >= self._patience(run)

    def grant(self, fact: Suggested | Adopted) -> Suggested | Adopted:
        """What is to be had of it by one who has read everything; it may be nothing."""
        if isinstance(fact, Suggested):
            return Suggested(fact.params[: max(self._total - self._trials, 0)])
        there = {run for run in self._silence if self._is_silent(run)} | self._closed
        return Adopted(tuple(run for run in fact.runs if run in there))


class SharedRecorder(Recorder):
    """Writes the facts of run ``run`` to a ``store`` to which others write too, and reads what they have said."""

    def __init__(
        self, store: Store, run: int, place: Place, *, clock: Callable[[], float] = time.time, background: bool = True
    ) -> None:
        self._peers = Peers(run, place, clock())
        self.pause, self._size = self._peers.poll, BATCH
        self._cursor, self._clock = place.cursor, clock
        self._claims: dict[int, Claim] = {}
        self._spoken: dict[int, int] = {}
        self._said = self._looked = clock()
        super().__init__(store, run, background=background, seq=1)

    def claim(self, now: float, claim: Claim) -> None:
        """Write it if it still holds when everything has been read; what was granted is heard, were it nothing."""
        with self._changed:
            self._claims[self._add(now, claim.fact)] = claim
            self._changed.notify()

    def heard(self) -> list[Event]:
        """What the others have said since, and what was granted."""
        if self._thread is None and (self._waiting or self._clock() - self._looked >= self.pause):
            self._write()
        return super().heard()

    def _append(self) -> None:
        """Read on, and write what waits; again, when somebody was faster."""
        while not self.broken:
            self._read_on()
            if self._peers.given_up:
                self.overruled, self.broken = True, GIVEN_UP
                return
            records = self._what_holds()
            try:
                self._cursor = self._store.append(records, after=self._cursor) if records else self._cursor
            except Overtaken:
                self._size = max(self._size // 2, 1)  # less takes less time
                continue
            if records:
                self._size = min(2 * self._size, BATCH)
                self._said = self._clock()
                self._written(records)
            return

    def _read_on(self) -> None:
        """Pass on what the others have said; what is from this run was in doubt, and is there.

        Once they do its work, what they say of its trials goes against what it has seen of them, and has not told.
        """
        for cursor, record in self._store.read(self._cursor):
            if self._peers.given_up:
                return
            self._cursor = cursor
            if record.run == self._run:
                self._written([record])
            elif record.seq > self._spoken.get(
                record.run, 0
            ):  # else a server has lost it, and its writer said it again
                self._spoken[record.run] = record.seq
                self._peers.take(record)
                self._inbox.append(Heard(record.run, record.time, from_plain(record.kind, record.body)))
        self._looked = self._clock()
        self._inbox.extend(Silent(run) for run in self._peers.look((), self._looked))

    def _what_holds(self) -> list[Record]:
        """The next records to be written, with what is to be had of the claims among them."""
        with self._changed:
            if not self._waiting and self._clock() - self._said >= self._peers.renewal:
                self._add(self._clock(), Renewed())
            batch = self._waiting.first(self._size)
        return [record for record in map(self._granted, batch) if record is not None]

    def _granted(self, record: Record) -> Record | None:
        claim = self._claims.get(record.seq)
        if claim is None:
            return record
        fact = self._peers.grant(claim.fact)
        if fact == type(fact)(()):
            self._inbox.append(Heard(self._run, record.time, fact))
            self._forget([record])
            return None
        return replace(record, body=to_plain(fact))

    def _written(self, records: list[Record]) -> None:
        for record in records:
            self._peers.take(record)
            if record.seq in self._claims:
                self._inbox.append(Heard(self._run, record.time, from_plain(record.kind, record.body)))
        super()._written(records)

    def _forget(self, records: list[Record]) -> None:
        for record in records:
            self._claims.pop(record.seq, None)
            self.durable = max(self.durable, record.seq)  # also what was denied keeps nothing behind it waiting
        super()._forget(records)
