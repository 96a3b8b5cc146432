"""Ignores SIGTERM and goes on for ever."""

import signal
import time

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201 - who runs it waits for this
    while True:
        time.sleep(1)
