"""Run under mpirun: a worker stops halfway through a long word, and nobody waits for it but its own words."""

import os
import signal
import time

from metaopt import launch
from metaopt.messages import Finished, Release, Reported
from metaopt.transports import mpi

LONG = "x" * 3_000_000

comm = mpi.world()
pids = comm.gather(os.getpid())
if comm.rank == 0:
    hub, heard = mpi.MpiHub(comm), []

    def hear(kind, count):
        while sum(isinstance(event, kind) for event in heard) < count:
            heard.extend(hub.receive(time.time() + 1.0))

    while "T" not in open(f"/proc/{pids[1]}/stat").read().rpartition(")")[2].split()[0]:  # noqa: PTH123, SIM115
        time.sleep(0.01)
    hear(Reported, 100)
    os.kill(pids[1], signal.SIGCONT)
    hear(Finished, 2)
    assert [event.error for event in heard if isinstance(event, Finished)] == [LONG, "short"]
    hub.dismiss()
    print("heard", len(heard), flush=True)
else:
    link = mpi.MpiLink(comm)
    if comm.rank == 1:
        link.send(Finished(1, 0, 1, "failed", LONG))
        link.send(Finished(1, 0, 2, "failed", "short"))
        os.kill(os.getpid(), signal.SIGSTOP)
    for step in range(100 if comm.rank == 2 else 0):
        link.send(Reported(2, 0, 1, ((step, {"loss": 1.0}),)))
    while Release(comm.rank) not in link.receive():
        time.sleep(0.001)
    link.close()
launch.leave(0)
