"""Where facts are kept; ``open_store`` finds the right place for a URL or a directory."""

from metaopt.errors import HistoryError
from metaopt.stores.base import Record, Store

__all__ = ["Record", "Store", "open_store"]

SCHEMES = ("memory",)


def open_store(url: str, *, create: bool = False, study: str = "") -> Store:  # noqa: ARG001 - for those that hold several
    """The store at ``url``: a directory (a journal in it), or ``memory:``.

    With ``create`` what is not there is made; else a history that does not exist is a HistoryError.
    """
    scheme, colon, _ = url.partition(":")
    if url == "memory:":
        from metaopt.stores.memory import Memory  # noqa: PLC0415 - only when it is chosen

        return Memory()
    if colon and "/" not in scheme and len(scheme) > 1:
        problem = f"no store is known for {scheme}:"
        raise HistoryError(problem, "A history is a directory, or memory: (kept nowhere).")
    from metaopt.stores.journal import Journal  # noqa: PLC0415 - only when it is chosen

    return Journal(url, create=create)
