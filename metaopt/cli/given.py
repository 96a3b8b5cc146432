"""What people give on the command line, read for argparse: it says what is wrong with it."""

from argparse import ArgumentTypeError


def duration(text: str) -> float:
    """Seconds."""
    from metaopt.scalars import duration as read  # noqa: PLC0415 - help needs nothing of this

    seconds = read(text)
    if not seconds:
        problem = f"90 (seconds), 10m, 2h, 1d or 1:30:00, not {text}"
        raise ArgumentTypeError(problem)
    return seconds


def number(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        problem = f"a whole number from 1 on, not {text}"
        raise ArgumentTypeError(problem)
    return int(text)


def hours(text: str) -> float:
    """A positive number of hours, as seconds."""
    try:
        given = float(text)
    except ValueError:
        given = 0.0
    if not 0 < given < float("inf"):
        problem = f"a number of hours, not {text}"
        raise ArgumentTypeError(problem)
    return 3600 * given
