"""LevelDB and TinyDB: the contract, kill -9, one writer, damage, and what to do without the library."""

import errno
import importlib.util
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
from writers import BATCH, KILLS, kill_writers, seqs_of, start_writer

from metaopt.errors import HistoryCorrupt, HistoryError, HistoryHeld
from metaopt.stores import open_store
from metaopt.stores.leveldb import LevelDB
from metaopt.stores.tinydb import TinyDB
from metaopt.testing import StoreContract
from metaopt.testing.stores import record, records_of

LEVELDB = pytest.mark.skipif(importlib.util.find_spec("plyvel") is None, reason="plyvel has no wheel here")
BOTH = pytest.mark.parametrize("scheme", [pytest.param("leveldb", marks=LEVELDB), "tinydb"])


@LEVELDB
class TestLevelDB(StoreContract):
    readable_while_written = False

    def open(self, place):
        return LevelDB(str(place / "x.leveldb"), create=True)


class TestTinyDB(StoreContract):
    def open(self, place):
        return TinyDB(str(place / "x.json"), create=True)


@pytest.fixture
def place(tmp_path):
    """Where a database goes; its directory is not there yet."""
    return tmp_path / "x"


def filled(scheme, place, count=3):
    """A store with so many records, closed."""
    store = open_store(f"{scheme}:{place}", create=True)
    store.append([record(seq) for seq in range(1, count + 1)])
    store.close()
    return store


def seqs(store):
    return [r.seq for r in records_of(store)]


@BOTH
@pytest.mark.parametrize("after", KILLS)
def test_what_was_acknowledged_survives_kill_9_of_the_writer(scheme, place, after):
    kill_writers(f"{scheme}:{place}", after, kills=2)


def test_whenever_tinydb_is_read_while_it_is_written_it_is_whole(place):
    """And never less than before."""
    writer = start_writer(f"tinydb:{place}")
    try:
        sizes = [int(writer.stdout.readline())]
        while sizes[-1] < 60 * BATCH:
            there = seqs_of(f"tinydb:{place}")
            assert there == list(range(1, len(there) + 1))
            assert len(there) % BATCH == 0
            sizes.append(len(there))
        assert sizes == sorted(sizes)
    finally:
        writer.kill()
        writer.wait()


@BOTH
def test_a_second_writer_is_refused_with_who_holds_it(scheme, place):
    url = f"{scheme}:{place}"
    other = [sys.executable, "-c", f"from metaopt.stores import open_store; open_store({url!r}).append([])"]
    first = open_store(url, create=True)
    first.append([record(1)])
    refused = subprocess.run(other, capture_output=True, text=True, check=False)
    assert "HistoryHeld" in refused.stderr
    assert f"{place} is being written by process {os.getpid()} on" in refused.stderr
    first.append([record(2)])
    first.close()
    assert subprocess.run(other, capture_output=True, check=False).returncode == 0


@BOTH
def test_another_process_has_it(scheme, place):
    """TinyDB can be read meanwhile; for LevelDB it is said what can be done."""
    url = f"{scheme}:{place}"
    writer = start_writer(url)
    try:
        writer.stdout.readline()
        with pytest.raises(HistoryHeld, match=f"by process {writer.pid} on"):
            open_store(url).append([record(1)])
        if scheme == "tinydb":
            assert seqs_of(url)
        else:
            with pytest.raises(HistoryHeld, match="one process at a time open it, even to read: wait"):
                seqs_of(url)
    finally:
        writer.kill()
        writer.wait()
    assert seqs_of(url)


@LEVELDB
def test_a_leveldb_that_a_program_has_open_which_knows_no_claims_is_held_too(place):
    filled("leveldb", place)
    program = f"import plyvel, sys; database = plyvel.DB({str(place)!r}); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    for do in (records_of, lambda store: store.append([])):
        with pytest.raises(HistoryHeld, match="open in another process"):
            do(open_store(f"leveldb:{place}"))
    holder.communicate()
    assert seqs(open_store(f"leveldb:{place}")) == [1, 2, 3]


@BOTH
def test_a_writer_whose_claim_was_taken_over_stops_writing(scheme, place):
    store = open_store(f"{scheme}:{place}", create=True)
    store.append([record(1)])
    claim = place / "writer" if scheme == "leveldb" else place.with_name("x.writer")
    claim.write_text("{}")
    store._claim._renewed = float("-inf")  # a long time ago
    for _ in range(2):
        with pytest.raises(HistoryHeld, match=f"{place} was taken over"):
            store.append([record(2)])
    store.close()
    claim.unlink()
    assert seqs(open_store(f"{scheme}:{place}")) == [1]


@pytest.mark.parametrize("at", range(1, 9))
def test_a_writer_of_tinydb_that_is_killed_between_two_steps_leaves_a_whole_file(place, at):
    """Each append has a sync of the new file, not yet in its place, and one of the directory, when it is."""
    dies = f"""
import os, sys
from metaopt.stores import open_store
from metaopt.testing.stores import record
synced, fsync = [], os.fsync
def die(handle):
    synced.append(handle)
    if len(synced) == {at}:
        os.kill(os.getpid(), 9)
    fsync(handle)
os.fsync = die
store = open_store(sys.argv[1], create=True)
for seq in range(1, 10, 2):
    store.append([record(seq), record(seq + 1)])
"""
    died = subprocess.run([sys.executable, "-c", dies, f"tinydb:{place}"], check=False)
    assert died.returncode == -signal.SIGKILL
    there = list(range(1, 2 * (at // 2) + 1))
    if at > 1:
        assert seqs_of(f"tinydb:{place}") == there
    store = TinyDB(str(place), create=True)
    store.append([record(seq) for seq in range(1, 11)])
    assert seqs(store) == list(range(1, 11))
    store.close()
    assert [path.name for path in place.parent.iterdir()] == ["x"]


def test_tinydb_puts_no_old_file_over_that_of_one_who_took_over_while_it_wrote(place, monkeypatch):
    monkeypatch.setattr("metaopt.stores.claim.RENEWAL", 0.0)
    store = TinyDB(str(place), create=True)
    store.append([record(1)])
    fsync = os.fsync

    def fsync_later(handle):
        fsync(handle)
        place.with_name("x.writer").write_text("{}")

    with monkeypatch.context() as slow:
        slow.setattr("metaopt.stores.tinydb.os.fsync", fsync_later)
        with pytest.raises(HistoryHeld, match="taken over"):
            store.append([record(2)])
    assert seqs(TinyDB(str(place))) == [1]
    assert sorted(path.name for path in place.parent.iterdir()) == ["x", "x.writer"]


@BOTH
def test_a_store_that_was_closed_learns_anew_what_others_have_written(scheme, place):
    first, second = (open_store(f"{scheme}:{place}", create=True) for _ in range(2))
    first.append([record(1)])
    first.close()
    second.append([record(1), record(2)])
    second.close()
    first.append([record(2), record(3)])
    first.close()
    assert seqs(first) == [1, 2, 3]
    first.close()


@BOTH
@pytest.mark.parametrize("read", [0, 1, 299, 600])
def test_a_claimant_that_has_read_some_or_all_passes_over_what_is_there(scheme, place, read):
    filled(scheme, place, 600)
    store = open_store(f"{scheme}:{place}")
    store.append([])
    assert [r.seq for (_, r), _ in zip(store.read(), range(read), strict=False)] == list(range(1, read + 1))
    store.append([record(600), record(601), record(1, run=2)])
    assert [(r.run, r.seq) for r in records_of(store)][599:] == [(1, 600), (1, 601), (2, 1)]
    store.close()


@BOTH
def test_a_claimant_that_has_read_from_the_middle_still_knows_what_is_before(scheme, place):
    store = open_store(f"{scheme}:{place}", create=True)
    store.append([record(1), record(2), record(1, run=2), record(2, run=2)])
    store.close()
    *_, (middle, _), _ = store.read()
    store.close()
    store.append([])
    assert len(records_of(store, middle)) == 1
    store.append([record(2), record(3), record(2, run=2), record(3, run=2)])
    assert [(r.run, r.seq) for r in records_of(store)][3:] == [(2, 2), (1, 3), (2, 3)]
    store.close()


@BOTH
def test_what_was_removed_while_it_was_closed_is_not_taken_to_be_there(scheme, place):
    store = filled(scheme, place)
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    filled(scheme, place, 1)
    store.append([record(seq) for seq in range(1, 4)])
    assert seqs(store) == [1, 2, 3]
    store.close()


@LEVELDB
def test_leveldb_is_told_to_sync_each_batch(place):
    class Watched:
        def __init__(self, database):
            self._database, self.synced = database, []

        def write_batch(self, *, sync=False):
            self.synced.append(sync)
            return self._database.write_batch(sync=sync)

        def __getattr__(self, name):
            return getattr(self._database, name)

    store = LevelDB(str(place), create=True)
    store.append([])
    store._database = Watched(store._database)
    store.append([record(1)])
    store.append([record(2), record(3)])
    assert store._database.synced == [True, True]
    assert seqs(store) == [1, 2, 3]
    store.close()


@BOTH
def test_a_disk_that_is_full_takes_all_of_a_batch_or_nothing(scheme, place):
    """And what did not fit is taken when there is room again."""
    writer = """
import resource, signal, sys
from metaopt.stores import open_store
from metaopt.testing.stores import record
store = open_store(sys.argv[1], create=True)
store.append([record(1)])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
everything = resource.getrlimit(resource.RLIMIT_FSIZE)
for most in (4000, 10):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, everything[1]))
    try:
        store.append([record(seq, text="x" * 100) for seq in range(2, 102)])
    except OSError as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, everything)
print([record.seq for _, record in store.read()])
store.append([record(seq, text="x" * 100) for seq in range(2, 102)])
store.close()
"""
    url = f"{scheme}:{place}"
    said = subprocess.run([sys.executable, "-c", writer, url], capture_output=True, text=True, check=True)
    first, second, kept = said.stdout.splitlines()
    assert os.strerror(errno.EFBIG) in first
    assert os.strerror(errno.EFBIG) in second
    assert kept == "[1]"
    assert seqs_of(url) == list(range(1, 102))


def test_what_the_disk_has_taken_but_tinydb_was_not_told_of_is_not_written_twice(place, monkeypatch):
    store = TinyDB(str(place), create=True)
    store.append([record(1)])

    def refuse(directory):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr("metaopt.stores.tinydb.place.sync", refuse)
        with pytest.raises(OSError, match="Input/output"):
            store.append([record(2)])
    store.append([record(2), record(3)])
    assert [(number, r.seq) for number, r in store.read()] == [(1, 1), (2, 2), (3, 3)]
    store.close()


def flip(path):
    """Damage a file in its middle, such that text stays text."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 5] = bytes(byte ^ 1 for byte in data[middle : middle + 5])
    path.write_bytes(data)


def the_command_in(error):
    """What the hint says to run, with this Python."""
    command = shlex.split(str(error.value)[str(error.value).rindex("python -c") :])
    return [sys.executable, *command[1:]]


@LEVELDB
@pytest.mark.parametrize("damaged", ["CURRENT", "MANIFEST-*", "*.log", "*.ldb"])
def test_a_leveldb_that_is_damaged_is_told_and_what_the_hint_says_saves_what_can_be_read(place, damaged):
    store = LevelDB(str(place), create=True)
    for first in (1, 201):  # opened again, what was in the log goes to a table
        store.append([record(seq, text=random.Random(seq).randbytes(2000).hex()) for seq in range(first, first + 200)])
        store.close()
    for path in place.glob(damaged):
        if path.stat().st_size:
            flip(path)
    store = LevelDB(str(place))
    for do in (records_of, lambda store: store.append([record(401)])):
        with pytest.raises(HistoryCorrupt, match="repair_db") as corrupt:
            do(store)
    store.close()
    subprocess.run(the_command_in(corrupt), check=True)
    assert len(seqs(store)) > 100
    store.close()


@LEVELDB
def test_a_leveldb_without_its_beginning_is_not_taken_for_a_new_one(place):
    filled("leveldb", place)
    (place / "CURRENT").unlink()
    before = sorted(path.name for path in place.iterdir())
    store = LevelDB(str(place), create=True)
    with pytest.raises(HistoryCorrupt, match="CURRENT is missing") as corrupt:
        store.append([record(1)])
    store.close()
    assert sorted(path.name for path in place.iterdir()) == before
    subprocess.run(the_command_in(corrupt), check=True)
    assert seqs(store) == [1, 2, 3]
    store.close()


@LEVELDB
@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", b"1,2", b'{"run":1,"seq":2}'])
def test_a_value_in_a_leveldb_that_is_no_record_is_told_and_what_the_hint_says_removes_it(place, value):
    import plyvel  # noqa: PLC0415 - not everywhere

    filled("leveldb", place)
    with plyvel.DB(str(place)) as database:
        key = list(database.iterator(include_value=False))[1]
        database.put(key, value)
    store = LevelDB(str(place))
    for do in (records_of, lambda store: store.append([record(4)])):
        with pytest.raises(HistoryCorrupt, match=re.escape(f"under {key!r} is no record")) as corrupt:
            do(store)
    store.close()
    subprocess.run(the_command_in(corrupt), check=True)
    assert seqs(store) == [1, 3]
    store.append([record(4)])
    assert seqs(store) == [1, 3, 4]
    store.close()


@LEVELDB
def test_a_leveldb_can_be_read_with_plyvel_alone(place):
    import plyvel  # noqa: PLC0415 - not everywhere

    filled("leveldb", place, 12)
    with plyvel.DB(str(place)) as database:
        assert [json.loads(value)["seq"] for _, value in database] == list(range(1, 13))


def test_a_tinydb_can_be_read_with_tinydb_alone_and_what_else_is_in_it_stays(place):
    import tinydb  # noqa: PLC0415 - an extra

    with tinydb.TinyDB(place) as database:
        database.table("notes").insert({"said": "größe"})
    filled("tinydb", place)
    with tinydb.TinyDB(place) as database:
        assert [document["seq"] for document in database.all()] == [1, 2, 3]
        assert database.table("notes").all() == [{"said": "größe"}]
    assert len(place.read_text().splitlines()) == 3 + 1 + 4  # a line each, and what is around them


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"seq":2', '"seq":', "this is no JSON: Expecting value: line 3 "),
        ('"seq":2,', "", "document 2 is no record"),
        ('"2":', '"x":', "document x is no record"),
        ('{"_default":', "[", "this is no JSON"),
        ('{"_default":', '{"_default":7,"x":', "this is no file of TinyDB's"),
    ],
)
def test_a_file_of_tinydb_that_is_damaged_is_told_and_not_overwritten(place, old, new, said):
    filled("tinydb", place)
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))
    before = place.read_bytes()
    store = TinyDB(str(place))
    for do in (records_of, lambda store: store.append([record(4)])):
        with pytest.raises(HistoryCorrupt, match=re.escape(f"{place}: {said}")):
            do(store)
    store.close()
    assert place.read_bytes() == before


@pytest.mark.parametrize("scheme", ["leveldb", "tinydb"])
def test_without_the_library_it_is_said_how_to_get_it_and_what_needs_none(scheme, place, monkeypatch):
    library = {"leveldb": "plyvel"}.get(scheme, scheme)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(HistoryError, match=r"which is not installed") as missing:
        open_store(f"{scheme}:{place}", create=True)
    assert f"pip install {library}" in missing.value.hint
    assert "use a journal" in missing.value.hint
    assert not place.exists()
    if scheme == "leveldb":
        assert "Linux on x86_64 and Python up to 3.12 only" in missing.value.hint


def test_tinydb_is_not_needed_to_read_its_file(place, monkeypatch):
    filled("tinydb", place)
    monkeypatch.setitem(sys.modules, "tinydb", None)
    store = TinyDB(str(place))
    assert seqs(store) == [1, 2, 3]
    with pytest.raises(HistoryError, match="not installed"):
        store.append([record(4)])
    store.close()


@BOTH
def test_a_database_that_is_not_there_or_cannot_be_made_is_told(scheme, place, tmp_path):
    with pytest.raises(HistoryError, match="there is no history here"):
        open_store(f"{scheme}:{place}")
    assert not place.exists()
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError, match="cannot be made"):
        open_store(f"{scheme}:{tmp_path / 'file' / 'x'}", create=True)
    with pytest.raises(HistoryError, match="cannot be made"):
        open_store(f"{scheme}:/proc/deep/x", create=True)
    with pytest.raises(HistoryError, match=f"{scheme}: says no path"):
        open_store(f"{scheme}:", create=True)


def test_tinydb_keeps_its_records_in_a_file_and_says_so(tmp_path):
    with pytest.raises(HistoryError, match="is a directory"):
        open_store(f"tinydb:{tmp_path}", create=True)


def test_a_scheme_that_nobody_knows_is_told_with_those_that_are_known(tmp_path):
    with pytest.raises(HistoryError, match=r"for redis:") as unknown:
        open_store("redis://host/x", create=True)
    for scheme in ("directory", "memory:", "leveldb:", "tinydb:", "mongodb://"):
        assert scheme in unknown.value.hint


def test_a_relative_path_stays_where_it_was_when_the_directory_is_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store("tinydb:x.json", create=True)
    monkeypatch.chdir("/")
    store.append([record(1)])
    store.close()
    assert (tmp_path / "x.json").is_file()


def test_tinydb_doubts_from_many_records_on(place):
    store = TinyDB(str(place), create=True)
    store.append([record(seq) for seq in range(1, 5001)])
    assert not store.doubt
    store.append([record(5001)])
    assert re.search(r"has 5,001 records, and each append writes all of them anew, in [0-9.]+ s by now", store.doubt)
    assert "a journal" in store.doubt
    assert "leveldb:PATH" in store.doubt
    store.close()


def test_tinydb_keeps_what_was_said_when_the_body_is_changed_later(place):
    params = {"lr": 1}
    store = TinyDB(str(place), create=True)
    store.append([record(1, params=params)])
    params["lr"] = 2
    store.append([record(2)])
    assert records_of(store)[0].body == {"params": {"lr": 1}}
    store.close()
