"""What the workers did: who ran what, and how many were busy."""

from typing import TYPE_CHECKING

from metaopt.figures.account import Account
from metaopt.figures.timeline import STATES, Pauses
from metaopt.plots import style
from metaopt.plots.style import LIGHT, Canvas, Drawing, legend, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 1500
"""More bars are drawn as a picture."""
GAP = 0.0012
"""Between two bars, and the least width of a bar: of the whole width."""
CELLS = (300, 1200)
"""Rows and columns of that, at most."""
UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "days"))
ROWS = 20
"""With more rows only some are numbered."""


def unit(seconds: float) -> tuple[float, str]:
    """The largest unit of which this is three at least: how many seconds, and its name."""
    return max((each for each in UNITS if seconds >= 3 * each[0]), default=UNITS[0])


def timeline(account: Account) -> Drawing:
    """A bar for each attempt at a trial, a row for each worker."""
    spans, pauses = account.spans, Pauses(account.there)
    lanes = 1 + max(span.lane for span in spans)
    scale, name = unit(pauses.places[-1])
    states = [state for state in STATES if any(span.state == state for span in spans)]

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        colours = {state: LIGHT[style.STATES[state]] for state in STATES}
        if len(spans) <= MANY:
            _bars(axes, account, pauses, scale)
        else:
            colours = {state: _own(colour) for state, colour in colours.items()}
            _picture(axes, account, pauses, scale)
        axes.set(ylim=(lanes + 0.6, 0.4), xlim=(0.0, pauses.places[-1] / scale or 1.0), ylabel="worker")
        whole_numbers(axes, "y")
        if lanes <= ROWS:
            axes.set_yticks(range(1, lanes + 1))
        axes.grid(visible=False)
        for state in states:
            axes.plot([], [], color=colours[state], linewidth=6, label=state, solid_capstyle="butt")
        _along(axes, pauses, scale, name)
        legend(canvas)

    note = "A row for each worker, a bar for each attempt at a trial."
    return Drawing("Timeline", min(1.2 + 0.22 * lanes, 7.0), paint, note)


def _own(colour: str) -> str:
    """The same to the eye; but on a dark ground a page leaves it as it is, which it cannot but do with a picture."""
    return f"#{int(colour[1:], 16) ^ 1:06x}"


def _bars(axes: "Axes", account: Account, pauses: Pauses, scale: float) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415 - an extra

    gap = GAP * pauses.places[-1] / scale
    for state in STATES:
        corners = []
        for span in [span for span in account.spans if span.state == state]:
            y, a, b = span.lane + 1, pauses.place(span.begin) / scale, pauses.place(span.end) / scale
            b = max(b - gap, a + gap)
            corners.append([(a, y - 0.4), (b, y - 0.4), (b, y + 0.4), (a, y + 0.4)])
        axes.add_collection(PolyCollection(corners, facecolor=LIGHT[style.STATES[state]], linewidth=0.0))


def _picture(axes: "Axes", account: Account, pauses: Pauses, scale: float) -> None:
    from matplotlib.colors import ListedColormap  # noqa: PLC0415 - an extra

    from metaopt.figures.utilisation import raster  # noqa: PLC0415 - with it

    lanes = 1 + max(span.lane for span in account.spans)
    cells = raster(account.spans, pauses, STATES, (min(lanes, CELLS[0]), CELLS[1]))
    colours = ListedColormap([LIGHT[style.STATES[state]] for state in STATES])
    extent = (0.0, pauses.places[-1] / scale or 1.0, lanes + 0.5, 0.5)
    axes.imshow(cells, colours, vmin=-0.5, vmax=len(STATES) - 0.5, extent=extent, aspect="auto", interpolation="none")


def utilisation(account: Account) -> Drawing:
    """How many workers there were, and were busy."""
    from metaopt.figures.utilisation import utilisation as used  # noqa: PLC0415 - with numpy

    pauses, told = Pauses(account.there), used(account.spans, account.there)
    scale, name = unit(pauses.places[-1])

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        edges = told.edges / scale
        axes.stairs(told.there, edges, color=LIGHT["muted"], linewidth=1.2, label="workers that are there")
        axes.stairs(told.busy, edges, fill=True, color=LIGHT["blue"], alpha=0.75, label="busy")
        axes.set(xlim=(0.0, edges[-1] or 1.0), ylim=(0.0, 1.08 * max(told.there.max(), 1.0)), ylabel="workers")
        whole_numbers(axes, "y")
        _along(axes, pauses, scale, name)
        legend(canvas)

    return Drawing(
        "Utilisation", 2.4, paint, f"Scripts ran in {told.share:.1%} of the workers' time, not counting their starts."
    )


def _along(axes: "Axes", pauses: Pauses, scale: float, name: str) -> None:
    """The axis of time, with the pauses that are shown shorter than they were."""
    for cut in pauses.cuts:
        axes.axvline(cut / scale, color=LIGHT["muted"], linewidth=1.0, linestyle=(0, (2, 2)))
    axes.set_xlabel(f"time ({name}{'; dotted: a pause, cut short' if pauses.cuts else ''})")
