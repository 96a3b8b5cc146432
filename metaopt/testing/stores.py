"""The contract of a store.

Subclass it in a test, and say how one is made::

    class TestMyStore(StoreContract):
        def open(self, place):
            return MyStore(place / "history")

The tests below then run with it.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from metaopt.errors import HistoryHeld, Overtaken
from metaopt.stores.base import Record, Store


def record(seq: int, run: int = 1, **body: Any) -> Record:  # noqa: ANN401 - any JSON
    """A record to try a store with."""
    return Record(run, seq, 1000.0 + seq, "Joined", body or {"worker": seq})


def records_of(store: Store, after: object = None) -> list[Record]:
    """What a store holds."""
    return [record for _, record in store.read(after)]


class StoreContract:
    """What every store does; of one whose ``shared`` is true, see SharedStoreContract.

    ``persistent = False``: it is gone when it is closed.  ``readable_while_written = False``: whoever reads it while
    somebody else has it open gets HistoryHeld, with a hint what to do.
    """

    persistent = True
    readable_while_written = True

    def open(self, place: Path) -> Store:
        """A store at ``place``, the same one each time that it is asked for."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:  # noqa: ANN401 - pytest's generator
        """A new store."""
        store = self.open(tmp_path)
        yield store
        store.close()

    def test_a_new_store_is_empty(self, store: Store) -> None:
        """Nothing was appended."""
        assert records_of(store) == []

    def test_records_come_back_as_they_were_and_in_order(self, store: Store) -> None:
        """Text, numbers, nested data, and nothing at all."""
        said = [
            record(1, text='größe \n \u2028 "', number=0.1 + 0.2, large=2**60),
            record(2, nested={"a": [1, None, True]}),
            record(3, empty={}),
        ]
        store.append(said[:2])
        store.append(said[2:])
        assert records_of(store) == said

    def test_a_record_that_is_there_already_is_passed_over(self, store: Store) -> None:
        """A retry after a doubtful append is safe."""
        store.append([record(1), record(2)])
        store.append([record(2), record(3)])
        store.append([record(1), record(2), record(3)])
        assert [r.seq for r in records_of(store)] == [1, 2, 3]

    def test_an_empty_append_changes_nothing(self, store: Store) -> None:
        """It only keeps the claim."""
        store.append([])
        assert records_of(store) == []

    def test_reading_goes_on_after_any_cursor(self, store: Store) -> None:
        """Also in the middle of a batch."""
        store.append([record(1), record(2)])
        store.append([record(3)])
        cursors = [cursor for cursor, _ in store.read()]
        store.append([record(4), record(5)])
        for index, cursor in enumerate(cursors, start=1):
            assert [r.seq for r in records_of(store, cursor)] == list(range(index + 1, 6))

    def test_runs_are_numbered_apart(self, store: Store) -> None:
        """The first record of the second run is no retry of the first run's."""
        store.append([record(1, run=1), record(1, run=2)])
        assert [(r.run, r.seq) for r in records_of(store)] == [(1, 1), (2, 1)]

    def test_what_was_appended_is_there_when_it_is_opened_again(self, store: Store, tmp_path: Path) -> None:
        """And what was there is still known for a retry."""
        if not self.persistent:
            return
        store.append([record(1), record(2)])
        store.close()
        again = self.open(tmp_path)
        again.append([record(2), record(3)])
        assert [r.seq for r in records_of(again)] == [1, 2, 3]
        again.close()

    def test_another_one_reads_while_this_one_writes(self, store: Store, tmp_path: Path) -> None:
        """A reader sees what was appended before it looked; or it is told why it cannot."""
        if not self.persistent:
            return
        if not self.readable_while_written:
            self._check_that_a_reader_is_refused(store, tmp_path)
            return
        store.append([record(1)])
        reader = self.open(tmp_path)
        assert [r.seq for r in records_of(reader)] == [1]
        store.append([record(2)])
        assert [r.seq for r in records_of(reader)] == [1, 2]
        reader.close()

    def _check_that_a_reader_is_refused(self, store: Store, tmp_path: Path) -> None:
        """Until the writer, which is not held up by it, closes the store."""
        store.append([record(1)])
        with pytest.raises(HistoryHeld) as refused:
            records_of(self.open(tmp_path))
        assert refused.value.hint
        store.append([record(2)])
        store.close()
        reader = self.open(tmp_path)
        assert [r.seq for r in records_of(reader)] == [1, 2]
        reader.close()


class SharedStoreContract(StoreContract):
    """What a store does to which several processes may write at once."""

    def test_it_says_so(self, store: Store) -> None:
        """And is treated accordingly."""
        assert store.shared

    def test_who_has_read_everything_may_append(self, store: Store, tmp_path: Path) -> None:
        """And is given the cursor behind what it has written."""
        end = store.append([record(1)])
        end = store.append([record(2), record(3)], after=end)
        other = self.open(tmp_path)
        *_, (cursor, _) = other.read()
        assert cursor == end
        other.append([record(1, run=2)], after=cursor)
        assert [(r.run, r.seq) for r in records_of(store, end)] == [(2, 1)]
        other.close()

    def test_who_has_not_keeps_nothing_until_it_has_read_on(self, store: Store, tmp_path: Path) -> None:
        """So what it decides rests on all that has been decided."""
        end = store.append([record(1)])
        other = self.open(tmp_path)
        other.append([record(1, run=2)])
        with pytest.raises(Overtaken):
            store.append([record(2), record(3)], after=end)
        assert [(r.run, r.seq) for r in records_of(other)] == [(1, 1), (2, 1)]
        *_, (end, _) = store.read(end)
        store.append([record(2), record(3)], after=end)
        assert [(r.run, r.seq) for r in records_of(other)] == [(1, 1), (2, 1), (1, 2), (1, 3)]
        other.close()

    def test_of_many_who_write_at_once_each_reads_the_same_in_the_same_order(
        self, store: Store, tmp_path: Path
    ) -> None:
        """Whoever is overtaken reads on and tries again."""
        stores = [self.open(tmp_path) for _ in range(4)]
        with ThreadPoolExecutor(len(stores)) as pool:
            list(pool.map(_write_10_batches, stores, range(1, 5)))
        said = [(r.run, r.seq) for r in records_of(store)]
        assert sorted(said) == [(run, seq) for run in range(1, 5) for seq in range(1, 21)]
        assert all([seq for run, seq in said if run == writer] == list(range(1, 21)) for writer in range(1, 5))
        for other in stores:
            assert [(r.run, r.seq) for r in records_of(other)] == said
            other.close()


def _write_10_batches(store: Store, run: int) -> None:
    """Two records each, as one who reads whatever is there before it writes."""
    cursor = store.append([])  # where it ends, so far
    for seq in range(1, 20, 2):
        while True:
            *_, cursor = [cursor, *(later for later, _ in store.read(cursor))]
            try:
                cursor = store.append([record(seq, run=run), record(seq + 1, run=run)], after=cursor)
                break
            except Overtaken:
                continue
