"""A trial run again, by hand: what to type, as its own experiment had it, and what is to be known before."""

import shlex
from collections.abc import Mapping
from typing import Any

from metaopt.argv import PLACEHOLDER, fill
from metaopt.hosts import made_up
from metaopt.messages import Params
from metaopt.trial import Trial

EDITED = ", with the command that it had, which has been edited since"


def described(trial: Trial, present: Mapping[str, Any]) -> Mapping[str, Any]:
    """The experiment as it was when ``trial`` was last begun, in the directory where it is at ``present``."""
    return {**(trial.experiment or present), "directory": present.get("directory", ".")}


def line(about: Mapping[str, Any], trial: int, params: Params, where: str) -> str:
    """What to type to run ``params`` as ``trial`` of the experiment that ``about`` describes; its files: ``where``."""
    known: Params = {"trial": trial, "trial_dir": where, "attempt": 1, "seed": int(about.get("seed", 0)) + trial}
    hosts = made_up(int(about.get("nodes_per_trial", 1)), where)
    return shlex.join(fill(about.get("command", ()), {**params, **known, **hosts}))


def edited(trial: Trial, present: Mapping[str, Any]) -> str:
    """That the experiment has another command at ``present`` than ``trial`` had, if it has."""
    return EDITED if described(trial, present).get("command") != present.get("command") else ""


def caution(about: Mapping[str, Any], trial: int) -> str:
    """That the line names the directory of ``trial`` itself, if it does."""
    words = about.get("command", ())
    if not any(found[2] == "trial_dir" for word in words for found in PLACEHOLDER.finditer(word)):
        return ""
    what = f"the line names the directory of trial {trial} itself: a script that saves there writes over what is in it"
    return f"{what}, or goes on from that; put another directory in its place"
