"""Contracts: test classes that hold a plug-in to what its interface promises, ours and yours alike.

    from metaopt.testing import OptimizerContract

    class TestMine(OptimizerContract):
        def make(self, space, seed):
            return Mine(space, seed)

Each is loaded when it is first used, so that one's requirements are not everybody's.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "OptimizerContract": "metaopt.testing.optimizers",
    "check_hub": "metaopt.testing.transports",
    "LearnerContract": "metaopt.testing.stopping",
    "PromoterContract": "metaopt.testing.stopping",
    "StopperContract": "metaopt.testing.stopping",
    "SharedStoreContract": "metaopt.testing.stores",
    "StoreContract": "metaopt.testing.stores",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    problem = f"module 'metaopt.testing' has no attribute {name!r}"
    raise AttributeError(problem)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
