"""Every store: the contract, and what the journal promises beyond it."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from itertools import islice

import pytest
from writers import KILLS, kill_writers

from metaopt.errors import HistoryCorrupt, HistoryError, HistoryHeld
from metaopt.stores import journal as journal_module
from metaopt.stores import open_store
from metaopt.stores.claim import Claim
from metaopt.stores.journal import NAME, Journal
from metaopt.stores.memory import Memory
from metaopt.testing import SharedStoreContract, StoreContract
from metaopt.testing.stores import record, records_of


class TestMemory(StoreContract):
    persistent = False

    def open(self, place):
        return Memory()


class TestSharedMemory(SharedStoreContract):
    persistent = False

    @pytest.fixture(autouse=True)
    def _common(self):
        self.common = []

    def open(self, place):
        return Memory(self.common)


class TestJournal(StoreContract):
    def open(self, place):
        return Journal(str(place / "x.history"), create=True)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "x.history"


def filled(directory):
    journal = Journal(str(directory), create=True)
    journal.append([record(1)])
    journal.append([record(2), record(3)])
    journal.close()
    return directory / NAME


@pytest.mark.parametrize("cut", range(1, 120))
def test_a_batch_that_was_cut_off_is_not_there_and_the_next_one_follows(directory, cut):
    path = filled(directory)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    second = whole.index(b"\n") + 1
    kept = [1] if len(whole) - cut >= second else []
    assert [r.seq for r in records_of(Journal(str(directory)))] == kept
    journal = Journal(str(directory))
    journal.append([record(2), record(3), record(4)])
    assert [r.seq for r in records_of(journal)] == ([*kept, 2, 3, 4])
    journal.close()


def test_a_line_in_the_middle_that_is_no_record_is_told_with_its_number_and_nothing_is_overwritten(directory):
    path = filled(directory)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\x00garbage\n" + lines[1] + lines[2])
    before = path.read_bytes()
    with pytest.raises(HistoryCorrupt, match=f"{NAME}:2: "):
        records_of(Journal(str(directory)))
    with pytest.raises(HistoryCorrupt, match="sed -i"):
        Journal(str(directory)).append([record(4)])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"[]", b"7", b"null", b'"run"', b"{}", b"{} {}", b"{},{}", b"\xff", b"\x00" * 80),
        b'{"run":1,"seq":9,"time":1.0,"kind":"Joined"}',
        b'{"run":1,"seq":9,"ti{"run":1,"seq":9,"time":1.0,"kind":"Joined","body":{}}',
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 100, 200, 1 << 16])
def test_whatever_a_line_is_if_it_is_no_record_its_number_is_told(directory, monkeypatch, line, chunk_bytes):
    monkeypatch.setattr("metaopt.stores.journal.CHUNK_BYTES", chunk_bytes)
    path = filled(directory)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, line + b"\n", *lines]))
    before = path.read_bytes()
    journal = Journal(str(directory))
    journal.append([])
    for do in (lambda: records_of(journal), lambda: journal.append([record(4)])):
        with pytest.raises(HistoryCorrupt, match=f"{NAME}:4: "):
            do()
    journal.close()
    assert path.read_bytes() == before


def in_batches(directory):
    """Twelve records of two runs in batches of one to four."""
    journal = Journal(str(directory), create=True)
    said = [record(seq, run, text="ü" * seq) for run, last in ((1, 5), (2, 7)) for seq in range(1, last + 1)]
    for begin, end in ((0, 1), (1, 5), (5, 6), (6, 9), (9, 11), (11, 12)):
        journal.append(said[begin:end])
    journal.close()
    return said


@pytest.mark.parametrize("chunk_bytes", [1, 100, 150, 250, 400, 1 << 16])
def test_however_much_is_read_at_once_any_cursor_goes_on(directory, monkeypatch, chunk_bytes):
    monkeypatch.setattr("metaopt.stores.journal.CHUNK_BYTES", chunk_bytes)
    said = in_batches(directory)
    journal = Journal(str(directory))
    assert records_of(journal) == said
    for index, (cursor, _) in enumerate(journal.read(), start=1):
        assert records_of(journal, cursor) == said[index:]


@pytest.mark.parametrize("chunk_bytes", [1, 100, 250, 1 << 16])
@pytest.mark.parametrize("read", range(13))
@pytest.mark.parametrize("cut", [0, 1, 150])
def test_what_a_claimant_has_read_need_not_be_read_again(directory, monkeypatch, chunk_bytes, read, cut):
    monkeypatch.setattr("metaopt.stores.journal.CHUNK_BYTES", chunk_bytes)
    said = in_batches(directory)
    path = directory / NAME
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    whole = records_of(Journal(str(directory)))
    assert len(whole) == {0: 12, 1: 11, 150: 9}[cut]
    journal = Journal(str(directory))
    journal.append([])
    assert [record for _, record in islice(journal.read(), read)] == whole[:read]
    journal.append([*said, record(8, run=2), record(1, run=3)])
    journal.close()
    assert records_of(Journal(str(directory))) == [*said, record(8, run=2), record(1, run=3)]


def test_to_claim_then_to_read_then_to_append_takes_one_pass(directory, monkeypatch):
    in_batches(directory)
    size, passed = (directory / NAME).stat().st_size, []
    chunks = journal_module._chunks

    def counted(path, start):
        for lines in chunks(path, start):
            passed.extend(lines)
            yield lines

    monkeypatch.setattr(journal_module, "_chunks", counted)
    journal = Journal(str(directory))
    journal.append([])
    assert len(records_of(journal)) == 12
    journal.append([record(8, run=2)])
    journal.append([record(9, run=2)])
    journal.close()
    assert sum(map(len, passed)) == size


def test_what_was_read_without_the_claim_may_be_gone_before_the_claim(directory):
    path = filled(directory)
    journal = Journal(str(directory))
    assert len(records_of(journal)) == 3
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])  # as by a writer whose disk refused the batch
    journal.append([record(2)])
    assert [r.seq for r in records_of(journal)] == [1, 2]
    journal.close()


def test_a_store_that_was_closed_learns_anew_what_others_have_written(directory):
    first, second = (Journal(str(directory), create=True) for _ in range(2))
    first.append([record(1)])
    first.close()
    second.append([record(1), record(2)])
    second.close()
    first.append([record(2), record(3)])
    first.close()
    assert [r.seq for r in records_of(first)] == [1, 2, 3]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_what_a_broken_disk_has_taken_of_a_batch_and_does_not_give_back_is_cut_off_later(directory, monkeypatch, share):
    said = [record(seq) for seq in range(1, 6)]
    journal = Journal(str(directory), create=True)
    journal.append(said[:2])
    write = os.write

    def write_some(file, data):
        write(file, data[: int(len(data) * share)])
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def refuse(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr("metaopt.stores.journal.os.write", write_some)
        broken.setattr("metaopt.stores.journal.os.ftruncate", refuse)
        with pytest.raises(OSError, match="Input/output"):
            journal.append(said[2:4])
    journal.append(said[2:])
    assert records_of(journal) == said
    journal.close()


def test_a_claim_that_cannot_be_removed_does_not_hold_the_end_up(directory, monkeypatch):
    journal = Journal(str(directory), create=True)
    journal.append([record(1)])

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as broken:
        broken.setattr("metaopt.stores.claim.Path.unlink", refuse)
        journal.close()
        journal.close()
    assert (directory / "writer").exists()


def test_lines_are_json_that_other_programs_read(directory):
    lines = filled(directory).read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]


def test_a_second_writer_is_refused_with_who_holds_it(directory):
    first = Journal(str(directory), create=True)
    first.append([record(1)])
    other = [sys.executable, "-c", f"from metaopt.stores import open_store; open_store({str(directory)!r}).append([])"]
    refused = subprocess.run(other, capture_output=True, text=True, check=False)
    assert "HistoryHeld" in refused.stderr
    assert f"process {os.getpid()} on" in refused.stderr
    first.append([record(2)])
    first.close()
    assert subprocess.run(other, capture_output=True, check=False).returncode == 0


def test_the_claim_of_a_process_that_is_gone_is_void(directory):
    dies = """
import os, sys
from metaopt.stores import open_store
open_store(sys.argv[1], create=True).append([])
os.kill(os.getpid(), 9)
"""
    died = subprocess.run([sys.executable, "-c", dies, directory], check=False)
    assert died.returncode == -signal.SIGKILL
    assert (directory / "writer").exists()
    journal = Journal(str(directory))
    journal.append([record(1)])
    journal.close()


def test_a_claim_from_another_host_is_void_when_nobody_touches_it(tmp_path):
    path = tmp_path / "writer"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "namespace": "another boot"}))
    Claim(path, patience=0.5).release()
    assert not path.exists()


def test_a_claim_from_another_host_holds_while_it_is_touched(tmp_path):
    path = tmp_path / "writer"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "namespace": "another boot"}))
    touch = textwrap.dedent(f"""
        import os, time
        while os.getppid() == {os.getpid()}:
            os.utime({str(path)!r})
            time.sleep(0.05)
    """)
    touching = subprocess.Popen([sys.executable, "-c", touch])
    try:
        with pytest.raises(HistoryHeld, match="process 1 on elsewhere"):
            Claim(path, patience=30.0)
    finally:
        touching.kill()
        touching.wait()


def test_a_writer_whose_claim_was_taken_over_stops_writing(directory, monkeypatch):
    monkeypatch.setattr("metaopt.stores.claim.RENEWAL", 0.0)
    journal = Journal(str(directory), create=True)
    journal.append([record(1)])
    (directory / "writer").write_text("{}")
    with pytest.raises(HistoryHeld, match="taken over"):
        journal.append([record(2)])


def test_a_history_that_is_not_there_or_cannot_be_made_is_told(tmp_path):
    with pytest.raises(HistoryError, match="there is no history here"):
        open_store(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError, match="cannot be made"):
        open_store(str(tmp_path / "file" / "x.history"), create=True)
    with pytest.raises(HistoryError, match="cannot be made"):
        open_store("/proc/x.history", create=True)
    with pytest.raises(HistoryError, match=r"cannot be made: there is no .*deep\n  .*mkdir -p"):
        open_store(str(tmp_path / "deep" / "x.history"), create=True)
    assert not (tmp_path / "deep").exists()
    with pytest.raises(HistoryError, match="no store is known for cassandra:"):
        open_store("cassandra://host/x", create=True)
    with pytest.raises(HistoryError, match="the store nowhere:Mine cannot be had: No module named 'nowhere'"):
        open_store("nowhere:Mine:/x")
    with pytest.raises(HistoryError, match="the store json:Mine cannot be had: module 'json' has no attribute 'Mine'"):
        open_store("json:Mine:/x")


@pytest.mark.parametrize("after", KILLS)
def test_what_was_acknowledged_survives_kill_9_of_the_writer(directory, after):
    kill_writers(directory, after, kills=2)


def test_a_disk_that_is_full_takes_all_of_a_batch_or_nothing(directory):
    writer = """
import resource, signal, sys
from metaopt.stores import open_store
from metaopt.testing.stores import record
store = open_store(sys.argv[1], create=True)
store.append([record(1)])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    store.append([record(seq, text="x" * 100) for seq in (2, 3, 4, 5)])
except OSError as error:
    print(error.errno)
store.append([record(2)])
"""
    said = subprocess.run([sys.executable, "-c", writer, directory], capture_output=True, text=True, check=True)
    assert int(said.stdout) == errno.EFBIG
    assert [r.seq for r in records_of(Journal(str(directory)))] == [1, 2]
