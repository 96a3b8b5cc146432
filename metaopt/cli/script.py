"""A script's own command line: what was asked for, made into its experiment file."""

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from metaopt import scriptfile, scriptline
from metaopt.errors import ExperimentError, LaunchError
from metaopt.keys import KEYS
from metaopt.tail import STEP
from metaopt.yamlfile import YamlFile

TRIALS = 100
NO_METRIC = r"""Say it before the script:
    --metric 'loss=(\S+)'    if it prints loss=0.7
    --metric loss            if it reports it: metaopt.report(loss=0.7)"""


class Request:
    """``typed`` on the command line: our ``options``, then ``words``, the script and its arguments."""

    def __init__(self, options: argparse.Namespace, typed: Sequence[str], words: Sequence[str]) -> None:
        self._options, self._typed, self._words = options, typed, words

    def __call__(self) -> str:
        """The name of the experiment file, which is written; raises MetaoptError."""
        line = scriptline.read(self._words)
        for note in line.notes:
            print(f"note: {note}", file=sys.stderr)  # noqa: T201 - news
        data = {"name": self._options.name or line.name, "command": line.command, **_goal(self._options, line)}
        data |= {"templates": line.templates} if line.templates else {}
        data |= {"space": line.space, "trials": self._options.trials or TRIALS, **_more(self._options)}
        typed = [word for word in self._typed if word != "--space-changed=keep"]
        return scriptfile.write(data, typed, keep=self._options.space_changed == "keep")


def _goal(options: argparse.Namespace, line: scriptline.ScriptLine) -> dict[str, Any]:
    """The keys ``objective`` and ``metrics``."""
    patterns: dict[str, str] = {}
    names = []
    for said in options.metric or []:
        if "\\" in said and "(" not in said:
            problem = f"--metric '{said}' is a pattern without a group"
            raise LaunchError(problem, "Put ( ) around the number: --metric 'loss=(\\S+)'")
        names.append(scriptline.named(said) if "(" in said else said)
        patterns |= {names[-1]: said} if "(" in said else {}
    objective = names[0] if names else scriptline.metric(line.script)
    if not objective:
        several = scriptline.reported(line.script)
        problem = f"nothing says which number {line.script} is judged by"
        if several:
            problem += f": it reports {', '.join(several[:-1])} and {several[-1]}"
        raise LaunchError(problem, f"Say it before the script:  --metric {several[0]}" if several else NO_METRIC)
    goal = {"objective": {"metric": objective, "goal": "maximize"} if options.maximize else objective}
    if options.step and (not patterns or "(" not in options.step):
        flaw = "a pattern without a group" if patterns else "a pattern, and no --metric is one"
        problem = f"--step '{options.step}' is {flaw}"
        raise LaunchError(problem, r"Write both as patterns: --metric 'loss=(\S+)' --step 'epoch (\d+)'")
    patterns |= {STEP: options.step} if options.step else {}
    return goal | ({"metrics": patterns} if patterns else {})


def _more(options: argparse.Namespace) -> dict[str, Any]:
    """The keys that were given."""
    given = {key: getattr(options, key) for key in ("optimizer", "stopper", "history", "seed")}
    more = {key: value for key, value in given.items() if value is not None}
    pairs = [f"{key}={more.pop(key)}" for key in ("optimizer", "stopper") if key in more]
    for pair in [*pairs, *(options.set or [])]:
        key, equals, text = pair.partition("=")
        if not equals or key not in KEYS:
            problem = f"--set {pair} sets no key of an experiment file"
            near = get_close_matches(key, KEYS, n=1) if equals else []
            meant = f"Did you mean {near[0]}?  " if near else ""
            raise LaunchError(problem, f"{meant}Write KEY=VALUE, as in --set timeout=10m.  Keys: {', '.join(KEYS)}")
        try:
            more[key] = YamlFile.parse("command line", f"{key}: {text}").data[key]
        except (ExperimentError, KeyError) as error:
            problem = f"{pair}: {text!r} cannot be read: {error}"
            raise LaunchError(problem, f"Write it as in an experiment file: {key}={KEYS[key].example}") from None
    return more
