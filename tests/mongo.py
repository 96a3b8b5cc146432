"""Real MongoDB servers for tests: alone or in replica sets, with or without a login, to be killed and started again."""

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pymongo
from pymongo.errors import PyMongoError

PATIENCE = 60.0
USER, PASSWORD = "metaopt", "pass:word/@%"
_numbers = itertools.count(1)


def mongod():
    """The path of the server's program, or None: METAOPT_MONGOD, the wheel with one in it, or PATH."""
    if path := os.environ.get("METAOPT_MONGOD"):
        return path
    spec = importlib.util.find_spec("fiftyone")
    bases = (spec.submodule_search_locations if spec else None) or ()
    inside = [Path(base, "db", "bin", "mongod") for base in bases]
    return next((str(path) for path in inside if path.exists()), shutil.which("mongod"))


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def until(condition, what):
    """Wait for ``condition``; what the server cannot answer yet is not there yet."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(PyMongoError):
            if result := condition():
                return result
        time.sleep(0.02)
    problem = f"{what} did not happen within {PATIENCE} s"
    raise TimeoutError(problem)


@functools.cache
def standing():
    """A server without a login, for all tests of this session that leave it as it is; each has databases of its own."""
    mongo = Mongo(Path(tempfile.mkdtemp(prefix="metaopt-mongod-"), "data"))
    atexit.register(shutil.rmtree, mongo.directory.parent, ignore_errors=True)
    atexit.register(mongo.stop)
    return mongo.start()


class Server:
    """One mongod on this host, in ``directory``."""

    def __init__(self, directory, *options):
        self.directory, self.port = Path(directory), free_port()
        self.directory.mkdir(parents=True)
        self.process = None
        self._command = [
            *(mongod(), "--dbpath", str(self.directory), "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--wiredTigerCacheSizeGB", "0.25", "--nounixsocket", "--quiet", "--oplogSize", "64"),
            *("--logpath", str(self.directory / "mongod.log"), "--logappend"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false", *options),
        ]

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, f"{self.directory}: mongod")
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def frozen(self):
        """As if the network were cut: it neither answers nor refuses."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")
        until(lambda: all(_is_stopped(task) for task in tasks.iterdir()), "its threads to stop")
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def client(self, **settings):
        return pymongo.MongoClient(f"mongodb://{self.host}/?directConnection=true", **settings)

    def _listens(self):
        if self.process.poll() is not None:
            log = (self.directory / "mongod.log").read_text()[-2000:]
            problem = f"mongod has ended with {self.process.returncode}: {log}"
            raise RuntimeError(problem)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
            return True
        return False


class Mongo:
    """``members`` servers: one alone, or (``members`` given) a replica set; ``login``: only USER may do anything."""

    def __init__(self, directory, members=0, *, login=False):
        self.directory = Path(directory)
        self.set = f"set{next(_numbers)}" if members else ""
        options = ["--replSet", self.set] if members else []
        if login:
            options += ["--auth", "--keyFile", self._key_file()] if members else ["--auth"]
        self.servers = [Server(self.directory / str(number), *options) for number in range(max(members, 1))]
        self.login = login

    def start(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self):
        for server in self.servers:
            server.start()
        if self.set:
            self._initiate()
        if self.login:
            with self.servers[0].client() as client:
                roles = {"createUser": USER, "pwd": PASSWORD, "roles": ["root"]}
                client.admin.command(roles)

    def url(self, database, login=None):
        """The URL of ``database``, with ``login`` (user:password) in it if that is not empty."""
        if login is None:
            login = f"{USER}:pass%3Aword%2F%40%25" if self.login else ""
        hosts = ",".join(server.host for server in self.servers)
        options = [f"replicaSet={self.set}"] * bool(self.set) + ["authSource=admin"] * self.login
        return f"mongodb://{login}{'@' * bool(login)}{hosts}/{database}{'?' * bool(options)}{'&'.join(options)}"

    def primary(self):
        """The server that takes the writes."""
        return until(lambda: next((s for s in self.servers if self._is_primary(s)), None), "an election")

    def stop(self):
        for server in self.servers:
            if server.process is not None and server.process.poll() is None:
                server.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _initiate(self):
        members = [
            {"_id": number, "host": server.host, "priority": 2 if number == 0 else 1}
            for number, server in enumerate(self.servers)
        ]
        settings = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200}
        with self.servers[0].client() as client:
            client.admin.command("replSetInitiate", {"_id": self.set, "members": members, "settings": settings})
        self.primary()

    def _is_primary(self, server):
        if server.process.poll() is not None:
            return False
        with server.client(serverSelectionTimeoutMS=500) as client:
            return client.admin.command("hello")["isWritablePrimary"]

    def _key_file(self):
        path = self.directory / "key"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("abcdefgh" * 8)
        path.chmod(0o600)
        return str(path)


def _is_stopped(task):
    """A thread, by what the kernel says of it; one that is gone does nothing either."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    return True
