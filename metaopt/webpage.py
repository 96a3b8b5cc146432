"""One HTML page that needs no network: its style, its figures as SVG, light and dark."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from metaopt.plots.draw import inline
from metaopt.plots.style import COLOURS, Drawing

STYLE = """
:root {{ color-scheme: light dark; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
@media print {{ :root {{ {light} }} section {{ break-inside: avoid; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.7rem; margin: 0; }}
h2 {{ font-size: 1.15rem; margin: 2.2rem 0 .4rem; border-top: 1px solid var(--grid); padding-top: 1rem; }}
nav {{ margin: .8rem 0; }} nav a {{ margin-right: .9rem; white-space: nowrap; }}
a {{ color: var(--blue); text-decoration: none; }}
p.note {{ color: var(--muted); margin: .2rem 0 .6rem; }}
svg {{ width: 100%; height: auto; display: block; }}
.facts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .7rem; margin: 1rem 0; }}
.facts div {{ border: 1px solid var(--grid); border-radius: 6px; padding: .5rem .8rem; }}
.facts b {{ display: block; font-size: 1.15rem; }} .facts span {{ color: var(--muted); }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 60%; }}
th, td {{ text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--grid);
  white-space: nowrap; }}
th {{ color: var(--muted); font-weight: 500; }}
pre {{ background: color-mix(in srgb, var(--grid) 35%, transparent); padding: .7rem .9rem; border-radius: 6px;
  overflow-x: auto; font-size: 13px; line-height: 1.4; margin: .4rem 0; }}
summary {{ cursor: pointer; padding: .25rem 0; }}
"""


class Section(NamedTuple):
    """A part of the page: its ``title``, and what is in it, as HTML."""

    title: str
    html: str


def page(title: str, head: str, sections: Sequence[Section]) -> bytes:
    """The file: ``head`` and ``sections`` are HTML, ``title`` is text."""
    light, dark = ("".join(f"--{name}: {each[at]}; " for name, each in COLOURS.items()) for at in (0, 1))
    links = "".join(f'<a href="#{_anchor(each.title)}">{escape(each.title)}</a>' for each in sections)
    body = "".join(
        f'<section id="{_anchor(each.title)}"><h2>{escape(each.title)}</h2>{each.html}</section>\n' for each in sections
    )
    text = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE.format(light=light, dark=dark)}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>{head}<nav>{links}</nav>\n{body}</body></html>\n"
    )
    return text.encode(errors="backslashreplace")


def figures(made: Iterable[Drawing]) -> list[Section]:
    """A section for each."""
    return [
        Section(each.title, f"{note(each.note) if each.note else ''}{inline(each, salt)}")
        for salt, each in enumerate(made)
    ]


def note(text: str) -> str:
    """A paragraph in a lower voice."""
    return f'<p class="note">{escape(text)}</p>'


def facts(named: Iterable[tuple[str, str]]) -> str:
    """Boxes: what each is, and its value."""
    boxes = "".join(f"<div><span>{escape(name)}</span><b>{escape(value)}</b></div>" for name, value in named)
    return f'<div class="facts">{boxes}</div>'


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Of texts."""

    def cells(kind: str, each: Sequence[str]) -> str:
        return f"<tr>{''.join(f'<{kind}>{escape(text)}</{kind}>' for text in each)}</tr>"

    body = "".join(cells("td", row) for row in rows)
    return f'<div class="wide"><table><thead>{cells("th", names)}</thead><tbody>{body}</tbody></table></div>'


def verbatim(text: str) -> str:
    """As it is written."""
    return f"<pre>{escape(text)}</pre>"


def folded(title: str, html: str) -> str:
    """Opens when it is clicked."""
    return f"<details><summary>{escape(title)}</summary>{html}</details>"


def _anchor(title: str) -> str:
    return "-".join("".join(char if char.isascii() and char.isalnum() else " " for char in title).lower().split())
