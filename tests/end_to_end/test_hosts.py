"""The real thing over several hosts, which are network namespaces of one machine; some of them die."""

import os
import sys
from pathlib import Path

import hosts
import pytest
from running import MPIRUN, PATIENCE, until
from test_resume import check

from metaopt.mpirun import ANYWHERE, SURVIVE

SLOW = [sys.executable, "script.py", "--x", "{x}", "--sleep", "0.2", "--steps", "3"]
GATED = [*SLOW, "--gate", "go"]
WAITING = """
import os, sys, time
print("loss=" + sys.argv[1], flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
"""

pytestmark = pytest.mark.skipif(bool(hosts.why_not()), reason=hosts.why_not())


@pytest.fixture
def three(site):
    """Three hosts with the site's disk."""
    with hosts.Hosts(site.directory / "hosts", 3) as three:
        yield three


def start(site, three, *names, ranks=6, **environment):
    """Start metaopt on these hosts, from the first of them; METAOPT_STATUS is ``status`` in the site."""
    known = {"SITE", *environment, *({"PYTHONPATH"} & os.environ.keys())}
    exported = [word for name in sorted(known) for word in ("-x", name)]
    mpirun = [MPIRUN, "--hostfile", three.hostfile, "--host", ",".join(f"{name}:{hosts.SLOTS}" for name in names)]
    under = [*three.on(names[0], site.directory), *mpirun, "--map-by", "node", "-n", ranks, *exported]
    status = {"METAOPT_STATUS": str(site.directory / "status")}
    return site.start("exp.yaml", under=under, **ANYWHERE, **SURVIVE, **three.environment, **status, **environment)


def ended(site, process):
    """What metaopt says its exit status is, when mpirun has ended: that of mpirun may be anything; and the output."""
    process.wait(PATIENCE)  # not for the end of its output, which a silent host may hold open
    os.set_blocking(process.stdout.fileno(), False)
    output = process.stdout.read()
    status = site.directory / "status"
    return status.read_text() if status.exists() else "", output


def homes(site):
    """The host of each worker that ever joined."""
    return {r["body"]["worker"]: r["body"]["host"] for r in site.records() if r["kind"] == "Joined"}


def places(site, kind):
    """The hosts of the workers of whom these records are."""
    return {homes(site)[r["body"]["worker"]] for r in site.records() if r["kind"] == kind}


def reported(site, count):
    """Wait until so many workers have a script that has said something."""

    def there():
        return len({r["body"]["worker"] for r in site.records() if r["kind"] == "Reported"}) >= count

    until(there, f"a word of {count} workers")


def wait_for_the_end_on(three, *names):
    """Wait until nothing runs there any more; the ssh client to a silent host waits for it, as any would."""

    def left():
        return [pid for name in names for pid in three.processes(name) if not _is_client(pid)]

    until(lambda: not left(), "the end of all processes")


def _is_client(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "login\n"
    except OSError:
        return False


def test_a_study_over_three_hosts_uses_them_all(site, three):
    site.experiment(command=SLOW, trials=10)
    status, output = ended(site, start(site, three, *three.names))
    assert status == "0\n", output
    check(site, 10)
    assert places(site, "Finished") == set(three.names)
    wait_for_the_end_on(three, *three.names)


@pytest.mark.parametrize("victim", [0, 2], ids=["of rank 0", "of workers"])
def test_a_host_is_killed_and_the_same_command_goes_on_without_it(site, three, victim):
    site.experiment(command=GATED, trials=12)
    process = start(site, three, *three.names)
    reported(site, 5)
    site.write("go", "")
    site.wait_for("Finished", 2)
    three.kill(three.names[victim])
    status, output = ended(site, process)
    assert status != "0\n", output
    wait_for_the_end_on(three, *three.names)
    survivors = [name for name in three.names if name != three.names[victim]]
    status, output = ended(site, start(site, three, *survivors, ranks=4))
    assert status == "0\n", output
    assert "going on with" in output
    check(site, 12)
    wait_for_the_end_on(three, *survivors)


@pytest.mark.parametrize("silence", ["cut", "paused"])
def test_a_host_falls_silent_and_the_run_ends_without_it(site, three, silence):
    *live, silent = three.names
    site.experiment(command=GATED, trials=12, heartbeat_timeout="3s")
    process = start(site, three, *three.names)
    reported(site, 5)
    (three.cut_link if silence == "cut" else three.pause)(silent)
    site.write("go", "")
    status, output = ended(site, process)
    assert status == "0\n", output
    check(site, 12)
    assert places(site, "Lost") == {silent}
    wait_for_the_end_on(three, *live)
    (three.heal if silence == "cut" else three.resume)(silent)
    wait_for_the_end_on(three, *three.names)


def test_a_host_that_comes_back_after_it_was_given_up_changes_no_result(site, three):
    silent = three.names[-1]
    site.experiment(WAITING, command=[sys.executable, "script.py", "{x}"], trials=8, heartbeat_timeout="3s")
    process = start(site, three, *three.names)
    reported(site, 5)
    there = [worker for worker, host in homes(site).items() if host == silent]
    three.cut_link(silent)
    site.wait_for("Lost", len(there))
    three.heal(silent)

    def settled():
        joined = [r["body"]["worker"] for r in site.records() if r["kind"] == "Joined"]
        return any(joined.count(worker) > 1 for worker in there) or not set(there) & set(site.ranks())

    until(settled, "its return, or the end of its workers")
    site.write("go", "")
    status, output = ended(site, process)
    assert status == "0\n", output
    check(site, 8)
    assert places(site, "Lost") == {silent}
    wait_for_the_end_on(three, *three.names)
