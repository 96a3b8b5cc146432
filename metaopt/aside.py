"""Work that may hang, as all that waits for a disk or a server may: done by a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def aside(work: Callable[[], T]) -> Future[T]:
    """What ``work`` gives, or raises, once it has been done; nobody waits for a thread that never ends."""
    future = Future[T]()
    threading.Thread(target=_do, args=(work, future), daemon=True).start()
    return future


def _do(work: Callable[[], T], future: Future[T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
        future.set_exception(error)
    else:
        future.set_result(result)
