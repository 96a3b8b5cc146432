"""The real thing under fire: ranks and launchers killed and stopped at random, scripts of every bad kind."""

import os
import random
import signal
import sys

from audit import Audit
from running import processes, until
from test_resume import only_child

from metaopt.trial import State

TRIALS, WORKERS, ROUNDS = 200, 5, 7
SCRIPT = """
import os, signal, subprocess, sys, time
x = float(sys.argv[1])
kind = KINDS[int(x * 1e9) % len(KINDS)]
if kind == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if kind == "forks":
    subprocess.Popen(["sleep", "600"], start_new_session=True)
for step in range(1, 4):
    time.sleep(0.05)
    print(f"loss={x + 1 / step}", flush=True)
if kind == "exits":
    sys.exit(1)
if kind == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if kind == "garbage":
    sys.stdout.buffer.write(os.urandom(10_000).replace(b"loss", b"") + b"\\nloss=nan\\n")
"""
KINDS = ("good",) * 25 + ("exits", "dies", "garbage", "deaf", "forks")
FAIL = {"exits", "dies", "garbage"}


class Monkey:
    """Hits a running metaopt, at moments and in ways that follow from its chance."""

    def __init__(self, site, chance):
        self.site, self.chance = site, chance
        self.hits, self.stopped = [], []

    def play(self, process):
        """Hit two workers, then whoever leads them; wait until nobody is left."""
        for worker in self.chance.sample(range(1, WORKERS + 1), 2):
            self._wait_a_little()
            self._hit(self.site.ranks().get(worker), self.chance.choice((signal.SIGKILL, signal.SIGSTOP)))
        self._wait_a_little()
        ranks = self.site.ranks()
        self._hit(self.chance.choice((ranks[0], ranks[0], only_child(process.pid))), signal.SIGKILL)
        for pid in self.stopped:  # who sleeps does not see that rank 0 is gone
            if pid in processes(str(self.site.directory)):
                os.kill(pid, signal.SIGCONT)
        self.stopped.clear()
        process.communicate(timeout=60)
        until(lambda: not processes(f"SITE={self.site.directory}"), "the end of all processes")

    def _wait_a_little(self):
        """Until the journal has some more records."""
        many = len(self.site.records()) + self.chance.randint(5, 40)
        until(lambda: len(self.site.records()) >= many, f"record {many}")

    def _hit(self, pid, number):
        os.kill(pid, number)
        self.hits.append((pid, number))
        if number == signal.SIGSTOP:
            self.stopped.append(pid)


def kind_of(params):
    return KINDS[int(params["x"] * 1e9) % len(KINDS)]


def test_of_200_trials_under_21_hits_each_has_its_one_result(site):
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
    print(f"CHAOS_SEED={seed}")  # noqa: T201 - who sees this fail can have it again
    script = f"KINDS = {KINDS}\n{SCRIPT}"
    command = [sys.executable, "-S", "script.py", "{x}"]
    about = {"trials": TRIALS, "attempts": 10, "heartbeat_timeout": "2s", "give_up_after": 0, "seed": seed}
    site.experiment(script, command=command, **about)
    monkey = Monkey(site, random.Random(seed))
    for _ in range(ROUNDS):
        monkey.play(site.start("run", "-w", WORKERS, "exp.yaml"))
    assert len(monkey.hits) == 3 * ROUNDS
    status, output = site.run("run", "-w", str(WORKERS), "exp.yaml")
    assert status == 0, output
    until(lambda: not processes(f"SITE={site.directory}"), "the end of all processes")
    check(site)


def check(site):
    """By the journal alone, and as the history tells it."""
    audit = Audit([(record["run"], record["kind"], record["body"]) for record in site.records()], 10)
    history = site.load()
    assert list(history.trials) == list(range(TRIALS))
    assert [account.result for account in audit.trials].count("") == 0
    assert len({account.params["x"] for account in audit.trials}) == TRIALS
    for number, account in enumerate(audit.trials):
        trial, fails = history.trials[number], kind_of(account.params) in FAIL
        assert trial.params == account.params
        assert trial.state is (State.FAILED if fails else State.COMPLETED), trial
        if not fails:
            assert trial.objective == account.params["x"] + 1 / 3
            assert [value for _, value in trial.curve("loss")] == [account.params["x"] + 1 / s for s in (1, 2, 3)]
