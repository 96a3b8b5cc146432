"""metaopt: one mpirun turns an allocation into an asynchronous hyperparameter search.

In a training script, ``metaopt.report(step=epoch, val_loss=loss)`` says a metric (and does nothing when the script
runs by itself).  Afterwards, or meanwhile, ``metaopt.history.load("digits.history")`` reads back what happened.
Without MPI, ``metaopt.minimize(f, space, trials=50)`` searches for the smallest value of a Python function.

Names are loaded when they are first used (PEP 562), so a worker pays for nothing that it does not need.
"""

from importlib import import_module

TYPE_CHECKING = False  # typing is slow to load
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"
__all__ = ["checkpoint_dir", "history", "minimize", "report", "should_stop"]

_HOMES = dict.fromkeys(("checkpoint_dir", "report", "should_stop"), "metaopt.reporting")
_HOMES["minimize"] = "metaopt.minimizer"


def __getattr__(name: str) -> "Any":  # noqa: ANN401 - whatever the name stands for
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in ("history", "optimizers", "errors", "testing"):
        return import_module(f"metaopt.{name}")
    problem = f"module 'metaopt' has no attribute {name!r}"
    raise AttributeError(problem)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
