"""metaopt watch: a run as it goes, from another terminal, by its history."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaopt.cli.parser import Parser, of_a_history, seconds

if TYPE_CHECKING:
    from typing import Self

    from metaopt.study import Study

EPILOG = """  metaopt watch exp.yaml
  metaopt watch | tee log        # where there is no terminal: a line per trial that ends

Reads only, and ends with the study, or when no run is at it any more.  Ctrl-C ends the watching, not the run."""


def parser() -> Parser:
    """Its command line."""
    made = of_a_history("watch", __doc__, EPILOG)
    made.add_argument("--every", type=seconds, default=1.0, metavar="TIME", help="between two looks; default: 1s")
    return made


def main(argv: Sequence[str]) -> int:
    """The verb; gives the exit status."""
    options = parser().parse_args(argv)
    from metaopt.cli.base import chosen, claim_of, output, say  # noqa: PLC0415 - help needs nothing of this
    from metaopt.errors import HistoryError  # noqa: PLC0415 - the same
    from metaopt.history import Fold  # noqa: PLC0415 - the same
    from metaopt.skim import Skim  # noqa: PLC0415 - the same
    from metaopt.stores.claim import holder  # noqa: PLC0415 - the same

    location, fold = chosen(options.history), Fold()
    skim = Skim(fold)
    claim, left = claim_of(location), 0
    with output(), _View() as view:
        while True:
            at_it = claim is None or bool(holder(claim))  # before it is read: all that it has said is there then
            with location.opened() as store:
                skim.read(store)
            if fold.study is None:
                problem = f"{location}: this history is empty"
                raise HistoryError(problem, location.beginning)
            fold.study.run = max(fold.heard)
            view.show(fold.study, time.time() if at_it else fold.heard[fold.study.run], at_it=at_it)
            left = int(fold.study.experiment.get("trials") or sys.maxsize) - len(fold.study.ended)
            if not at_it or left <= 0:
                break
            time.sleep(options.every)
    with output():
        say(f"{location}: {'no run is at it; the command that began it goes on' if left > 0 else 'it is finished'}")
    return 0


class _View:
    """A picture in a terminal; elsewhere a line per trial that has ended."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - not for help
        from rich.live import Live  # noqa: PLC0415 - the same

        self._console = Console(highlight=False)
        draws = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = Live(console=self._console, auto_refresh=False) if draws else None
        self._shown = 0

    def __enter__(self) -> "Self":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, study: "Study", now: float, *, at_it: bool) -> None:
        """How it stands at ``now``, and how long it lasts, if a run is ``at_it``."""
        from rich.text import Text  # noqa: PLC0415 - not for help

        from metaopt.picture import Figures, one_line, optimizer_line, picture  # noqa: PLC0415 - the same

        total = int(study.experiment.get("trials") or 0)
        if self._live:
            optimizer = study.experiment.get("optimizer", {}).get("rule", "")
            note = Text(optimizer_line(optimizer, "", Figures.of(study, total, now).ahead))
            self._live.update(picture(study, total, now, self._console, note, lasts=at_it), refresh=True)
            return
        for index in range(self._shown, len(study.ended)):
            print(one_line(study, index, total), flush=True)  # noqa: T201 - what was asked for
        self._shown = len(study.ended)
