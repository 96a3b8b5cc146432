"""A claim on a GPU that every metaopt of this machine respects, and that ends with the process that has made it."""

import socket
import sys
from collections.abc import Sequence

from metaopt.devices.base import Gpu

PARTS = 16
"""Of a GPU: names on the machine, all of which belong to who has the whole of it, one to who shares it."""


class Claims:
    """The claims of one worker: Linux's abstract sockets, which are names without a file; elsewhere there are none."""

    def __init__(self) -> None:
        self._held: dict[str, list[socket.socket]] = {}

    def claim(self, gpus: Sequence[Gpu], share: float) -> str:
        """Claim ``share`` of each of these, until they are released; gives why that cannot be: another run has one."""
        for gpu in gpus if sys.platform == "linux" else ():
            wanted = PARTS if share >= 1 else 1
            names = (f"\0metaopt/{gpu.uuid}/{part}" for part in range(PARTS if share >= 1 else int(1 / share + 1e-9)))
            mine = self._held.get(gpu.uuid) or [taken for name in names if (taken := _take(name)) is not None]
            for more in mine[wanted:]:
                more.close()
            self._held[gpu.uuid] = mine[:wanted]
            if len(mine) < wanted:
                for each in self._held.pop(gpu.uuid):
                    each.close()
                return f"another metaopt run on this node has {gpu.uuid}"
        return ""

    def release(self) -> None:
        """Leave them to others."""
        for held in self._held.values():
            for each in held:
                each.close()
        self._held.clear()


def _take(name: str) -> socket.socket | None:
    mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mine.bind(name)
    except OSError:
        mine.close()
        return None
    return mine
