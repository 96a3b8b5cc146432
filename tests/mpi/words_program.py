"""Run under mpirun: words that cannot be read, and a worker that says more than is listened to."""

import time

from metaopt import launch
from metaopt.messages import Lost, Release, Reported
from metaopt.transports import mpi

comm = mpi.world()
if comm.rank == 0:
    hub, heard = mpi.MpiHub(comm), []
    time.sleep(1.0)  # not listening
    while sum(isinstance(event, Reported) for event in heard) < 200 or not any(isinstance(e, Lost) for e in heard):
        heard += hub.receive(time.time() + 1.0)
    steps = [event.points[0][0] for event in heard if isinstance(event, Reported)]
    assert steps == list(range(200)), steps
    lost = [event for event in heard if isinstance(event, Lost)]
    assert [event.worker for event in lost] == [2]
    assert "not a message" in lost[0].why
    hub.dismiss()
    print("heard", len(heard), flush=True)
elif comm.rank == 1:
    link, most = mpi.MpiLink(comm), 0
    for step in range(200):
        link.send(Reported(1, 0, 1, ((step, {"loss": 1.0}),)))
        most = max(most, link.unread())
    assert most > 100, most  # rank 0 takes nothing in, and it shows
    while link.unread():
        time.sleep(0.001)
    while Release(1) not in link.receive():
        time.sleep(0.001)
    link.close()
else:
    comm.isend(None, 0, mpi.TO_MASTER)  # a pickle
    time.sleep(0.5)
    link = mpi.MpiLink(comm)
    while Release(2) not in link.receive():
        time.sleep(0.001)
    link.close()
launch.leave(0)
