"""What all figures share: colours, which a page can put others in the place of, and how axes look."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from metaopt.errors import MetaoptError
from metaopt.figures.values import Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Canvas: TypeAlias = "Figure | SubFigure"

COLOURS = {
    "text": ("#1f2329", "#e6edf3"),
    "muted": ("#68727d", "#9aa5b1"),
    "grid": ("#dfe3e8", "#30363d"),
    "ground": ("#fefefe", "#0e1116"),
    "blue": ("#2f6db3", "#6aa9ee"),
    "pale": ("#a9c4e4", "#4673a6"),
    "best": ("#c8321f", "#ff8a70"),
    "teal": ("#12907f", "#3fc4b0"),
    "amber": ("#d99a00", "#e8b64a"),
    "grey": ("#98a2ad", "#6f7985"),
}
"""By their names: on a light ground, and on a dark one."""
LIGHT = {name: light for name, (light, _) in COLOURS.items()}
STATES = {"completed": "blue", "stopped": "amber", "running": "teal", "failed": "best"}
STATES |= {"continued": "pale", "begun again": "grey"}
DECADES = 100.0
"""A logarithmic range whose ends are less far apart has ticks at 1, 2 and 5."""
LONG = 22
"""A label with more characters is cut."""
MATPLOTLIB: Any = {
    "text.parse_math": False,  # a $ in the name of a metric is a $
    "font.family": ["sans-serif"],
    "font.size": 9.0,
    "text.color": LIGHT["text"],
    "axes.labelcolor": LIGHT["text"],
    "axes.edgecolor": LIGHT["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.which": "major",
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.unicode_minus": False,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["muted"],
    "xtick.labelcolor": LIGHT["text"],
    "ytick.color": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["text"],
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": LIGHT["ground"],
    "axes.facecolor": "none",
    "savefig.facecolor": "auto",
    "svg.hashsalt": "metaopt",
}


class PlotError(MetaoptError):
    """A figure cannot be drawn here."""


class Drawing(NamedTuple):
    """A figure that is ready to be drawn, ``height`` inches high; ``note`` says how to read it, where that helps."""

    title: str
    height: float
    paint: Callable[[Canvas], None]
    note: str = ""


@contextmanager
def styled(**more: object) -> Iterator[None]:
    """Within it matplotlib draws as we do, and as ``more`` says; raises PlotError where there is no matplotlib."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra
    except ImportError as error:
        problem = "figures need matplotlib, which is not installed"
        raise PlotError(problem, "pip install matplotlib") from error
    changed: Any = {**MATPLOTLIB, **{name.replace("_", "."): value for name, value in more.items()}}
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # in a page it is the reader's fonts that count
        mpl.rcdefaults()
        mpl.rcParams.update(changed)
        yield


def label(value: object, most: int = LONG) -> str:
    """``value`` as a short text that any font can draw: a number with 3 digits, a long text cut."""
    text = short(value) if isinstance(value, float) else str(value)
    text = "".join(char if char.isprintable() else "?" for char in text.encode(errors="replace").decode())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def limit(axes: "Axes", values: Range, axis: str = "y", ticks: int = 6) -> None:
    """Show this part of it; numbers are written as people type them."""
    axes.set(**{f"{axis}lim": (values.low, values.high)})
    if values.log:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - an extra

        axes.set(**{f"{axis}scale": "log"})
        each = getattr(axes, f"{axis}axis")
        subs = (1.0,) if values.high > DECADES * values.low else (1.0, 2.0, 5.0)
        each.set_major_locator(LogLocator(subs=subs, numticks=ticks))
        each.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        each.set_minor_formatter(NullFormatter())


def short(value: float) -> str:
    """A number with 3 digits, in few characters: 1e-5 for 0.00001."""
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.3g}")


def whole_numbers(axes: "Axes", axis: str) -> None:
    """There are no ticks between them."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - an extra

    getattr(axes, f"{axis}axis").set_major_locator(MaxNLocator(integer=True, nbins="auto"))


def legend(canvas: Canvas) -> None:
    """What the colours of all axes mean, once, at the upper right."""
    named = {text: mark for axes in canvas.axes for mark, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    made = canvas.legend(named.values(), named.keys(), loc="outside upper right", ncols=5, borderaxespad=0.0)
    for line in made.get_lines():
        line.set(alpha=1.0, linewidth=max(line.get_linewidth(), 1.6), markersize=5)
