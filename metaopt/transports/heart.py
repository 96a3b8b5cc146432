"""Signs of life, from a thread of its own: who waits for a slow disk is not dead.

It beats for as long as the rank's own loop comes round now and then; a loop that hangs is silent in the end.
"""

import threading
import time
from collections.abc import Callable

BEATS = 5
"""Signs of life within the time after which a silent rank is given up."""
STALLS = 10
"""The loop may hang for so many times that long: busy parallel file systems do that to everybody at once."""


class Heart:
    """Calls ``beat`` now and then; ``timeout`` is how many seconds of silence are too many.

    Where MPI allows but one thread, ``look`` calls it.
    """

    def __init__(self, beat: Callable[[], None], timeout: float, *, threads: bool = True) -> None:
        self._beat, self._timeout = beat, timeout
        self._looked = self._beaten = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="heart", daemon=True) if threads else None
        if self._thread is not None:
            self._thread.start()

    def look(self) -> None:
        """The loop has come round."""
        self._looked = time.monotonic()
        if self._thread is None and self._looked - self._beaten > self._timeout / BEATS:
            self._beaten = self._looked
            self._beat()

    def stop(self) -> None:
        """No more of it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _go_on(self) -> None:
        while not self._stop.wait(self._timeout / BEATS):
            if time.monotonic() - self._looked < STALLS * self._timeout:
                self._beat()
