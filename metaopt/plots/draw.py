"""All figures by their names: worked out, put below each other, and written to a file or into a web page."""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from textwrap import fill

from metaopt.errors import NoResult
from metaopt.figures.account import Account
from metaopt.plots import KINDS, parameters, search, workers
from metaopt.plots.style import COLOURS, LIGHT, Drawing, styled

WIDTH, TITLE = 8.0, 0.5
"""Inches."""
LINE = 125
"""Characters of a note."""
DOTS = 160
"""Of a picture, per inch."""
_MAKE: Mapping[str, Callable[[Account], Drawing]] = {
    "regret": search.regret,
    "curves": search.learning,
    "importance": parameters.importance,
    "parallel": parameters.parallel,
    "slices": parameters.slices,
    "pareto": search.pareto,
    "timeline": workers.timeline,
    "utilisation": workers.utilisation,
}


def drawings(account: Account, kinds: Sequence[str]) -> tuple[list[Drawing], dict[str, list[str]]]:
    """Those ``kinds``, or else all for which there is something to be seen; and which are missing, by the reason.

    Raises NoResult when there is nothing to be seen in one that was asked for, or in all.
    """
    if kinds:
        return [_MAKE[kind](account) for kind in kinds], {}
    made, missing = attempted(account)
    if not made:
        raise account.nothing(next(iter(missing)))
    return made, missing


def attempted(account: Account) -> tuple[list[Drawing], dict[str, list[str]]]:
    """All for which there is something to be seen; and which are missing, by the reason."""
    made: list[Drawing] = []
    missing: dict[str, list[str]] = {}
    several = account.history.goals.several
    for kind in (kind for kind in KINDS if several or kind != "pareto"):
        try:
            made.append(_MAKE[kind](account))
        except NoResult as reason:
            missing.setdefault(reason.problem.removeprefix(f"{account.location}: "), []).append(kind)
    return made, missing


def save(made: Sequence[Drawing], file: Path, kind: str) -> None:
    """All of them below each other in ``file``, as png, svg or pdf; the same ones give the same file."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    heights = [each.height + TITLE for each in made]
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with styled():
        page = Figure((WIDTH, sum(heights)), layout="constrained")
        parts = page.subfigures(len(made), 1, squeeze=False, height_ratios=heights)[:, 0]
        for part, each in zip(parts, made, strict=True):
            part.suptitle(each.title, x=0.01, ha="left", fontsize=11, fontweight="bold")
            part.supxlabel(fill(each.note, LINE), x=0.01, ha="left", fontsize=7.5, color=LIGHT["muted"])
            each.paint(part)
        page.savefig(file, format=kind, dpi=DOTS, metadata=undated)


def inline(drawing: Drawing, salt: int) -> str:
    """``drawing`` as SVG for a web page, which has ``COLOURS`` as variables; another ``salt`` for each of a page."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    written = StringIO()
    with styled(svg_fonttype="none", svg_hashsalt=f"metaopt{salt}"):
        figure = Figure((WIDTH, drawing.height), layout="constrained")
        drawing.paint(figure)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return _embedded(written.getvalue(), drawing.title)


_NAMELESS = re.compile(r' id="[a-z]+[a-zA-Z0-9]*_[0-9_]+"')
_TAG = re.compile(r"<[^>]*>")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_FONT = re.compile(r"'DejaVu Sans'[^;\"]*")


def _embedded(svg: str, title: str) -> str:
    """What matplotlib has written, as part of a page: without what that has, or would be there twice."""
    _, _, body = svg.partition("<svg ")
    body = re.sub(r"^.*?>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL).replace("xlink:href", "href")
    body = _FONT.sub("system-ui, sans-serif", _NAMELESS.sub("", body))
    body = _TAG.sub(lambda tag: _LONG.sub(lambda number: f"{float(number[0]):.2f}", tag[0]), body)
    for name, (light, _) in COLOURS.items():
        body = body.replace(light, f"var(--{name})")
    box = re.search(r'viewBox="[^"]*"', svg)
    return f'<svg role="img" aria-label="{escape(title)}" {box[0] if box else ""}>{body}'
