"""Writers that are killed while they write, and what must be there afterwards, whatever the store."""

import subprocess
import sys

from metaopt.stores import open_store
from metaopt.testing.stores import records_of

KILLS = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
BATCH = 5
WRITER = f"""
import os, sys
from metaopt.stores import open_store
from metaopt.testing.stores import record
store, seq = open_store(sys.argv[1], create=True), int(sys.argv[2])
while True:
    store.append([record(seq + i) for i in range({BATCH})])
    seq += {BATCH}
    os.write(1, b"%d\\n" % (seq - 1))
"""


def start_writer(url, seq=1):
    """One that appends batches of BATCH, from ``seq`` on, and says the number of the last record that is kept."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(url), str(seq)], stdout=subprocess.PIPE)


def seqs_of(url):
    """The numbers of the records that are there."""
    store = open_store(str(url))
    try:
        return [record.seq for record in records_of(store)]
    finally:
        store.close()


def kill_writers(url, after, kills=1):
    """Kill a writer after it has kept so many batches, then one that goes on from there, and so forth.

    What was acknowledged must be there, in order, batches as a whole.
    """
    there = 0
    for _ in range(kills):
        writer = start_writer(url, there + 1)
        said = [int(writer.stdout.readline()) for _ in range(after)]
        writer.kill()
        said += [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
        writer.wait()
        seqs = seqs_of(url)
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) >= said[-1]
        assert len(seqs) % BATCH == 0
        there = len(seqs)
