"""Every command that README.md, docs/ and the verbs' help show; and what it is about, so that it can be run.

What a reader has in its place is put there: a script, an experiment file, its history, a queue, files of Optuna and
Oríon, a MongoDB server; three ranks stand for 64.
"""

import re
import shutil
import signal
import sqlite3
import sys
import sysconfig

import reference
import yaml
from documents import PAGES, blocks, studied
from running import ANYWHERE, MPIRUN, PATIENCE, until
from test_import import DATA, ONE

from metaopt.cli import VERBS, db, main
from metaopt.spool import OPEN, Spool

SETS_UP = {"export", ".", "python3"}
"""Commands that are there for those that follow."""
PROGRAMS = {"jq": "usr/bin/jq", "less": "usr/bin/less", "zsh": "bin/zsh"}
"""Packages with programs that stand in commands, and the file that shows each."""
LOOKS = {"status", "best", "show", "watch", "plot", "report", "simulate", "insert", "list", "db"}
"""Verbs that want a history."""
TRAIN = """#!/usr/bin/env python3
import argparse, os, time
import metaopt

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--units", type=int)
options, _ = parser.parse_known_args()
while os.path.exists("hold"):
    time.sleep(0.02)
for step in (1, 2):
    metaopt.report(step=step, loss=options.lr / step)
print(f"val_loss={options.lr} loss={options.lr}")
"""
SPACE = {"lr": "loguniform(1e-4, 1)", "units": "integer(8, 256)"}


def shown():
    """Each command, once, with where it stands; those of blocks that are played as a page (run) are left out."""
    found = {}
    for page in PAGES:
        for block in blocks(page):
            if block.language == "sh" and "run" not in block.how:
                for line in _lines(block.text):
                    found.setdefault(line, block)
        for line in re.findall(r"`(?:\d[\d* -]+ )?((?:metaopt|mpirun|eval|\$HOME)[^`]*)`", page.read_text()):
            if re.search(r"\.(ya?ml|py)\b|first|eval|metaoptd --drain", line):
                found.setdefault(line, page.name)
    for words in [*([verb] for verb in VERBS), *(["db", verb] for verb in db.VERBS)]:
        examples = r"^  ((?:eval \")?\S*\b(?:metaoptd?|mpirun) .*)"
        for line in re.findall(examples, reference._help(words), re.MULTILINE):
            found.setdefault(_bare(line), f"{' '.join(words)} --help")
    return found


def _lines(text):
    """The commands of a block; what sets up the shell stands before each of the others."""
    lines = [bare for line in re.sub(r"\\\n", " ", text).splitlines() if (bare := _bare(line))]
    first = [line for line in lines if line.split()[0] in SETS_UP]
    return ["\n".join([*first, line]) for line in lines if line not in first]


def _bare(line):
    return re.sub(r"(^|\s)#.*", "", line).strip()


class Reader:
    """Somebody who types what is shown, in ``site``."""

    def __init__(self, site, database):
        self.site, self.here, self.home = site, site.directory, site.directory / "home"
        (self.home / ".config/fish/completions").mkdir(parents=True)
        (self.home / "venv").symlink_to(sys.prefix)
        self.database = database
        path = f"{self.here}/bin:{sysconfig.get_path('scripts')}:/usr/bin:/bin"
        self.variables = {**ANYWHERE, "HOME": str(self.home), "PATH": path, "MPLBACKEND": "agg"}
        (self.here / "bin").mkdir()
        (self.here / "exp.yaml").unlink()

    def prepare(self, page, line):
        """Put there what the command is about."""
        self.write("train.py", TRAIN)
        (self.here / "train.py").chmod(0o755)
        self.write("hosts", "localhost slots=4\n")
        self.write("home/.mongodb-password", "secret")
        for name in re.findall(r"\b(digits|first|a|b)(?:\.yaml|$)", line):
            self.experiment(f"{name}.yaml", name)
        if not re.search("metaopt init|-n exp ", line):
            space = {"lr": SPACE["lr"]} if "--again" in line else SPACE
            self.experiment("exp.yaml", "digits", trials=24, space=space)
        for block in blocks(page) if page else ():
            if "file" in block.how:
                self.write(block.how["file"], block.text)
        self.work(line)

    def work(self, line):
        """Let that have happened which comes before the command."""
        verb = re.search(r"\bmetaopt (db import|\w+)|$", line)[1]
        if verb == "db import":
            self.foreign()
        elif verb in LOOKS and "--trial " not in line:
            self.studies(line)
        elif re.search("queue --|metaoptd|daemon", line):
            self.queue(8 if "queue" in line else 1)

    def write(self, name, text):
        self.site.write(name, text)

    def experiment(self, file, name, trials=20, space=SPACE):
        command = " ".join(["./train.py", *(f"--{each} {{{each}}}" for each in space)])
        keys = {"name": name, "command": command, "objective": "loss", "space": space, "trials": trials}
        self.write(file, yaml.safe_dump(keys))

    def studies(self, line):
        """Finished studies under the names by which the command knows them."""
        studied("first.history" if "first" in line else "digits.history")
        if "/scratch" in line:
            (self.here / "scratch/me").mkdir(parents=True)
            shutil.move("digits.history", "scratch/me/digits")
        if "list mongodb" in line:
            assert main(["db", "copy", "digits.history", self.database]) == 0

    def foreign(self):
        """What Optuna and Oríon have really written, under the names that are shown."""
        self.write("journal.log", (DATA / "optuna.log").read_text().replace(ONE, "digits"))
        shutil.copy(DATA / "orion.pkl", "orion_db.pkl")
        shutil.copy(DATA / "optuna.db", "study.db")
        with sqlite3.connect("study.db") as studies:
            studies.execute("DELETE FROM studies WHERE study_name != ?", (ONE,))

    def queue(self, count):
        """Some experiments that wait in it."""
        for number in range(count):
            self.experiment(f"q{number}.yaml", f"q{number}", trials=2)
            assert main(["submit", "--queue", str(self.home / ".metaopt/queue"), f"q{number}.yaml"]) == 0

    def meant(self, line):
        """The command with this site's names in the place of those that are shown."""
        line = re.sub(r"mpirun -n \d+", f"{MPIRUN} -n 3", line).removesuffix(" ...")
        line = line.replace("/scratch", f"{self.here}/scratch").replace("mongodb://host/database", self.database)
        line = re.sub(r"^eval .*zsh", r"autoload -U compinit; compinit -u; \g<0>", line)
        return line.replace("#digits-v2", "#grown-v2")

    def start(self, line, **more):
        """Have a shell begin with it."""
        shell = "zsh" if "completion zsh" in line else "bash"
        command = [shell, "-eu", "-o", "pipefail", "-c", self.meant(line)]
        return self.site.start(command=command, **self.variables, **more)

    def type(self, line):
        """The exit status and the output."""
        process = self.start(line)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output

    def type_while_it_runs(self, line, study):
        """The same during a run of ``study``: what came of both."""
        self.write("hold", "")
        run = self.start(f"metaopt run -w 1 {study}.yaml")
        journal = self.here / f"{study.replace('exp', 'digits')}.history/journal.jsonl"
        until(lambda: journal.exists() and '"Started"' in journal.read_text(), "a trial")
        status, output = self.type(line)
        said, _ = run.communicate(timeout=PATIENCE)
        return (status, run.returncode), output + said

    def type_until_done(self, line):
        """The same for what waits for work: it is interrupted when it has done all there is."""
        process = self.start(line)
        spool = Spool(self.home / ".metaopt/queue")

        def over():
            return process.poll() is not None or not any(entry.standing in OPEN for entry in spool.entries())

        until(over, "the end of what was submitted")
        if process.poll() is None:
            process.send_signal(signal.SIGUSR1 if "mpirun" in line else signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output


SHOWN = shown()
FROM_A_CLONE = [line for line in SHOWN if line.startswith(("./dev demo", "python3"))]
