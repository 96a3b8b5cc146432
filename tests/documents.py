"""What users read, README.md and docs/*.md: its blocks of code and commands, and how each of them is tried.

A comment before a block says more: <!-- file: NAME --> it is that file; <!-- run --> it is run, in the directory of the
page's files; <!-- says --> the run before says so ("..." stands for anything); <!-- before: CODE --> what goes before
some Python; <!-- needs: MODULE --> it is run only where there is that module, and read elsewhere.
"""

import importlib.util
import os
import re
import sysconfig
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import yaml
from histories import records_of, written

from metaopt.cli import ALIASES, FILES, VERBS
from metaopt.experiment import Experiment
from metaopt.history import FORMAT
from metaopt.keys import KEYS
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggested
from metaopt.mpirun import ANYWHERE

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRAIN = """#!/usr/bin/env python3
import metaopt
metaopt.report(loss=1.0)
"""
EXPERIMENT = """
name: digits
command: ./train.py --lr {lr} --units {units}
objective: loss
space: {lr: "loguniform(1e-4, 1)", units: "integer(8, 256)"}
trials: 20
"""


@dataclass(frozen=True)
class Block:
    """Some lines of a page in its ``language``, from ``line`` on, and what the comment before them says of it."""

    page: Path
    line: int
    language: str
    text: str
    how: dict[str, str]

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def blocks(page):
    """All blocks of a page: fenced ones, and indented ones, which are commands."""
    how, block, fence, blank = {}, None, "", True
    for number, line in enumerate([*page.read_text().splitlines(), "end"], start=1):
        if block is not None and (line.startswith("```") if fence else not line.startswith("    ")):
            yield Block(page, block[0], block[1], "".join(f"{each}\n" for each in block[2]), how)
            how, block = {}, None
            if fence:
                fence = ""
                continue
        if block is not None:
            block[2].append(line if fence else line[4:])
        elif line.startswith("```"):
            fence, block = line, (number, line[3:].strip() or "text", [])
        elif line.startswith("    ") and blank:
            block = (number, "sh", [line[4:]])
        elif line.strip():
            how = (how if line.startswith("<!--") else {}) | dict(re.findall(r"<!-- (\w+):? ?(.*?) -->", line))
        blank = not line.strip()


def stage(directory, page):
    """What the commands in a page mean: a script and an experiment file, and the files of that page itself."""
    (directory / "train.py").write_text(TRAIN)
    (directory / "train.py").chmod(0o755)
    (directory / "exp.yaml").write_text(EXPERIMENT)
    (directory / "bin").mkdir()
    for program in ("python", "mpirun", "torchrun", "srun"):
        (directory / "bin" / program).symlink_to("/bin/true")
    for block in blocks(page):
        if "file" in block.how:
            (directory / block.how["file"]).write_text(block.text)


def studied(url, trials=20):
    """A history of that experiment."""
    experiment = Experiment.load("exp.yaml")
    points = [{"lr": 0.01 * number + 0.01, "units": 8 + number} for number in range(trials)]
    said = [Opened("1", FORMAT, experiment.describe()), Joined(1, "host", "core 1"), Suggested(tuple(points))]
    for number, params in enumerate(points):
        reported = Reported(1, number, 1, ((1, {"loss": params["lr"]}),))
        said += [Assign(1, number, 1, params), reported, Finished(1, number, 1, "completed")]
    return written(url, records_of(*said))


def understand_yaml(text):
    """An experiment file, or some of its keys, in a directory that has the script."""
    said = yaml.safe_load(text)
    assert set(said) <= set(KEYS), "no keys of an experiment file"
    whole = {**yaml.safe_load(EXPERIMENT), **said}
    if "command" in said and "space" not in said:
        used = {name: prior for name, prior in whole["space"].items() if f"{{{name}}}" in text}
        whole["space"] = used or whole["space"]
    if "command" not in said:
        whole["command"] = ["./train.py", *(f"{{{name}}}" for name in whole["space"])]
    Path("shown.yaml").write_text(text if {"name", "command"} <= set(said) else yaml.safe_dump(whole))
    return Experiment.load("shown.yaml")


def understand_python(block):
    """Run some lines of Python, in a directory that has a history; or read them, where what they need is not there.

    What is a file is read: it is run where the page is played.
    """
    text = block.text.replace("trials=50", "trials=12")
    code = compile(f"{block.how.get('before', '')}\n{text}", str(block), "exec")
    needs = block.how.get("needs")
    if "file" not in block.how and (not needs or importlib.util.find_spec(needs) is not None):
        exec(code, {})  # noqa: S102 - it is what the page shows


def understand_inline(page):
    """What stands in the lines of a page as `metaopt VERB --option`: there is such a verb, with this option."""
    for shown in re.findall(r"`metaopt ([a-z][^`]*)`", page.read_text()):
        verb = ALIASES.get(shown.split()[0], shown.split()[0])
        assert verb in VERBS or "." in verb, shown
        if verb in {*VERBS} - {"insert", "db"}:  # whose options depend on what follows
            known = _parser(verb).format_help()
            for flag in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", shown):
                assert flag in known, shown


def _parser(verb):
    return import_module(f"metaopt.cli.{FILES.get(verb, verb)}").parser()


def play(site, page):
    """Go through a page as a reader does: write its files, run its commands, see that they say what it says."""
    environment = ANYWHERE | {"PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"}
    output = ""
    for block in blocks(page):
        if "file" in block.how:
            site.write(block.how["file"], block.text)
        elif "run" in block.how:
            command = ["bash", "-eu", "-c", block.text] if block.language == "sh" else ["python", "-c", block.text]
            process = site.start(command=command, **environment)
            output = process.communicate(timeout=120)[0]
            assert process.returncode == int(block.how["run"] or 0), f"{block}\n{output}"
        elif "says" in block.how:
            for line in block.text.splitlines():
                wanted = re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*")
                assert re.search(wanted, "\n".join(" ".join(each.split()) for each in output.splitlines())), (
                    f"{block}: {line}\n{output}"
                )
