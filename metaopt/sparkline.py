"""A row of numbers, drawn in one line of text."""

from collections.abc import Sequence

BARS, ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-=+*%#"


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """A bar for each of ``values``, or for ``width`` of them, the lowest to the highest; ! is not finite."""
    finite = [value for value in values if abs(value) < float("inf")]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    count = len(values)
    picked = [values[index * count // width] for index in range(width)] if count > width else values
    bars = ASCII_BARS if ascii_only else BARS
    return "".join(_bar(value, low, high, bars) for value in picked)


def _bar(value: float, low: float, high: float, bars: str) -> str:
    if not low <= value <= high:  # NaN and infinity
        return "!"
    share = (value - low) / (high - low) if low < high < float("inf") and high - low < float("inf") else 0.0
    return bars[min(int(share * len(bars)), len(bars) - 1)]
