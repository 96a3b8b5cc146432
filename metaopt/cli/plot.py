"""metaopt plot: figures of a study, in one file: png, svg, pdf or html, as its name says."""

from collections.abc import Sequence
from pathlib import Path

from metaopt.cli.parser import Parser
from metaopt.plots import KINDS

EPILOG = f"""  metaopt plot exp.yaml -o digits.png                 # all there is to be seen
  metaopt plot regret importance -o digits.pdf        # of the only study here
  metaopt plot exp.yaml timeline -o digits.svg

{chr(10).join(f"  {kind:13}{what}" for kind, what in KINDS.items())}

Needs matplotlib: pip install matplotlib.  Exit status 1: there is nothing to be seen yet."""
FORMATS = ("png", "svg", "pdf", "html")


def parser() -> Parser:
    """Its command line."""
    made = Parser("plot", __doc__, EPILOG)
    made.add_argument(
        "words", nargs="*", metavar="[HISTORY] KIND", help="which history (see metaopt status), which figures"
    )
    made.add_argument("-o", "--output", required=True, metavar="FILE", help="a name in .png, .svg, .pdf or .html")
    made.add_argument("--force", action="store_true", help="replace FILE if it is there")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import chosen, output, say, unless_there, whole  # noqa: PLC0415 - help needs nothing of this
    from metaopt.devices.cpu import one_thread  # noqa: PLC0415 - the same

    file = Path(options.output)
    kind = _format(file)
    where, kinds = _meant(options.words)
    unless_there(file, force=options.force)
    one_thread()

    from metaopt.figures.account import account_of  # noqa: PLC0415 - not for who has asked for what cannot be
    from metaopt.plots.draw import drawings, save  # noqa: PLC0415 - the same
    from metaopt.plots.style import styled  # noqa: PLC0415 - the same
    from metaopt.webpage import figures, page  # noqa: PLC0415 - the same

    with styled():  # or there is no matplotlib: that is said before a long history is read
        account = account_of(chosen(where))
    made, missing = drawings(account, kinds)
    with whole(file) as part:
        if kind == "html":
            part.write_bytes(page(str(account.history.experiment.get("name")), "", figures(made)))
        else:
            save(made, part, kind)
    with output():
        say(f"{file}: {', '.join(each.title for each in made)}")
        for why, left_out in missing.items():
            say(f"no {', '.join(left_out)}: {why}")
    return 0


def _meant(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """The history, if one is named, and the kinds; raises LaunchError for what is neither."""
    from difflib import get_close_matches  # noqa: PLC0415 - help needs nothing of this

    from metaopt.cli.base import is_here  # noqa: PLC0415 - the same
    from metaopt.errors import LaunchError  # noqa: PLC0415 - the same

    first = words[0] if words and words[0] not in KINDS else None
    near = get_close_matches(first or "", KINDS, n=1)
    if first is not None and near and not is_here(first):
        unknown = [first]
    else:
        unknown = [word for word in words[first is not None :] if word not in KINDS]
    if unknown:
        near = get_close_matches(unknown[0], KINDS, n=1)
        problem = f"there is no figure {unknown[0]!r}"
        hint = (
            f"{f'Did you mean {near[0]}?  ' if near else ''}Figures: {', '.join(KINDS)}; a history comes before them."
        )
        raise LaunchError(problem, hint)
    return first, list(dict.fromkeys(words[first is not None :]))


def _format(file: Path) -> str:
    """By its name; raises LaunchError when that does not say."""
    from metaopt.errors import LaunchError  # noqa: PLC0415 - help needs nothing of this

    kind = file.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        problem = f"{file}: its name does not say which format is meant"
        raise LaunchError(problem, "Let it end in .png, .svg, .pdf or .html.")
    return kind
