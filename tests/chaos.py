"""Everything that can go wrong, at moments drawn from one seed: under the real driver, on a virtual clock."""

import json
import math
import random
from collections import deque
from itertools import count, islice

from metaopt.history import OUTCOME
from metaopt.messages import Assign, Finished, Joined, Lost, Reported, Started, Suggested
from metaopt.proposer import InlineProposer
from metaopt.recorder import Recorder
from metaopt.transports.simulated import SimulatedHub
from metaopt.wire import to_plain

KINDS = ("good",) * 12 + ("raises", "nan", "infinite", "mute", "beside", "endless", "hangs", "stutters", "hungry")
TIMEOUT = 4.0  # seconds after which a script that hangs is ended
HEARTBEAT = 1.0  # seconds of silence after which a worker is given up
ENDLESS = 1e6  # added to the loss of a script that never ends
SILENT = "it has been silent for too long"
TOO_LONG = 1000.0  # virtual seconds after which a run will never end


class Killed(Exception):
    """Rank 0 is no more, in the middle of whatever it did."""


def kind_of(params):
    return KINDS[int(params["x"] * 1e9) % len(KINDS)]


def play(params, trial):
    """What the script of this trial says: (step, (seconds, values)), ...; it depends on nothing else."""
    kind, chance = kind_of(params), random.Random(f"{params['x']} {trial}")
    length = 0 if kind == "mute" else 2 if kind == "stutters" else chance.randint(1, 4)
    for index in count(1) if kind == "endless" else range(1, length + 1):
        loss = params["x"] + trial + 1 / index + (ENDLESS if kind == "endless" else 0.0)
        if index == length and kind in {"nan", "infinite"}:
            loss = math.nan if kind == "nan" else math.inf
        step = 1 if kind == "stutters" else index
        yield step, (chance.uniform(0.02, 1.0), {"accuracy" if kind == "beside" else "loss": loss})
    if kind == "hangs":
        yield length + 1, (TIMEOUT, {})
        raise TimeoutError
    if kind == "raises":
        raise RuntimeError(trial)
    if kind == "hungry":
        raise MemoryError


class Impatient:
    """A stopper that ends what never ends, and fails on one in ten others.

    Some it pauses for a while, if it may; else it is asked apart.
    """

    def __init__(self, *, pauses):
        self._pauses, self._endless, self._paused = pauses, set(), {}
        self.apart = not pauses

    def should_stop(self, trial, points):
        (step, value) = points[-1]
        if ENDLESS <= abs(value) < math.inf:
            self._endless.add(trial)
            return "it does not end" if step > 2 + trial % 3 else ""
        if trial % 10 == 0:
            raise ArithmeticError(value)
        if self._pauses and trial % 4 == 1 and step > 1:
            return "for now"
        return ""

    def pause(self, trial):
        self._paused[trial] = None

    def promote(self):
        found = next((trial for trial in self._paused if trial not in self._endless), None)
        if found is None:
            return None
        del self._paused[found]
        return found, "it has waited"


class SlowDisk(Recorder):
    """Facts are in the store a moment after they were taken in; some never get there.

    From ``begin`` to ``end`` the disk takes nothing at all; when it is ``full``, it says so.
    """

    def __init__(self, store, run, chance, begin, end, *, full):
        super().__init__(self, run, background=False)
        self._disk, self._chance = store, chance
        self._begin, self._end, self._full = begin, end, full
        self._buffer, self._due = [], deque()
        self.assigned = set()

    def append(self, records):
        self._buffer += records

    def record(self, time, facts):
        durable = self.durable
        seq = super().record(time, facts)
        self.durable = durable
        if facts:
            self._due.append((time + self._chance.choice((0, 0, 0, 0.001, 0.004)), seq))
        stuck = self._begin <= time < self._end
        self.trouble = "it is full" if stuck and self._full else ""
        while self._due and self._due[0][0] <= time and not stuck:
            self._pour(self._due.popleft()[1] - self.durable)
        return seq

    def _pour(self, number):
        records, self._buffer = self._buffer[:number], self._buffer[number:]
        self._disk.append(records)
        self.durable += number
        self.assigned |= {(r.body["trial"], r.body["attempt"]) for r in records if r.kind == "Assign"}

    def end(self):
        """Rank 0 leaves in good order."""
        self._pour(len(self._buffer))

    def crash(self):
        """Rank 0 is killed: of what was on its way, only the first records arrive."""
        self._pour(0 if self.trouble else self._chance.randint(0, len(self._buffer)))


class Moody(InlineProposer):
    """An optimizer that takes its time, gives a few points only or too many, repeats itself, and may fail."""

    def __init__(self, chance, now, fails, stopper):
        super().__init__(self, stopper)
        self._chance, self._now, self._fails = chance, now, fails
        self._due = 0.0
        self._given = [{"x": chance.random()}]
        self.told = []

    def ask(self, wanted, pending):
        self._due = self._now() + self._chance.choice((0.0, 0.1, 0.4))
        new = self._chance.randint(1, max(1, min(3 * wanted, 40)))
        points = [{"x": self._chance.random()} for _ in range(new)]
        self._given += points
        return [*points, *self._chance.choices(self._given, k=self._chance.choice((0, 0, 1)))]

    def tell(self, params, value):
        self.told.append((params, value))

    def receive(self):
        if self._now() < self._due:
            return []
        if self._fails and any(isinstance(a, Suggested) for a in self._answers) and self._chance.random() < self._fails:
            raise Killed
        answers = super().receive()
        return answers * self._chance.choice((1, 1, 1, 2))


class Directories:
    """What is on disk of the trials, whoever lives or dies: their checkpoints, and how they ended."""

    def __init__(self, root):
        self._root = root
        self.saved, self.outcomes, self._owners = {}, {}, {}

    def begin(self, assign):
        """A worker begins a trial; what is there of another one with its number is put aside."""
        if self._owners.setdefault(assign.trial, assign.params) != assign.params:
            self.saved.pop(assign.trial, None)
            self.outcomes.pop(assign.trial, None)
        self._owners[assign.trial] = assign.params

    def conclude(self, assign, begin, points, outcome, error=""):
        """A worker has seen a script to its end."""
        run = (assign.worker, assign.trial, assign.attempt)
        ended = {**to_plain(Reported(*run, tuple(points))), **to_plain(Finished(*run, outcome, error))}
        self.outcomes[assign.trial] = {**ended, "params": assign.params}
        if outcome == "stopped":
            self.saved[assign.trial] = max(begin + len(points) - 1, 0)

    def write(self, trials):
        """Put the outcomes of ``trials`` where a resumed run looks for them."""
        for trial in trials:
            if trial in self.outcomes:
                directory = self._root / str(trial)
                directory.mkdir(exist_ok=True)
                (directory / OUTCOME).write_text(json.dumps(self.outcomes[trial]))
        return self._root


class Chaos(SimulatedHub):
    """Workers that die, fall silent and come back; and a transport that says things again, and nonsense.

    ``silences`` are (from, until, worker): what it has to say in that time is said afterwards; if that is long, it is
    given up meanwhile, and joins anew some time after it has come back.  Rank 0 is killed at ``doom``: (time, turn).
    """

    def __init__(
        self,
        workers,
        chance,
        directories,
        *,
        losses=(),
        silences=(),
        resumes=False,
        begin=0.0,
        doom=None,
        call_at=math.inf,
    ):
        super().__init__(None, workers, losses, grace=0.3, begin=begin)
        self._chance, self._directories, self._resumes = chance, directories, resumes
        self._doom = doom or (math.inf, math.inf)
        self._late, self._call_at, self.call = begin + TOO_LONG, call_at, None
        self._turns = 0
        self._silences = {worker: (start, end) for start, end, worker in silences}
        self._attempts = {}
        self._given_up = set()
        self._echoes = []
        self.disk = None
        for start, end, worker in silences:
            if end - start > HEARTBEAT:
                self._at(start + HEARTBEAT, Lost(worker, SILENT))
                self._at(end + chance.choice((0.0, 0.5, 2.0)), Joined(worker, "back", ""))

    def receive(self, until):
        self._live_on()
        events = super().receive(until)
        again = [e for e in events if isinstance(e, Started | Finished | Lost) and self._chance.random() < 0.05]
        self._echoes += [e for e in events if isinstance(e, Started | Reported | Finished)]
        if self._echoes and self._chance.random() < 0.1:
            again += [echo for echo in self._chance.choices(self._echoes, k=2) if self._is_over(echo)]
            again += [Finished(self._chance.randint(0, 2000), self._chance.randint(0, 500), 99, "completed")]
        return events + again

    def send(self, command):
        self._live_on()
        if command.worker in self._given_up:
            return
        if isinstance(command, Assign):
            self._check(command)
        super().send(command)

    def wreck(self):
        """Rank 0 is gone: what ran dies at once, or is stopped and saves, or comes to its end just in time."""
        for worker, (assign, begin, points) in self._attempts.items():
            if worker in self._dead:
                continue
            match self._chance.choice(("dies", "saves", "saves", "ends")):
                case "saves":
                    self._directories.conclude(assign, begin, points, "stopped")
                case "ends" if worker in self._playing and kind_of(assign.params) == "good":
                    said = [(step, values) for step, (_, values) in play(assign.params, assign.trial)]
                    self._directories.conclude(assign, begin, said[begin:], "completed")

    def _live_on(self):
        self._turns += 1
        if self._time >= self._doom[0] or self._turns >= self._doom[1]:
            raise Killed
        if self._time >= self._call_at:
            self._call_at = math.inf
            self.call()
        assert self._time < self._late, "it does not come to an end"

    def _check(self, assign):
        """Nobody runs this trial, this worker runs nothing, and the journal knows of it."""
        assert self.disk.trouble or (assign.trial, assign.attempt) in self.disk.assigned
        assert assign.worker not in self._playing
        others = [a.worker for a, _, _ in self._attempts.values() if a.trial == assign.trial]
        assert self._given_up | self._dead >= set(others)

    def _points(self, assign):
        self._directories.begin(assign)
        begin = self._directories.saved.get(assign.trial, 0) if self._resumes else 0
        self._attempts[assign.worker] = assign, begin, []
        return islice(play(assign.params, assign.trial), begin, None)

    def _is_over(self, word):
        """Whether the attempt of which a word was said has ended, or is another's by now."""
        attempt = self._attempts.get(word.worker)
        return attempt is None or (attempt[0].trial, attempt[0].attempt) != (word.trial, word.attempt)

    def _is_heard(self, event):
        start, end = self._silences.get(event.worker, (0.0, 0.0))
        match event:
            case Lost(worker, why):
                if worker in self._dead:
                    return False
                if why == SILENT:
                    self._given_up.add(worker)
                    return True
                self._attempts.pop(worker, None)
            case _ if start <= self._time < end:
                self._at(end, event)
                return False
            case Joined(worker):  # what it ran, it has killed
                self._given_up.discard(worker)
                self._playing.pop(worker, None)
                self._attempts.pop(worker, None)
            case Reported() if not self._is_over(event):
                self._attempts[event.worker][2].extend(event.points)
            case Finished(worker, _, _, outcome, error) if worker not in self._dead and not self._is_over(event):
                self._directories.conclude(*self._attempts.pop(worker), outcome, error)
        return super()._is_heard(event)
