"""The experiment file: YAML in, an ``Experiment`` out, or an error that names the line, the key and what to write."""

import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from metaopt import plugins
from metaopt.commandline import check_placeholders, check_program, read_command, read_templates
from metaopt.errors import PluginError, SpaceError
from metaopt.goalkeys import read_goals
from metaopt.goals import Goals
from metaopt.keys import KEYS, REQUIRED
from metaopt.location import Location, written_history, written_name
from metaopt.messages import Params
from metaopt.metrickeys import read_metrics, read_metrics_file
from metaopt.rerun import caution, described, edited, line
from metaopt.resources import Resources, read_resources
from metaopt.scalars import duration
from metaopt.space import ITSELF, Space
from metaopt.stopping.base import Promoter
from metaopt.trial import Trial
from metaopt.welcome import Welcome
from metaopt.yamlfile import YamlFile, shown

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")
BESTS = ("observed", "model")
PAUSING, ENOUGH = "proven", 10
"""The stopper that pauses trials where nobody has asked for one, scripts can go on, and there are so many trials."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is searched, and how; ``KEYS`` says what each field means.  Durations are seconds.

    ``directory`` is that of the file, absolute: the command runs there.  ``command`` is argv, with placeholders.
    ``history`` is an absolute path, or a URL as it was written; so are those of ``warm_start``.
    """

    file: str
    directory: str
    name: str
    command: tuple[str, ...]
    goals: Goals
    space: Space
    trials: int
    optimizer: plugins.Choice
    stopper: plugins.Choice
    seed: int
    timeout: float | None
    grace: float
    signal: int
    resumes: bool
    heartbeat: float
    attempts: int
    give_up_after: int
    replicates: int
    resources: Resources
    metrics: Mapping[str, str]
    metrics_file: str
    metrics_step: str
    best: str
    history: str
    warm_start: tuple[str, ...]
    templates: Mapping[str, str]

    @staticmethod
    def load(path: str | Path) -> "Experiment":
        """The experiment that the file at ``path`` describes; raises ExperimentError."""
        return Experiment.of(YamlFile.read(path))

    @staticmethod
    def of(file: YamlFile, path: str | None = None) -> "Experiment":
        """The experiment that ``file`` describes, which need not be on disk; raises ExperimentError.

        Programs are looked up on ``path``, or on that of this process.
        """
        _check_keys(file)
        directory = str(Path(file.file).absolute().parent)
        name, goals, space, command = written_name(file), read_goals(file), _space(file), read_command(file)
        resources = read_resources(file)
        check_placeholders(file, command, space, resources.nodes)
        check_program(file, command, directory, path)
        metrics_file, metrics_step = read_metrics_file(file, space, resources.nodes)
        return Experiment(
            file=file.file,
            directory=directory,
            name=name,
            command=command,
            goals=goals,
            space=space,
            trials=_integer(file, "trials", least=1),
            optimizer=(optimizer := _optimizer(file, goals)),
            stopper=_stopper(file, goals, optimizer),
            seed=_integer(file, "seed", least=0),
            timeout=_timeout(file),
            grace=_duration(file, "grace"),
            signal=_signal(file),
            resumes=_boolean(file, "resumes"),
            heartbeat=_heartbeat(file),
            attempts=_integer(file, "attempts", least=1),
            give_up_after=_integer(file, "give_up_after", least=0),
            replicates=_replicates(file, goals),
            resources=resources,
            metrics=read_metrics(file),
            metrics_file=metrics_file,
            metrics_step=metrics_step,
            best=_best(file),
            history=written_history(file, name),
            warm_start=_warm_start(file, name),
            templates=read_templates(file, directory, space),
        )

    @property
    def location(self) -> Location:
        """Where its history is."""
        return Location(self.history, self.name)

    def describe(self) -> dict[str, Any]:
        """It as plain data that JSON holds, for the journal."""
        about = ("name", "directory", "trials", "seed", "resumes", "attempts", "give_up_after", "replicates", "best")
        times = ("timeout", "grace", "heartbeat")
        return {
            **{key: getattr(self, key) for key in (*about, *times)},
            **self.resources.describe(),
            "command": list(self.command),
            **self.goals.describe(),
            "space": self.space.canonical(),
            "optimizer": asdict(self.optimizer),
            "stopper": asdict(self.stopper),
            "metrics": dict(self.metrics),
            **({"templates": dict(self.templates)} if self.templates else {}),
        }

    def welcome(self) -> Welcome:
        """What each worker needs to know of it."""
        return Welcome(
            command=self.command,
            directory=self.directory,
            trials=str(self._files / "trials"),
            metrics=self.metrics,
            metrics_file=self.metrics_file,
            metrics_step=self.metrics_step,
            timeout=self.timeout,
            grace=self.grace,
            cores=self.resources.cores,
            seed=self.seed,
            signal=self.signal,
            heartbeat=self.heartbeat,
            gpus=self.resources.gpus,
            templates=self.templates,
        )

    @property
    def _files(self) -> Path:
        """Where its files go: the history's directory, or one beside the experiment when the history is in none."""
        return Path(self.history if Path(self.history).is_absolute() else Path(self.directory, f"{self.name}.files"))

    @property
    def pauses(self) -> bool:
        """Whether its trials may be paused: its stopper promotes, and its scripts go on."""
        stopper = plugins.load_stopper(self.stopper, self.goals.objectives[0].goal)
        return self.resumes and isinstance(stopper, Promoter)

    def line(self, trial: int, params: Params) -> str:
        """What to type in ``directory`` to run ``params`` by hand."""
        return line(self.describe(), trial, params, self._where(trial))

    def again(self, trial: Trial) -> tuple[str, str, str]:
        """The same for a trial that was run, with its own command; that it has been edited, and a caution, if so."""
        present = self.describe()
        about = described(trial, present)
        typed = line(about, trial.number, trial.params, self._where(trial.number))
        return typed, edited(trial, present), caution(about, trial.number)

    def _where(self, trial: int) -> str:
        return str(self._files / "trials" / str(trial))


def _check_keys(file: YamlFile) -> None:
    """Every key is known, and those that must be there are."""
    file.check_keys("", [key for key in KEYS if "." not in key])
    for key, (default, example, _) in KEYS.items():
        if default == REQUIRED and "." not in key and not file.has(key):
            file.refuse(key, "it is missing", f"Add a line: {key}: {example}")


def _space(file: YamlFile) -> Space:
    try:
        return Space.parse(file.get("space"))
    except SpaceError as error:
        key = "space" if error.name == ITSELF and not file.has(f"space.{ITSELF}") else f"space.{error.name}"
        file.refuse(key, error.bare, error.hint)


def _optimizer(file: YamlFile, goals: Goals) -> plugins.Choice:
    """The one that is chosen, with what it is to know of the ``goals`` among its settings."""
    choice = _choice(file, "optimizer")
    for name in plugins.COUNTS:
        if name in choice.settings:
            problem = f"{name} is no setting of yours: it is how many there are"
            file.refuse(f"optimizer.{name}", problem, "Leave it out; the keys objective and constraints say it.")
    choice = replace(choice, settings={**choice.settings, **goals.settings})
    try:
        plugins.check("optimizer", choice)
    except PluginError as error:
        file.refuse("optimizer", error.problem, error.hint)
    return choice


def _stopper(file: YamlFile, goals: Goals, optimizer: plugins.Choice) -> plugins.Choice:
    """What is written; else none, but where scripts can go on, if one goal is all and the optimizer knows of pauses."""
    choice = _choice(file, "stopper")
    wanting = goals.several or goals.constraints or optimizer.rule != "gp" or _replicates(file, goals)
    few = _integer(file, "trials", least=1) < ENOUGH
    if not (file.has("stopper") or wanting or few) and _boolean(file, "resumes"):
        return plugins.Choice(PAUSING)
    if goals.several and choice.rule != "never":
        problem = f"a stopper judges one metric, and there are {len(goals.objectives)} objectives"
        hint = "Leave it out (stopper: never), or keep one objective and make the others constraints: latency <= 5"
        file.refuse("stopper", problem, hint)
    try:
        plugins.load_stopper(choice, goals.objectives[0].goal)
    except PluginError as error:
        file.refuse("stopper", error.problem, error.hint)
    return choice


def _choice(file: YamlFile, key: str) -> plugins.Choice:
    written = file.get(key) if file.has(key) else KEYS[key].default
    if isinstance(written, str):
        return plugins.Choice(written)
    if not isinstance(written, dict) or not isinstance(written.get("rule"), str):
        problem = f"{shown(written)} names no rule"
        file.refuse(key, problem, f"Write {key}: {KEYS[key].default}, or {key}: {KEYS[key].example}")
    return plugins.Choice(written["rule"], {str(name): each for name, each in written.items() if name != "rule"})


def _integer(file: YamlFile, key: str, least: int) -> int:
    value = file.get(key) if file.has(key) else int(KEYS[key].default)
    if not isinstance(value, int) or isinstance(value, bool):
        file.refuse(key, f"{shown(value)} is not a whole number", f"Write {_last(key)}: {KEYS[key].example}")
    if value < least:
        file.refuse(key, f"it is {value}", f"Write {least} or more.")
    return value


def _timeout(file: YamlFile) -> float | None:
    if file.get("timeout") in (None, "none", "never"):
        return None
    seconds = _duration(file, "timeout")
    if seconds <= 0:
        file.refuse("timeout", "no trial can take no time", "Write timeout: 10m, or leave it out for no limit.")
    return seconds


def _heartbeat(file: YamlFile) -> float:
    seconds = _duration(file, "heartbeat_timeout")
    if seconds < 1:
        file.refuse("heartbeat_timeout", f"{seconds:g} s is too short to tell", "Write 1s or more; 60s is usual.")
    return seconds


def _signal(file: YamlFile) -> int:
    written = str(file.get("signal") if file.has("signal") else KEYS["signal"].default)
    name = written.upper() if written.upper().startswith("SIG") else f"SIG{written.upper()}"
    if name not in SIGNALS:
        file.refuse("signal", f"{shown(written)} asks no script to end", f"Write one of {', '.join(SIGNALS)}.")
    return int(signal.Signals[name])


def _boolean(file: YamlFile, key: str) -> bool:
    value = file.get(key) if file.has(key) else KEYS[key].default == "true"
    if not isinstance(value, bool):
        file.refuse(key, f"{shown(value)} is neither true nor false", f"Write {_last(key)}: true, or false.")
    return value


def _duration(file: YamlFile, key: str) -> float:
    written = file.get(key) if file.has(key) else KEYS[key].default
    seconds = None if isinstance(written, bool) else duration(str(written))
    if seconds is None:
        problem = f"{shown(written)} is no duration"
        file.refuse(key, problem, "Write 90 (seconds), 90s, 10m, 2h, 1d or 1:30:00.")
    return seconds


def _best(file: YamlFile) -> str:
    written = file.get("best") if file.has("best") else KEYS["best"].default
    if written not in BESTS:
        file.refuse("best", f"{shown(written)} is no way to choose", f"Write one of {', '.join(BESTS)}.")
    return str(written)


def _replicates(file: YamlFile, goals: Goals) -> int:
    count = _integer(file, "replicates", least=0)
    if count and goals.several:
        file.refuse("replicates", "of several objectives there is no one best point", "Leave it out.")
    if count >= (trials := _integer(file, "trials", least=1)):
        file.refuse("replicates", f"they are {count} of the {trials} trials", "Write fewer, or more trials.")
    return count


def _warm_start(file: YamlFile, name: str) -> tuple[str, ...]:
    """Other histories, each as ``history`` would be; one that is there twice counts once."""
    written = file.get("warm_start") if file.has("warm_start") else []
    places = written if isinstance(written, list) else [written]
    for place in places:
        if not isinstance(place, str) or not place:
            file.refuse(
                "warm_start", f"{shown(place)} is no history", f"Write warm_start: {KEYS['warm_start'].example}"
            )
    read = [written_history(YamlFile(file.file, {"history": place}, {}), name) for place in places]
    if written_history(file, name) in read:
        file.refuse("warm_start", "it names the history of this study itself", "Name others, or leave it out.")
    return tuple(dict.fromkeys(read))


def _last(key: str) -> str:
    return key.rpartition(".")[2]
