"""Makes the table in README.md: from the benchmarks' lines in a file, or by running them, which takes some hours.

    python benchmarks/table.py [LINES]

Of several lines of one benchmark the last one counts.  Between the two markers in README.md, the rows of these
benchmarks are replaced; those of others stay.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import progress

HERE = Path(__file__).parent
BENCHMARKS = (
    *("overhead", "utilisation", "idle", "reaction", "death", "start", "resume", "status", "simulate", "allocations"),
    *("stores", "away", "devices", "regret", "parallel", "warm", "ask_cost", "feeding", "stopping", "fidelity"),
)
COLUMNS = ("question", "figure", "beside", "ratio", "aim", "machine")
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def run_all() -> Iterable[str]:
    """The line of each benchmark, run one after the other; of one that cannot run here, nothing."""
    for name in BENCHMARKS:
        progress(f"-- {name}")
        command = [sys.executable, str(HERE / f"{name}.py")]
        if said := subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout:
            yield said


def row(said: Mapping[str, Any]) -> tuple[str, str]:
    """The benchmark that has said this, and its row."""
    said = {"cores": os.cpu_count(), "date": datetime.now(UTC).date().isoformat(), **said}
    name = said["benchmark"]
    cells = [f"[{name}.py]({name}.py): {said['question']}", said["figure"], said["beside"]]
    cells += [f"{said['ratio']:,.3f} ({said['ratio_of']})", said["aim"], f"{said['cores']} cores, {said['date']}"]
    return name, joined(cells)


def joined(cells: Sequence[str]) -> str:
    """A row of the table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def rows_in(table: str) -> Iterable[tuple[str, str]]:
    """The benchmarks in a table that was made before, and their rows."""
    for line in table.splitlines():
        if line.startswith("| ["):
            yield line.removeprefix("| [").partition(".py]")[0], line


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "lines", nargs="?", type=Path, help="a file with a line of JSON per benchmark; else they are run"
    )
    path = parser.parse_args().lines
    lines = path.read_text(encoding="utf-8").splitlines() if path else run_all()
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    found = {**dict(rows_in(old)), **dict(row(json.loads(line)) for line in lines)}
    rows = [joined(COLUMNS), joined(["---"] * len(COLUMNS)), *(found[name] for name in BENCHMARKS if name in found)]
    table = "\n".join(rows)
    readme.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
