"""MongoDB: a history on a server, to which several runs may write at once.

The collection ``history`` holds a document for each batch of records::

    {_id: {study: "digits", n: 17}, at: <when it was written>, facts: [{run, seq, time, kind, ...body}, ...]}

``n`` goes 1, 2, 3, ... in a study, so the next document is for whoever is the first to insert it, and each batch is
there as a whole or not at all, also on a server without transactions.  ``views.py`` says what else is there to be seen.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from bson.max_key import MaxKey
from bson.min_key import MinKey
from pymongo.errors import DocumentTooLarge, DuplicateKeyError

from metaopt.errors import HistoryCorrupt, HistoryError, HistoryMissing, Overtaken
from metaopt.stores.base import Record
from metaopt.stores.connection import Connection, Document
from metaopt.stores.documents import from_fact, packed
from metaopt.stores.views import NAME, make_views

PAGE = 200
SETTLING = 5.0
RECENT = timedelta(minutes=10)
SPOKEN = {"facts.run": 1, "facts.seq": 1, "at": 1}
Cursor: TypeAlias = tuple[int, int]
"""The number of a document, and how many of its records there are up to this one; (0, 0) is the beginning."""
BEGINNING: Cursor = (0, 0)


class Kept(NamedTuple):
    """A study in a database: its ``name``, how many ``facts`` there are, and when the last was ``written``."""

    name: str
    facts: int
    written: datetime


class MongoDB:
    """Records of the study that ``url#STUDY`` names, else of ``study``, else of the only one that is there.

    A batch of more than 12 MB becomes several documents, each of which is there as a whole or not at all; if others
    write between them, the first ones stay when Overtaken is raised.  Any thread may call any method.
    """

    shared = True

    def __init__(self, url: str, study: str = "", *, create: bool = False) -> None:
        """Raise HistoryError when the server is not there or refuses, or the study is not (unless ``create``)."""
        self._connection = Connection(url)
        self._history: Any = self._connection.database[NAME]
        self._lock = threading.Lock()
        self._last: dict[int, int] = {}
        self._end, self._others = BEGINNING, False
        self._viewed = not create
        try:
            self._study = self._choose(self._connection.address.study or study, create=create)
        except HistoryError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise HistoryError(str(error), "The server was there a moment ago: try again.") from None

    def __repr__(self) -> str:
        return f"<MongoDB {self._connection.url}, study {self._study}>"

    def append(self, records: Sequence[Record], after: object = None) -> Cursor:
        """Keep ``records``; most of the servers of a set have them on disk when this returns.

        OSError may also mean that nobody knows whether they were kept: read on, or append them again.
        """
        with self._lock, self._connection.troubles():
            try:
                return self._append(records, after)
            except DocumentTooLarge:
                problem = f"{self._connection.url}: a record is larger than the 16 MB that MongoDB takes"
                raise HistoryError(problem, "A script has reported too much at once.") from None

    def read(self, after: object = None) -> Iterator[tuple[object, Record]]:
        """The records in order, each with a Cursor.

        Of a number that is missing, and was not a moment ago, the end is before it: a server that stands alone and is
        killed loses what it has shown but not acknowledged, and whoever wrote that writes it again.
        """
        number, index = after if isinstance(after, tuple) else BEGINNING
        with self._lock:
            first = number + 1 if after == self._end else max(number, 1)
        for document in self._documents(first):
            n = document["_id"]["n"]
            records = self._records(document)
            with self._lock:
                self._learn(n, [(record.run, record.seq) for record in records])
            for place, record in enumerate(records, start=1):
                if (n, place) > (number, index):
                    yield (n, place), record

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()

    def _append(self, records: Sequence[Record], after: object) -> Cursor:
        new = self._new(records)
        if not new or (after is not None and after != self._end):
            self._catch_up()
            new = self._new(records)
        self._check_end(after)
        while new:
            facts = next(packed(new))
            if self._insert(facts):
                new = new[len(facts) :]
            elif after is None:
                new = self._new(new)
            else:
                raise self._overtaken()
        return self._end

    def _check_end(self, after: object) -> None:
        """Raise Overtaken when there is anything behind ``after``, OSError when there is not even that."""
        if isinstance(after, tuple) and after > self._end:
            problem = f"MongoDB at {self._connection.address.hosts} does not have all that it has shown"
            raise OSError(problem)
        if after is not None and after != self._end:
            raise self._overtaken()

    def _new(self, records: Sequence[Record]) -> list[Record]:
        return [record for record in records if record.seq > self._last.get(record.run, 0)]

    def _insert(self, facts: list[Document]) -> bool:
        """Add a document; False, and what is there is learned, when others have been faster."""
        n = self._end[0] + 1
        try:
            self._history.insert_one({"_id": self._id(n), "at": datetime.now(UTC), "facts": facts})
        except DuplicateKeyError:
            self._settle(n)
            return False
        if self._others and self._connection.alone and not self._history.find_one(self._id_is(n - 1), {"_id": 1}):
            self._history.delete_one(self._id_is(n))
            self._end, self._last = BEGINNING, {}
            problem = f"MongoDB at {self._connection.address.hosts} has lost what others had just begun to write"
            raise OSError(problem)
        self._learn(n, [(fact["run"], fact["seq"]) for fact in facts])
        self._others = False
        if not self._viewed:
            self._viewed = make_views(self._connection.database)
        return True

    def _settle(self, n: int) -> None:
        """Wait until document ``n``, which is on its way to most servers of the set, can be read."""
        deadline = time.monotonic() + SETTLING
        while self._end[0] < n:
            self._catch_up()
            if self._end[0] < n:
                if time.monotonic() > deadline:
                    problem = f"MongoDB at {self._connection.address.hosts}: what others have written is not there yet"
                    raise OSError(problem)
                time.sleep(0.01)

    def _catch_up(self) -> None:
        """Learn what is there, without reading it."""
        for document in self._documents(self._end[0] + 1, SPOKEN):
            self._learn(document["_id"]["n"], [(fact["run"], fact["seq"]) for fact in document["facts"]])

    def _learn(self, n: int, spoken: list[tuple[int, int]]) -> None:
        """Remember which records document ``n`` holds, if it is the next one."""
        if n == self._end[0] + 1:
            self._last.update(spoken)
            self._end, self._others = (n, len(spoken)), True

    def _documents(self, first: int, fields: Mapping[str, int] | None = None) -> Iterator[Document]:
        """The documents from number ``first`` on, without a hole."""
        while True:
            with self._connection.troubles():
                found = self._history.find(self._from(first), fields).sort("_id", 1)
                page = list(found.limit(PAGE))
            for document in page:
                if document["_id"]["n"] != first:
                    self._check_hole(document, first)
                    return
                yield document
                first += 1
            if not page:
                return

    def _check_hole(self, document: Document, missing: int) -> None:
        written = document.get("at")
        if isinstance(written, datetime) and datetime.now(UTC) - written < RECENT:
            return
        problem = f"{self._connection.url}: document {missing} of study {self._study} is missing"
        hint = f"Nothing was changed.  Put it back from a copy; it is in the collection {NAME}."
        raise HistoryCorrupt(problem, hint)

    def _records(self, document: Document) -> list[Record]:
        try:
            return [from_fact(fact) for fact in document["facts"]]
        except (TypeError, KeyError, ValueError, AttributeError):
            where = f"{self._connection.url}: {NAME}, document {document['_id']}"
            problem = f"{where}: this is no batch of records"
            raise HistoryCorrupt(problem, "Nothing was changed.  Put it back from a copy.") from None

    def _id(self, n: int) -> Document:
        return {"study": self._study, "n": n}

    def _id_is(self, n: int) -> Document:
        return {"_id": self._id(n)}

    def _from(self, first: int) -> Document:
        return {"_id": {"$gte": self._id(first), "$lt": {"study": self._study, "n": MaxKey()}}}

    def _overtaken(self) -> Overtaken:
        return Overtaken(f"others have written to study {self._study} meanwhile")

    def _choose(self, study: str, *, create: bool) -> str:
        """The study to use; raises HistoryError when it is not clear which, or it is not there."""
        url = self._connection.url
        with self._connection.troubles():
            _check_ours(self._connection)
            names = list(_names(self._connection)) if not (study and create) else []
        there = f"the studies there: {', '.join(names)}" if names else "there is none"
        if study and (create or study in names):
            return study
        if study:
            problem = f"{url}: there is no study {study}; {there}"
            raise HistoryMissing(problem, "Name one that is there at the end of the URL:  #STUDY")
        if len(names) != 1:
            problem = f"{url}: which study is not said; {there}"
            raise HistoryError(problem, f"Name it at the end of the URL:  #{names[0] if names else 'STUDY'}")
        return names[0]


def studies(url: str) -> list[Kept]:
    """The studies in the database at ``url``, by name; raises HistoryError as MongoDB does."""
    connection = Connection(url)
    try:
        with connection.troubles():
            _check_ours(connection)
            size = {"_id": "$_id.study", "facts": {"$sum": {"$size": "$facts"}}, "written": {"$max": "$at"}}
            found = list(connection.database[NAME].aggregate([{"$group": size}, {"$sort": {"_id": 1}}]))
    finally:
        connection.close()
    return [Kept(kept["_id"], kept["facts"], kept["written"]) for kept in found]


def _names(connection: Connection) -> Iterator[str]:
    """The studies by name, each found by one look into the index."""
    after: Document = {"study": MinKey(), "n": MinKey()}
    while found := connection.database[NAME].find_one({"_id": {"$gt": after}}, {"_id": 1}, sort=[("_id", 1)]):
        yield found["_id"]["study"]
        after = {"study": found["_id"]["study"], "n": MaxKey()}


def _check_ours(connection: Connection) -> None:
    """Raise HistoryError when the first or the last document of the collection is not one of ours."""
    for direction in (1, -1):
        document = connection.database[NAME].find_one(sort=[("_id", direction)])
        if document is not None and not _is_ours(document):
            problem = f"{connection.url}: the collection {NAME} of this database is another program's"
            raise HistoryError(problem, "Choose another database:  mongodb://HOST/DATABASE")


def _is_ours(document: Document) -> bool:
    key = document["_id"]
    return (
        isinstance(key, dict)
        and list(key) == ["study", "n"]
        and isinstance(key["study"], str)
        and isinstance(document.get("facts"), list)
    )
