import json
import os
import re
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from metaopt import plugins
from metaopt.cautions import cautions
from metaopt.errors import ExperimentError, PluginError
from metaopt.experiment import Experiment
from metaopt.goals import Constraint, Goals
from metaopt.keys import KEYS, REQUIRED
from metaopt.messages import Assign, Finished, Joined, Opened, Started, Stop, Suggested
from metaopt.objective import Objective
from metaopt.plugins import Choice
from metaopt.resources import Resources
from metaopt.scalars import duration
from metaopt.space import Categorical, Integer, Real
from metaopt.study import Study
from metaopt.welcome import Welcome
from metaopt.wire import decode, encode

BAD = Path(__file__).parent / "data" / "bad"
SMALLEST = """\
name: digits
command: python -c pass {lr}
objective: loss
space: {lr: 'loguniform(1e-4, 1e-1)'}
trials: 10
"""
EVERYTHING = r"""
name: digits-2
command:
  - python
  - train.py
  - --lr={lr}
  - '--json={"a": {units}, "b": {{lr}}}'
  - '{trial_dir}/{seed}/{attempt}/{trial}'
  - 3
objective: {metric: accuracy, goal: maximize, of: best}
space:
  lr: loguniform(1e-4, 1e-1)
  units: {type: integer, low: 8, high: 256, log: true}
  optimizer: choice(sgd, adam)
  momentum: {prior: "uniform(0, 1)", when: optimizer == sgd}
  decay: 1e-4
trials: 200
optimizer: {rule: gp, start: 12}
stopper: {rule: median, warmup: 5}
seed: 7
timeout: 1:30:00
grace: 30s
signal: usr1
resumes: true
heartbeat_timeout: 5m
attempts: 3
give_up_after: 0
replicates: 6
resources: {cores_per_trial: 4, gpus_per_trial: 0.5, nodes_per_trial: 1}
metrics: {accuracy: 'acc=(\S+)'}
metrics_file: {path: '{trial_dir}/{units}/metrics.csv', step: iteration}
best: model
history: ../kept
warm_start: [one.history, 'mongodb://host/db#two']
templates: [conf.yaml]
"""


CONF = "lr: metaopt~loguniform(1e-4, 1e-1)"
SEVERAL = """\
objective:
  - {metric: loss, goal: minimize}
  - {metric: accuracy, goal: maximize, of: best}
constraints: [memory <= 16, latency>0.5]
optimizer: random
"""


@pytest.fixture(autouse=True)
def python_on_path(monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


@pytest.fixture
def load(tmp_path):
    (tmp_path / "train.py").touch()
    (tmp_path / "conf.yaml").write_text(CONF)

    def load(text):
        path = tmp_path / "exp.yaml"
        path.write_text(text, encoding="utf-8")
        return Experiment.load(path)

    return load


def expectation(path):
    first = path.read_bytes().split(b"\n", 1)[0].decode()
    line, key, problem, hint = first.removeprefix("# expect:").split(" | ", 3)
    return int(line), key.strip(), problem, hint


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_mistake_is_told_with_its_line_its_key_and_what_to_write(path):
    line, key, problem, hint = expectation(path)
    with pytest.raises(ExperimentError) as caught:
        Experiment.load(path)
    error = caught.value
    assert (error.line, error.key) == (line, key)
    assert error.file == str(path)
    assert re.search(problem, error.problem)
    assert re.search(hint, error.hint)
    assert str(error).startswith(f"{path}:{line}: " if line else f"{path}: ")


def test_a_file_that_is_not_there_is_told_with_one_that_is(load, tmp_path):
    load(SMALLEST)
    with pytest.raises(ExperimentError, match=r"(?s)no such file.*Did you mean .*/exp\.yaml"):
        Experiment.load(tmp_path / "exp.yml")
    with pytest.raises(ExperimentError, match=r"(?s)no such file.*Give the path"):
        Experiment.load(tmp_path / "no" / "exp.yml")


def test_a_directory_is_no_experiment(tmp_path):
    with pytest.raises(ExperimentError, match="this is a directory"):
        Experiment.load(tmp_path)


def test_a_file_in_a_file_cannot_be_read(load, tmp_path):
    load(SMALLEST)
    with pytest.raises(ExperimentError, match="cannot be read: Not a directory"):
        Experiment.load(tmp_path / "exp.yaml" / "exp.yaml")


@pytest.mark.parametrize("text", ["a: " + "[" * 5000, "a: &a [*a]\n", "a: {b: 0x}\n? [1]\n: 2\n", "a: " + "9" * 5000])
def test_odd_yaml_is_refused_and_nothing_worse(load, text):
    with pytest.raises(ExperimentError):
        load(text)


def test_what_is_left_out_has_the_defaults_of_the_table(load, tmp_path):
    experiment = load(SMALLEST)
    assert experiment.directory == str(tmp_path)
    assert experiment.name == "digits"
    assert experiment.command == ("python", "-c", "pass", "{lr}")
    assert experiment.goals == Goals((Objective("loss", KEYS["objective.goal"].default, KEYS["objective.of"].default),))
    assert experiment.space.parameters == (Real("lr", 1e-4, 1e-1, log=True),)
    assert experiment.trials == 10
    assert experiment.optimizer == Choice(KEYS["optimizer"].default)
    assert experiment.stopper == Choice(KEYS["stopper"].default)
    assert experiment.timeout is None
    assert experiment.grace == duration(KEYS["grace"].default) == 10
    assert experiment.metrics == {}
    assert experiment.history == str(tmp_path / "digits.history")
    for key in ("seed", "attempts", "give_up_after"):
        assert getattr(experiment, key.rpartition(".")[2]) == int(KEYS[key].default)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ("resumes: true", "proven"),
        ("resumes: false", "never"),
        ("{resumes: true, stopper: never}", "never"),
        ("{resumes: true, stopper: asha}", "asha"),
        ("{resumes: true, optimizer: {rule: gp, start: 9}}", "proven"),
        ("{resumes: true, optimizer: grid}", "never"),
        ("{resumes: true, optimizer: tpe}", "never"),
        ("{resumes: true, objective: [{metric: a}, {metric: b}]}", "never"),
        ("{resumes: true, constraints: latency <= 5}", "never"),
        ("{resumes: true, replicates: 3}", "never"),
    ],
)
def test_the_stopper_that_nobody_names_is_one_that_pauses_where_scripts_can_go_on(load, more, rule):
    said = yaml.safe_load(SMALLEST) | yaml.safe_load(more)
    assert load(yaml.safe_dump(said)).stopper == Choice(rule)


def test_everything_can_be_said(load, tmp_path):
    experiment = load(EVERYTHING)
    assert experiment.command[2] == "--lr={lr}"
    assert experiment.command[-1] == "3"
    assert experiment.goals == Goals((Objective("accuracy", "maximize", "best"),))
    assert experiment.space.parameters[1] == Integer("units", 8, 256, log=True)
    assert experiment.space.parameters[3].when.canonical() == "optimizer == sgd"
    assert experiment.space.parameters[4].value == 1e-4
    assert experiment.optimizer == Choice("gp", {"start": 12})
    assert experiment.stopper == Choice("median", {"warmup": 5})
    assert (experiment.trials, experiment.seed, experiment.attempts, experiment.give_up_after) == (200, 7, 3, 0)
    assert (experiment.timeout, experiment.grace, experiment.resources, experiment.replicates) == (
        5400,
        30,
        Resources(4, 0.5),
        6,
    )
    assert experiment.metrics == {"accuracy": r"acc=(\S+)"}
    assert (experiment.metrics_file, experiment.metrics_step) == ("{trial_dir}/{units}/metrics.csv", "iteration")
    assert Path(experiment.history).resolve() == tmp_path.parent / "kept"
    assert experiment.templates == {"conf.yaml": CONF}
    assert experiment.warm_start == (str(tmp_path / "one.history"), "mongodb://host/db#two")


def test_every_key_of_the_table_is_in_the_experiment_that_says_everything(load):
    import yaml  # noqa: PLC0415 - only to compare

    said = yaml.safe_load(EVERYTHING) | {"constraints": yaml.safe_load(SEVERAL)["constraints"]}
    below = {f"{key}.{name}" for key in ("objective", "resources") for name in said[key]}
    assert set(said) | below == set(KEYS)
    assert {key for key, (default, _, _) in KEYS.items() if default == REQUIRED and "." not in key} == {
        line.split(":")[0] for line in SMALLEST.splitlines()
    }
    load(EVERYTHING)


@pytest.mark.parametrize("key", [key for key in KEYS if "." not in key and key not in {"name", "command", "space"}])
def test_the_example_of_each_key_is_accepted(load, key):
    lines = [line for line in SMALLEST.splitlines() if not line.startswith(f"{key}:")]
    lines += ["optimizer: random"] if key == "constraints" else []
    load("\n".join([*lines, f"{key}: {KEYS[key].example}"]))


def test_a_description_survives_json(load):
    described = load(EVERYTHING).describe()
    assert json.loads(json.dumps(described)) == described
    assert Goals.described(described) == load(EVERYTHING).goals
    assert described["space"]["momentum"] == {"prior": "uniform(0, 1)", "when": "optimizer == sgd"}
    assert described["optimizer"] == {"rule": "gp", "settings": {"start": 12}}


def several(load, **changes):
    """The smallest experiment with several objectives, and these changes."""
    text = SMALLEST.replace("objective: loss\n", SEVERAL)
    for key, value in changes.items():
        text = re.sub(rf"^{key}:.*\n", "", text, flags=re.MULTILINE) + f"{key}: {value}\n"
    return load(text)


def test_several_objectives_and_constraints_can_be_said(load):
    experiment = several(load)
    objectives = (Objective("loss"), Objective("accuracy", "maximize", "best"))
    constraints = (Constraint("memory", "<=", 16.0), Constraint("latency", ">=", 0.5))
    assert experiment.goals == Goals(objectives, constraints)
    assert experiment.optimizer == Choice("random", {"objectives": 2, "constraints": 2})
    described = experiment.describe()
    assert json.loads(json.dumps(described)) == described
    assert Goals.described(described) == experiment.goals


def test_a_list_of_one_objective_is_that_one(load):
    one = load(SMALLEST.replace("objective: loss", "objective: [loss]"))
    assert one.describe()["objective"] == {"metric": "loss", "goal": "minimize", "of": "last"}
    assert one.describe() == load(SMALLEST).describe()
    assert "constraints" not in one.describe()
    assert one.optimizer == Choice("gp")


def test_one_constraint_needs_no_list_and_leaves_one_objective_one(load):
    experiment = load(SMALLEST + "constraints: memory < 1e3\noptimizer: sobol\nstopper: median\n")
    assert experiment.goals.constraints == (Constraint("memory", "<=", 1000.0),)
    assert experiment.optimizer == Choice("sobol", {"constraints": 1})


def test_a_pattern_is_missed_for_each_metric_that_is_wanted(load):
    doubts = cautions(several(load, metrics=r"{loss: '(.)', latncy: '(.)'}"))
    assert [re.findall("for the (.*?),", doubt)[0] for doubt in doubts] == [
        "objective accuracy",
        "constraint memory",
        "constraint latency",
    ]
    assert "did you mean latncy?" in doubts[-1]
    assert cautions(several(load)) == []
    assert cautions(several(load, metrics="{latency: '(.)'}", metrics_file="'{trial_dir}/log'")) == []


def test_a_file_of_metrics_that_all_trials_share_is_told(load):
    (doubt,) = cautions(load(SMALLEST + "metrics_file: metrics.csv"))
    assert "all trials share one metrics_file" in doubt


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (r"resumes: true{metrics: {loss: '(.)'}", True),
        (r"resumes: true{metrics: {loss: '(.)', step: '(.)'}", False),
        (r"resumes: false{metrics: {loss: '(.)'}", False),
        ("resumes: true", False),
    ],
)
def test_where_scripts_go_on_they_should_say_their_steps(load, keys, told):
    doubts = cautions(load(SMALLEST + keys.replace("{metrics", "\nmetrics", 1) + "\n"))
    assert [r"add step: 'epoch (\d+)'" in doubt for doubt in doubts] == [True] * told


@pytest.mark.parametrize(
    ("stopper", "resumes", "said"),
    [
        ("asha", "true", ""),
        ("never", "true", ""),
        ("never", "false", "1 trial is paused, and will begin anew, since resumes is not true"),
        ("asha", "false", "1 trial is paused, and will be stopped for good, since resumes is not true; with stopper"),
        ("median", "true", "1 trial is paused, and will be stopped for good, since median pauses nothing"),
    ],
)
def test_it_is_told_what_will_not_become_of_paused_trials(load, stopper, resumes, said):
    study = Study(Goals((Objective("loss"),)))
    facts = [Opened("1", 1, {"resumes": True}), Joined(1, "host", ""), Suggested(({"lr": 0.1},)), Assign(1, 0, 1, {})]
    for fact in [*facts, Started(1, 0, 1, 7), Stop(1, 0, 1, "paused"), Finished(1, 0, 1, "stopped")]:
        assert study.apply(1.0, fact)
    doubts = cautions(load(SMALLEST + f"stopper: {stopper}\nresumes: {resumes}\n"), study)
    assert [doubt[: len(said)] for doubt in doubts] == [said] * bool(said)


def test_that_there_are_more_trials_already_is_told(load):
    study = Study(Goals((Objective("loss"),)))
    study.apply(1.0, Suggested(({"lr": 0.1},) * 3))
    assert cautions(load(SMALLEST.replace("10", "3")), study) == []
    (doubt,) = cautions(load(SMALLEST.replace("10", "2")), study)
    assert doubt == "there are 3 trials already, more than trials: 2; those that wait are run, and no others begin"


@pytest.mark.parametrize(
    ("metric", "goal", "told"),
    [
        ("val_acc", "minimize", True),
        ("Accuracy", "minimize", True),
        ("val_acc", "maximize", False),
        ("loss", "minimize", False),
        ("account", "minimize", False),
        ("acc_error", "minimize", False),
        ("iou_loss", "minimize", False),
        ("neg_reward", "minimize", False),
        ("1-accuracy", "minimize", False),
    ],
)
def test_who_wants_little_of_what_is_good_is_asked(load, metric, goal, told):
    doubts = cautions(load(SMALLEST.replace(" loss", f" {{metric: {metric}, goal: {goal}}}")))
    assert [f"{metric} is to be small; if more is better" in doubt for doubt in doubts] == [True] * told


def test_who_wants_no_stopper_is_told_what_it_is_called(load):
    with pytest.raises(ExperimentError, match="Did you mean 'never'"):
        load(SMALLEST + "stopper: none\n")


@pytest.mark.parametrize(("trials", "rule"), [(9, "never"), (10, "proven")])
def test_a_study_of_few_trials_pauses_none_unless_its_file_wants_that(load, trials, rule):
    keys = SMALLEST.replace("trials: 10", f"trials: {trials}")
    assert load(keys + "resumes: true\n").stopper == Choice(rule)


SIMPLE = """
class Simple:
    def __init__(self, space, seed{keywords}):
        pass
"""


@pytest.mark.parametrize(
    ("keywords", "refused"),
    [
        ("", "knows only one objective"),
        (", *, objectives=1", "knows no constraints"),
        (", *, constraints=0", "knows only one objective"),
        (", *, objectives=1, constraints=0", ""),
        (", **settings", ""),
    ],
)
def test_an_optimizer_that_knows_not_what_is_searched_for_is_refused(load, tmp_path, monkeypatch, keywords, refused):
    (tmp_path / "my_simple_plugin.py").write_text(SIMPLE.format(keywords=keywords), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    rule = "my_simple_plugin:Simple"
    if refused:
        with pytest.raises(ExperimentError, match=f"(?s)optimizer '{rule}' {refused}.*needs an argument"):
            several(load, optimizer=rule)
    else:
        assert several(load, optimizer=rule).optimizer == Choice(rule, {"objectives": 2, "constraints": 2})


def test_a_welcome_survives_the_wire(load, tmp_path):
    experiment = load(EVERYTHING)
    welcome = experiment.welcome()
    assert welcome == Welcome(
        command=experiment.command,
        directory=str(tmp_path),
        trials=str(tmp_path / ".." / "kept" / "trials"),
        metrics={"accuracy": r"acc=(\S+)"},
        timeout=5400,
        grace=30,
        cores=4,
        gpus=0.5,
        seed=7,
        signal=10,
        heartbeat=300,
        templates={"conf.yaml": CONF},
        metrics_file="{trial_dir}/{units}/metrics.csv",
        metrics_step="iteration",
    )
    assert decode(encode(welcome)) == welcome


@pytest.mark.parametrize("url", ["memory:", "mongodb://host/study"])
def test_a_url_is_kept_and_files_go_beside_the_experiment(load, tmp_path, url):
    experiment = load(f"{SMALLEST}history: '{url}'\n")
    assert experiment.history == url
    assert experiment.welcome().trials == str(tmp_path / "digits.files" / "trials")


def test_an_absolute_history_stays_and_a_tilde_is_the_home(load, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert load(f"{SMALLEST}history: {tmp_path}/x\n").history == f"{tmp_path}/x"
    assert load(f"{SMALLEST}history: ~/x\n").history == "/home/somebody/x"


@pytest.mark.parametrize("scheme", ["leveldb", "tinydb"])
def test_the_path_in_a_url_is_from_the_files_own_directory(load, tmp_path, monkeypatch, scheme):
    monkeypatch.setenv("HOME", "/home/somebody")
    experiment = load(f"{SMALLEST}history: {scheme}:kept/x\n")
    assert experiment.history == f"{scheme}:{tmp_path}/kept/x"
    assert experiment.welcome().trials == str(tmp_path / "digits.files" / "trials")
    assert load(f"{SMALLEST}history: {scheme}:~/x\n").history == f"{scheme}:/home/somebody/x"


def test_a_relative_path_is_loaded_with_an_absolute_directory(load, tmp_path, monkeypatch):
    load(SMALLEST)
    monkeypatch.chdir(tmp_path)
    experiment = Experiment.load("exp.yaml")
    assert (experiment.file, experiment.directory) == ("exp.yaml", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5m", 90),
        ("2 h", 7200),
        ("1d", 86400),
        ("1:30:00", 5400),
        ("10:00", 600),
        ("0", 0),
        (".5s", 0.5),
        ("", None),
        ("s", None),
        ("10x", None),
        ("-1", None),
        ("1:75", None),
        ("1:2:3:4", None),
        ("inf", None),
    ],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", 90), ("1.5", 1.5), ("10m", 600), ("null", None), ("never", None)]
)
def test_a_timeout_is_written_in_any_way(load, written, seconds):
    assert load(f"{SMALLEST}timeout: {written}\n").timeout == seconds


@pytest.mark.parametrize(
    "command",
    [
        "python train.py {lr}",
        "python -u train.py --lr={lr}",
        "python -m train {trial_dir}",
        "python train.py {trial_dir}/params.json",
        "python train.py $PWD/params.json",
        """python -c 'print({"a": 1}, {lr})'""",
        "python -c pass {lr} {{lr}} {{other}} {trial} {seed} {attempt}",
        "{lr}.sh",
        "[python, -c, pass, '{lr} | cat']",
        f"{sys.executable} train.py {{lr}}",
    ],
)
def test_these_commands_are_accepted(load, command):
    quoted = command if command.startswith("[") else json.dumps(command)
    load(SMALLEST.replace("python -c pass {lr}", quoted))


def test_a_script_that_may_be_executed_is_a_command(load, tmp_path):
    (tmp_path / "train.py").chmod(0o755)
    text = SMALLEST.replace("python -c pass {lr}", "./train.py {lr}")
    assert load(text).command == ("./train.py", "{lr}")


def test_yaml_is_read_as_1_2(load):
    text = SMALLEST.replace(
        "space: {lr: 'loguniform(1e-4, 1e-1)'}", "space: {lr: {type: choice, choices: [on, no, 1e-3, 08]}}"
    )
    assert load(text).space.parameters == (Categorical("lr", ("on", "no", 1e-3, "08")),)


def test_a_parameter_may_be_called_space(load):
    text = SMALLEST.replace("lr", "space")
    assert load(text).space.parameters[0].name == "space"
    with pytest.raises(ExperimentError, match=r"4: space\.space: there is no prior"):
        load(text.replace("loguniform", "unknown"))


def test_checking_an_optimizer_imports_no_numpy(load, tmp_path):
    import subprocess  # noqa: PLC0415 - only here

    load(EVERYTHING)
    file = str(tmp_path / "exp.yaml")
    code = f"import sys, metaopt.experiment as e; e.Experiment.load({file!r}); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


MINE = """
raise RuntimeError("this module must not be imported to be checked")

class Mine:
    def __init__(self, space, seed, *, depth=3):
        pass

class Open:
    def __init__(self, space, seed, **settings):
        pass

class Child(Mine):
    pass

class Bare:
    pass
"""


@pytest.mark.parametrize(
    ("rule", "refused"), [("Mine", "Did you mean 'depth'"), ("Open", ""), ("Child", ""), ("Bare", "It takes: none")]
)
def test_an_optimizer_of_ones_own_is_checked_without_being_imported(load, tmp_path, monkeypatch, rule, refused):
    package = tmp_path / "my_package_of_plugins"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    (package / "mod.py").write_text(MINE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    text = SMALLEST + f"optimizer: {{rule: 'my_package_of_plugins.mod:{rule}', detph: 2}}\n"
    if refused:
        with pytest.raises(ExperimentError, match=f"(?s)6: optimizer: .*no setting 'detph'.*{refused}"):
            load(text)
    else:
        assert load(text).optimizer == Choice(f"my_package_of_plugins.mod:{rule}", {"detph": 2})


def test_an_optimizer_whose_module_is_no_python_is_refused(load, tmp_path, monkeypatch):
    (tmp_path / "my_broken_plugin.py").write_text("class Mine(:", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExperimentError, match=r"(?s)6: optimizer: .*is no Python.*python -c"):
        load(SMALLEST + "optimizer: my_broken_plugin:Mine\n")


STRICT = """
class Mine:
    def __init__(self, *, depth):
        {}[int(depth)]

    def should_stop(self, trial, points):
        return ""
"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", "with no settings: TypeError: .*depth"),
        (", depth: x", r"with depth: 'x': ValueError: invalid literal .*\(.*my_stopping_plugin.py:4\)"),
        (", depth: 3", r"with depth: 3: KeyError: 3 \(.*my_stopping_plugin.py:4\)"),
    ],
)
def test_a_stopper_that_cannot_be_made_is_refused(load, tmp_path, monkeypatch, settings, said):
    (tmp_path / "my_stopping_plugin.py").write_text(STRICT, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExperimentError, match=f"6: stopper: stopper 'my_stopping_plugin:Mine' cannot be made {said}"):
        load(SMALLEST + f"stopper: {{rule: 'my_stopping_plugin:Mine'{settings}}}\n")


def test_what_the_constructor_of_a_stopper_of_ones_own_takes_is_a_setting_by_name_or_not(load, tmp_path, monkeypatch):
    (tmp_path / "my_plain_plugin.py").write_text(
        STRICT.replace("*, depth", "depth").replace("{}", "[1]"), encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    chosen = load(SMALLEST + "stopper: {rule: 'my_plain_plugin:Mine', depth: 0}\n").stopper
    assert chosen == Choice("my_plain_plugin:Mine", {"depth": 0})
    with pytest.raises(ExperimentError, match=r"(?s)has no setting 'width'.*It takes: depth\."):
        load(SMALLEST + "stopper: {rule: 'my_plain_plugin:Mine', width: 0}\n")


SIGNATURES = [
    ("space, seed, depth=1", True),
    ("space, seed, *, depth=1", True),
    ("*args, depth=1", True),
    ("*args, **kwargs", True),
    ("space, seed, /, depth=1", True),
    ("space, seed, depth=1, /", False),
    ("space, depth", False),
    ("space, seed", False),
]


@pytest.mark.parametrize(("takes", "fits"), SIGNATURES)
def test_the_settings_of_an_optimizer_are_seen_in_its_source_as_in_its_class(tmp_path, monkeypatch, takes, fits):
    name = f"my_optimizer_{SIGNATURES.index((takes, fits))}"
    methods = "    def ask(self, count, pending): ...\n    def tell(self, params, value): ...\n"
    (tmp_path / f"{name}.py").write_text(f"class Mine:\n    def __init__(self, {takes}): ...\n{methods}")
    monkeypatch.syspath_prepend(tmp_path)
    for look in (plugins.check, plugins.load):
        with nullcontext() if fits else pytest.raises(PluginError, match="has no setting 'depth'"):
            look("optimizer", Choice(f"{name}:Mine", {"depth": 3}))


def test_a_stopper_whose_module_raises_is_refused(load, tmp_path, monkeypatch):
    (tmp_path / "my_raising_plugin.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExperimentError, match=r"(?s)6: stopper: .*cannot be imported: ZeroDivisionError.*python -c"):
        load(SMALLEST + "stopper: my_raising_plugin:Mine\n")


def test_the_line_to_run_a_trial_again_can_be_typed(load, tmp_path):
    experiment = load(SMALLEST.replace("pass {lr}", "'a b' {lr} {seed} {trial_dir}") + "seed: 40\n")
    where = tmp_path / "digits.history" / "trials" / "3"
    assert experiment.line(3, {"lr": 0.5}) == f"python -c 'a b' 0.5 43 {where}"


def test_best_is_observed_or_model(site):
    assert Experiment.load(site.directory / "exp.yaml").best == "observed"
    site.experiment(best="model")
    assert Experiment.load(site.directory / "exp.yaml").best == "model"
    site.experiment(best="guess")
    with pytest.raises(ExperimentError, match=r"best: .*guess.* is no way to choose(.|\n)*observed, model"):
        Experiment.load(site.directory / "exp.yaml")
