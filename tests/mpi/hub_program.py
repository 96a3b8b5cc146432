"""Run under mpirun: the contract of a transport, over real workers that run real scripts."""

import os
import signal
import sys

from metaopt import launch
from metaopt.devices.base import Offer
from metaopt.testing.transports import check_hub
from metaopt.transports import mpi
from metaopt.transports.neighbours import neighbours
from metaopt.welcome import Welcome
from metaopt.worker import serve

SCRIPT = "import time\nfor _ in range(10):\n    print('loss=1', flush=True); time.sleep(0.03)"


def lead(directory):
    hub = mpi.MpiHub(comm)
    command = (sys.executable, "-c", SCRIPT)
    hub.greet(Welcome(command, "/", directory, {"loss": r"loss=(\S+)"}, None, 1.0, 1, 1))
    check_hub(hub, comm.size - 1, lambda worker: os.kill(pids[worker], signal.SIGKILL))
    print("kept its promises", flush=True)


comm = mpi.world()
pids = comm.gather(os.getpid())
node = neighbours(comm, Offer() if comm.rank else None)
if comm.rank == 0:
    lead(sys.argv[1])
else:
    serve(mpi.MpiLink(comm), comm.rank, node.offers, node.place)
launch.leave(0)
