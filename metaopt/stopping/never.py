"""No early stopping: every trial runs to its end."""

from collections.abc import Sequence


class Never:
    """Stops nothing."""

    def should_stop(self, trial: int, points: Sequence[tuple[float, float]]) -> str:  # noqa: ARG002 - the interface
        """Never a reason."""
        return ""
