"""Where facts are kept; ``open_store`` finds the right place for a URL or a directory."""

import sys
from importlib import import_module
from typing import Any

from metaopt.errors import HistoryError
from metaopt.stores.base import Record, Store

__all__ = ["Record", "Store", "open_store"]

KNOWN = (
    "A history is a directory, memory: (kept nowhere), leveldb:PATH, tinydb:PATH, mongodb://HOST/DATABASE or "
    "package.module:Class:WHERE."
)


def open_store(url: str, *, create: bool = False, study: str = "") -> Store:
    """The store at ``url``: a directory (a journal in it), ``memory:``, ``leveldb:PATH``, ``tinydb:PATH``, ``mongodb://``.

    One's own is ``package.module:Class:WHERE``, made as ``Class(WHERE, create=...)``.

    A server holds many studies: ``study`` is the one to use, unless the URL ends in #STUDY; elsewhere it is not needed.
    With ``create`` what is not there is made; else a history that does not exist is a HistoryError.
    """
    scheme, colon, path = url.partition(":")
    if not colon or "/" in scheme or len(scheme) == 1:
        return _made("journal", "Journal", url, create=create)
    if scheme in {"mongodb", "mongodb+srv"}:
        return _made("mongodb", "MongoDB", url, study, create=create)
    if scheme in {"leveldb", "tinydb"} and path:
        return _made(scheme, {"leveldb": "LevelDB", "tinydb": "TinyDB"}[scheme], path, create=create)
    if url == "memory:":
        return _made("memory", "Memory")
    name, colon, where = path.partition(":")
    if colon and where and name.isidentifier():
        return _own(scheme, name, where, create=create)
    problem = f"{url} says no path" if scheme in {"leveldb", "tinydb"} else f"no store is known for {scheme}:"
    raise HistoryError(problem, KNOWN)


def _own(module: str, name: str, where: str, *, create: bool) -> Store:
    """One that somebody else has written; raises HistoryError when there is none such."""
    try:
        made: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        problem = f"the store {module}:{name} cannot be had: {error}"
        hint = f"Is its package installed for {sys.executable}, or on PYTHONPATH?  {KNOWN}"
        raise HistoryError(problem, hint) from error
    return made(where, create=create)  # type: ignore[no-any-return]  # StoreContract holds it to that


def _made(module: str, name: str, *where: str, **how: bool) -> Store:
    """A store, whose module is loaded only when it is chosen."""
    made: Any = getattr(import_module(f"metaopt.stores.{module}"), name)
    return made(*where, **how)  # type: ignore[no-any-return]  # each of them is a Store: the contract says so
