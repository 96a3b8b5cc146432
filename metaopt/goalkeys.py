"""The keys ``objective`` and ``constraints`` of an experiment file, to Goals."""

from metaopt.errors import GoalError
from metaopt.goals import Constraint, Goals
from metaopt.keys import KEYS
from metaopt.objective import Objective
from metaopt.yamlfile import YamlFile, shown

_GOALS, _OFS = ("minimize", "maximize"), ("last", "best", "mean")


def read_goals(file: YamlFile) -> Goals:
    """What ``file`` searches for; raises ExperimentError."""
    objectives: dict[str, Objective] = {}
    for item in file.items("objective"):
        objective = _objective(item)
        if objective.metric in objectives:
            item.refuse("objective", f"{objective.metric} is there already", "Keep one objective of a metric.")
        objectives[objective.metric] = objective
    if not objectives:
        file.refuse("objective", "the list is empty", f"Write objective: {KEYS['objective'].example}")
    constraints = file.items("constraints") if file.has("constraints") else []
    return Goals(tuple(objectives.values()), tuple(_constraint(item) for item in constraints))


def _objective(file: YamlFile) -> Objective:
    written = file.get("objective")
    if isinstance(written, str) and written:
        return Objective(written)
    if not isinstance(written, dict):
        file.refuse("objective", f"{shown(written)} is no metric", "Write objective: val_loss")
    file.check_keys("objective", [key.partition(".")[2] for key in KEYS if key.startswith("objective.")])
    if not file.has("objective.metric"):
        file.refuse("objective.metric", "it is missing", "Add metric: val_loss")
    metric = file.get("objective.metric")
    if not isinstance(metric, str) or not metric:
        file.refuse("objective.metric", f"{shown(metric)} is no metric", "Write metric: val_loss")
    return Objective(metric, _one_of(file, "objective.goal", _GOALS), _one_of(file, "objective.of", _OFS))


def _one_of(file: YamlFile, key: str, known: tuple[str, ...]) -> str:
    value = str(file.get(key) if file.has(key) else KEYS[key].default)
    if value not in known:
        meant = "".join(f"Did you mean {each}?  " for each in known if value and each.startswith(value.lower()))
        hint = f"{meant}Write {', '.join(known[:-1])} or {known[-1]}."
        file.refuse(key, f"{shown(value)} is not known", hint)
    return value


def _constraint(file: YamlFile) -> Constraint:
    written = file.get("constraints")
    try:
        return Constraint.parse(written if isinstance(written, str) else shown(written))
    except GoalError as error:
        file.refuse("constraints", error.problem, error.hint)
