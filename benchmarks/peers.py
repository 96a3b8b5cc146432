"""What metaopt is measured against: small programs without it, most of them to be started by mpirun.

python benchmarks/peers.py hello [SECONDS] | ping TIMES | receive | doze PAUSE | pool WORKERS TRIALS
"""

import json
import select
import subprocess
import sys
import time
from statistics import median

TRIAL = ("/bin/echo", "loss=1")


def echo(_: int) -> str:
    """A trial that does nothing but say its metric."""
    return subprocess.run(TRIAL, check=True, stdout=subprocess.PIPE, text=True).stdout


def hello(seconds: str = "0") -> None:
    """An MPI hello world: says when its rank was there, and stays a little."""
    from mpi4py import MPI  # noqa: PLC0415 - not every program here needs it

    print(f"{MPI.COMM_WORLD.rank} {time.time()}", flush=True)
    MPI.COMM_WORLD.Barrier()
    time.sleep(float(seconds))


def ping(times: str) -> None:
    """Two ranks that do nothing but look for a word and send it back; says the median round trip in seconds."""
    from mpi4py import MPI  # noqa: PLC0415 - not every program here needs it

    comm, word, trips = MPI.COMM_WORLD, bytearray(200), []
    for _ in range(int(times)):
        began = time.perf_counter()
        for turn in (0, 1):
            if comm.rank == turn:
                comm.Isend([word, MPI.BYTE], 1 - turn).Wait()
            else:
                while not comm.Iprobe(1 - comm.rank):
                    pass
                comm.Recv([word, MPI.BYTE], 1 - comm.rank)
        trips.append(time.perf_counter() - began)
    if comm.rank == 0:
        print(median(trips), flush=True)


def receive() -> None:
    """Rank 1 waits for a word, as MPI does it, which rank 0 never says: it sleeps."""
    from mpi4py import MPI  # noqa: PLC0415 - not every program here needs it

    print(MPI.COMM_WORLD.rank, flush=True)
    if MPI.COMM_WORLD.rank == 0:
        time.sleep(600)
    MPI.COMM_WORLD.recv(source=0)


def doze(pause: str) -> None:
    """No MPI at all: wakes up every ``pause`` seconds and sleeps on."""
    while True:
        select.select([sys.stdin], [], [], float(pause))


def pool(workers: str, trials: str) -> None:
    """Under ``python -m mpi4py.futures``: so many trials by so many workers; says how many seconds they took."""
    from mpi4py.futures import MPIPoolExecutor  # noqa: PLC0415 - not every program here needs it

    with MPIPoolExecutor(int(workers)) as executor:
        list(executor.map(echo, range(10 * int(workers))))
        began = time.perf_counter()
        said = list(executor.map(echo, range(int(trials)), unordered=True))
        print(json.dumps({"seconds": time.perf_counter() - began, "trials": len(said)}), flush=True)


if __name__ == "__main__":
    program = {each.__name__: each for each in (hello, ping, receive, doze, pool)}[sys.argv[1]]
    program(*sys.argv[2:])
