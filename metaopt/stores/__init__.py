"""Where facts are kept; ``open_store`` finds the right place for a URL or a directory."""

from metaopt.errors import HistoryError
from metaopt.stores.base import Record, Store

__all__ = ["Record", "Store", "open_store"]

KNOWN = "A history is a directory, memory: (kept nowhere), leveldb:PATH, tinydb:PATH or mongodb://HOST/DATABASE."


def open_store(url: str, *, create: bool = False, study: str = "") -> Store:
    """The store at ``url``: a directory (a journal in it), ``memory:``, ``leveldb:PATH``, ``tinydb:PATH``, ``mongodb://``.

    A server holds many studies: ``study`` is the one to use, unless the URL ends in #STUDY; elsewhere it is not needed.
    With ``create`` what is not there is made; else a history that does not exist is a HistoryError.
    """
    scheme, colon, rest = url.partition(":")
    if url == "memory:":
        from metaopt.stores.memory import Memory  # noqa: PLC0415 - only when it is chosen

        return Memory()
    if colon and scheme in {"leveldb", "tinydb"} and not rest:
        problem = f"{url} says no path"
        raise HistoryError(problem, KNOWN)
    if colon and scheme == "leveldb":
        from metaopt.stores.leveldb import LevelDB  # noqa: PLC0415 - only when it is chosen

        return LevelDB(rest, create=create)
    if colon and scheme == "tinydb":
        from metaopt.stores.tinydb import TinyDB  # noqa: PLC0415 - only when it is chosen

        return TinyDB(rest, create=create)
    if scheme in {"mongodb", "mongodb+srv"} and colon:
        from metaopt.stores.mongodb import MongoDB  # noqa: PLC0415 - only when it is chosen

        return MongoDB(url, study, create=create)
    if colon and "/" not in scheme and len(scheme) > 1:
        problem = f"no store is known for {scheme}:"
        raise HistoryError(problem, KNOWN)
    from metaopt.stores.journal import Journal  # noqa: PLC0415 - only when it is chosen

    return Journal(url, create=create)
