"""What stores.py measures: a store of metaopt's, and raw libraries that keep the same records."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pymongo
from pymongo.write_concern import WriteConcern
from servers import RAW, database_url

from metaopt.stores import Record, open_store

Plain: TypeAlias = Mapping[str, Any]


class Keeper(Protocol):
    """What is measured: a store of metaopt's, or its raw library.  Made anew, it finds what is there."""

    def append(self, plains: Sequence[Plain]) -> None:
        """Keep these; they are on disk when it returns."""

    def read(self) -> int:
        """Parse all that is there; gives how many they are."""

    def close(self) -> None:
        """Let others open it."""


class Ours:
    """A store of metaopt's, by its URL."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url, create=True)

    def append(self, plains: Sequence[Plain]) -> None:
        """As records."""
        self._store.append([Record(**plain) for plain in plains])

    def read(self) -> int:
        """As records."""
        return sum(1 for _ in self._store.read())

    def close(self) -> None:
        """Its claim too."""
        self._store.close()


class File:
    """Lines of JSON in a file, with fsync."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._file = place.open("ab", buffering=0)

    def append(self, plains: Sequence[Plain]) -> None:
        """One write."""
        self._file.write(b"".join([json.dumps(plain).encode() + b"\n" for plain in plains]))
        os.fsync(self._file.fileno())

    def read(self) -> int:
        """A line at a time."""
        with self._place.open("rb") as file:
            return sum("run" in json.loads(line) for line in file)

    def close(self) -> None:
        """The file."""
        self._file.close()


class Plyvel:
    """LevelDB, with sync."""

    def __init__(self, place: Path) -> None:
        import plyvel  # noqa: PLC0415 - an extra

        self._database = plyvel.DB(str(place), create_if_missing=True)
        self._next = sum(1 for _ in self._database.iterator(include_value=False))

    def append(self, plains: Sequence[Plain]) -> None:
        """One write batch."""
        with self._database.write_batch(sync=True) as batch:
            for self._next, plain in enumerate(plains, start=self._next + 1):  # noqa: B020 - where the next one begins
                batch.put(self._next.to_bytes(8, "big"), json.dumps(plain).encode())

    def read(self) -> int:
        """A value at a time."""
        return sum("run" in json.loads(value) for value in self._database.iterator(include_key=False))

    def close(self) -> None:
        """The database."""
        self._database.close()


class Tiny:
    """TinyDB as it comes: it reads and writes its file at each append, with fsync."""

    def __init__(self, place: Path) -> None:
        import tinydb  # noqa: PLC0415 - an extra

        self._database = tinydb.TinyDB(place)

    def append(self, plains: Sequence[Plain]) -> None:
        """One insert."""
        self._database.insert_multiple(plains)

    def read(self) -> int:
        """All at once."""
        return sum("run" in document for document in self._database.all())

    def close(self) -> None:
        """The file."""
        self._database.close()


class PyMongo:
    """MongoDB: a document a record, on the disks of most servers; the index of ``_id`` has their order."""

    def __init__(self, place: Path) -> None:
        self._client = pymongo.MongoClient[dict[str, Any]](database_url(place))
        database = self._client.get_default_database()
        self._records = database.get_collection(RAW, write_concern=WriteConcern(w="majority", j=True))

    def append(self, plains: Sequence[Plain]) -> None:
        """One insert."""
        documents = [{"_id": {"run": plain["run"], "seq": plain["seq"]}, **plain} for plain in plains]
        if len(documents) == 1:
            self._records.insert_one(documents[0])
        else:
            self._records.insert_many(documents)

    def read(self) -> int:
        """A document at a time, in order."""
        return sum("run" in document for document in self._records.find().sort("_id", 1))

    def close(self) -> None:
        """The client."""
        self._client.close()
