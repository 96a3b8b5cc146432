"""The way to a MongoDB server: how long it is waited for, with which password, and what its errors mean here."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeAlias
from urllib.parse import quote_plus

import pymongo
from pymongo import errors
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from metaopt.errors import HistoryError
from metaopt.stores.documents import CODEC
from metaopt.stores.urls import EXAMPLE, PASSWORD, Address, parse, shown

Document: TypeAlias = dict[str, Any]
PATIENCE: Mapping[str, int] = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 15_000,
}
WRITTEN = WriteConcern(w="majority", j=True, wtimeout=10_000)
PASSING = frozenset({6, 7, 24, 46, 50, 64, 89, 91, 112, 133, 134, 175, 189, 202, 237, 262, 290})
"""Of the server's own errors, those of hosts, elections, time limits and interruptions; MongoDB's error_codes.yml."""
AWAY = frozenset({9001, 10107, 11600, 11602, 13388, 13435, 13436, 14031})
"""The same of its older numbers, and 14031: its disk is full."""
LOGIN = frozenset({18, 11, 8000})
FORBIDDEN = 13


class Connection:
    """A client of the server at ``url``, and the database which that names.  ``alone``: it is in no replica set."""

    def __init__(self, url: str) -> None:
        """Raise HistoryError when nobody answers there within 10 s, or does not let us in."""
        self.address, self.url = parse(url), shown(url)
        self._secret = self.address.password
        self._client = self._connect(self.address)
        try:
            with self.troubles():
                hello = self._client.admin.command("hello")
        except HistoryError:
            self.close()
            raise
        except OSError as error:
            self.close()
            problem = f"no MongoDB answers at {self.address.hosts}: {error}"
            hint = "Is mongod running there, does a firewall let this host through, is TLS set as the server has it?"
            raise HistoryError(problem, hint) from None
        self.alone = "setName" not in hello and hello.get("msg") != "isdbgrid"
        try:
            self.database = self._client.get_database(
                self.address.database, CODEC, ReadPreference.PRIMARY, WRITTEN, ReadConcern("majority")
            )
        except errors.InvalidName as error:
            self.close()
            problem = f"{self.url}: {self.address.database!r} is no name of a database: {error}"
            raise HistoryError(problem, EXAMPLE) from None

    @contextmanager
    def troubles(self) -> Iterator[None]:
        """Errors of the server become OSError when they may go away, else HistoryError."""
        try:
            yield
        except errors.PyMongoError as error:
            self._explain(error)

    def close(self) -> None:
        """Let go of the server."""
        self._client.close()

    def _connect(self, address: Address) -> pymongo.MongoClient[Document]:
        """A client, which has not spoken to anybody yet."""
        settings: dict[str, Any] = {key: ms for key, ms in PATIENCE.items() if key.lower() not in address.options}
        if address.user and not address.password and (password := _password()):
            settings["password"] = self._secret = password
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # an option that it would pass over
                return pymongo.MongoClient(address.plain, appname="metaopt", **settings)
        except (errors.PyMongoError, UserWarning, ValueError, TypeError, OSError) as error:  # or a file that it names
            problem = f"{self.url}: this URL cannot be used: {self._said(error)}"
        hint = EXAMPLE if address.user == "" or address.password else f"Put the password in {PASSWORD}; or: {EXAMPLE}"
        raise HistoryError(problem, hint)

    def _explain(self, error: errors.PyMongoError) -> NoReturn:
        hosts, said = self.address.hosts, self._said(error)
        code = error.code if isinstance(error, errors.OperationFailure) else None
        if code in LOGIN:
            problem = f"{self.url}: MongoDB does not accept this user and password"
            raise HistoryError(
                problem, f"Set {PASSWORD}; if the user is kept in another database, add ?authSource=admin to the URL."
            ) from None
        if code == FORBIDDEN:
            problem = f"{self.url}: MongoDB does not allow this: {said}"
            raise HistoryError(problem, "Name a user in the URL who has the role readWrite on this database.") from None
        if code in PASSING | AWAY or isinstance(
            error, errors.ConnectionFailure | errors.ExecutionTimeout | errors.WTimeoutError | errors.CursorNotFound
        ):
            problem = f"MongoDB at {hosts}: {said}"
            raise OSError(problem) from None
        problem = f"{self.url}: MongoDB refuses: {said}"
        raise HistoryError(problem, "If that does not say what is wrong, the server's log does.") from None

    def _said(self, error: Exception) -> str:
        """What ``error`` says, in short; not when a password is in it."""
        first = re.split(r", full error:|, Timeout:| \(configured timeouts|\n", str(error))[0]
        secrets = {self._secret, quote_plus(self._secret), os.environ.get(PASSWORD, "")} - {""}
        return type(error).__name__ if any(secret in str(error) for secret in secrets) else first[:300]


def _password() -> str:
    """The password that the environment holds, or the first line of the file that it names."""
    if password := os.environ.get(PASSWORD):
        return password
    if not (path := os.environ.get(f"{PASSWORD}_FILE")):
        return ""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{PASSWORD}_FILE: {path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        raise HistoryError(problem, "Name a file whose first line is the password.") from None
    if not lines or not lines[0]:
        problem = f"{PASSWORD}_FILE: {path} is empty"
        raise HistoryError(problem, "Name a file whose first line is the password.")
    return lines[0]
