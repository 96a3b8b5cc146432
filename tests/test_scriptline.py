"""A script's own command line: words in, an experiment out; and Oríon's priors."""

import shlex
import sys
from dataclasses import replace

import pytest
from histories import records_of

from metaopt import scriptline
from metaopt.cli import main, run
from metaopt.cli.script import Request
from metaopt.errors import HistoryDiffers, LaunchError, MetaoptError, SpaceError
from metaopt.experiment import Experiment
from metaopt.goals import Goals
from metaopt.history import FORMAT
from metaopt.messages import Assign, Finished, Joined, Opened, Reported, Suggested
from metaopt.objective import Objective
from metaopt.opening import Terms, begin
from metaopt.space import Space
from metaopt.stores.journal import Journal

PRINTS = "print('loss=1')"
LR = "--lr~loguniform(1e-5, 1.0)"


def script(here, name="train.py", text=PRINTS, mode=0o644):
    (here / name).write_text(text)
    (here / name).chmod(mode)


def made(*words):
    """The experiment that this command line stands for."""
    ours, theirs = run.split(words, run.parser().valued)
    return Experiment.load(Request(run.parser().parse_args([*ours, theirs[0]]), words, theirs)())


def typed(*words, **values):
    """What the script gets."""
    experiment = made("--metric", "loss", "./train.py", *words)
    return shlex.split(experiment.line(7, {"lr": 0.5, **values}))[2:]


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        ([LR], ["--lr", "0.5"]),
        (["--lr=~uniform(0, 1)"], ["--lr=0.5"]),
        (["-lr~uniform(0, 1)"], ["-lr", "0.5"]),
        (["lr~uniform(0, 1)"], ["0.5"]),
        (["--", "lr~uniform(0, 1)", "--n~x"], ["--", "0.5", "--n~x"]),
        (
            [LR, "--data", "/a b/~c", "~/x", "file~1", "--p=~"[:3]],
            ["--lr", "0.5", "--data", "/a b/~c", "~/x", "file~1", "--p"],
        ),
        ([LR, "", "'\"", "-5", "--v=-1e-4", "été 😀", "1e-4", "true", "a\nb", "\x07"], None),
        ([LR, "{x}", "{{x}}", "{{{x}}}", '{"a": {"b": 1}}', "${HOME}"], None),
        (
            [LR, "run-{lr}", "{{lr}}", "{trial}", "{trial.id}", "{exp.name}"],
            ["--lr", "0.5", "run-0.5", "{lr}", "7", "7", "train"],
        ),
        ([LR, "--trials", "3", "-n", "x", "--metric=y", "-h"], None),
    ],
)
def test_the_script_gets_what_was_typed(here, words, filled):
    script(here)
    assert typed(*words) == (filled or ["--lr", "0.5", *words[1:]])


def test_names_that_are_no_placeholders_are_made_into_some(here):
    script(here)
    experiment = made("--metric", "loss", "./train.py", "--learning-rate~uniform(0, 1)", "--seed~integer(1, 3)")
    assert [each.name for each in experiment.space.parameters] == ["learning_rate", "seed_"]
    assert experiment.command[-4:] == ("--learning-rate", "{learning_rate}", "--seed", "{seed_}")


def test_a_program_is_started_as_it_must_be(here):
    script(here)
    script(here, "shebang.py", "#!/usr/bin/env python3\n", 0o755)
    script(here, "plain.py", PRINTS, 0o755)
    starts = {word: scriptline.read([word, LR]).command[:2] for word in ("train.py", "shebang.py", "plain.py", "sh")}
    assert starts["train.py"] == [sys.executable, "train.py"]
    assert starts["shebang.py"] == ["./shebang.py", "--lr"]
    assert starts["plain.py"] == [sys.executable, "plain.py"]
    assert starts["sh"] == ["sh", "--lr"]
    assert scriptline.read(["python3", "-u", "train.py", LR]).name == "train"


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("metaopt.report(step=3, val_loss=x)", "val_loss"),
        ("metaopt.report(loss=x, acc=1)", "loss"),
        ("from orion.client import report_objective", "objective"),
        ("report(a=1, b=2)", ""),
        ("metaopt.report(step=3, val_loss=float(x.item()))  # report(acc=1)", "val_loss"),
        ("echo report(val_loss=1)", "val_loss"),
        ("print(1)", ""),
    ],
)
def test_what_a_script_reports_is_seen_in_it(here, text, metric):
    script(here, text=text)
    assert scriptline.metric("train.py") == metric


@pytest.mark.parametrize(
    ("pattern", "metric"),
    [
        (r"val_loss=(\S+)", "val_loss"),
        (r"acc\s*=\s*(\S+)", "acc"),
        (r"Validation loss: (\S+)", "loss"),
        (r"Loss is (\S+)", "Loss"),
        (r"the accuracy was:\s*(\S+)", "accuracy"),
        (r"(\d+)", "objective"),
    ],
)
def test_a_pattern_names_its_metric(pattern, metric):
    assert scriptline.named(pattern) == metric


def test_our_options_become_keys(here):
    script(here)
    options = ["-n", "one", "--trials", "9", "--metric", r"acc=(\S+)", "--metric", r"time (\S+)", "--maximize"]
    options += ["--step", r"epoch (\d+)"]
    options += ["--optimizer", "{rule: gp, start: 4}", "--stopper=median", "--seed", "3", "--set", "timeout=10m"]
    experiment = made(*options, "--history", "h", "train.py", LR)
    assert (experiment.name, experiment.trials, experiment.seed, experiment.timeout) == ("one", 9, 3, 600)
    assert (experiment.goals.objectives[0].metric, experiment.goals.objectives[0].goal) == ("acc", "maximize")
    assert experiment.metrics == {"acc": r"acc=(\S+)", "time": r"time (\S+)", "step": r"epoch (\d+)"}
    assert experiment.optimizer.settings == {"start": 4}
    assert (experiment.stopper.rule, experiment.history) == ("median", str(here / "h"))
    assert (here / "one.yaml").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["train.py", "--lr", "3"], "there is nothing to search"),
        (["trian.py", LR], "Did you mean train.py?"),
        (["train.py", "--lr~=uniform(0, 1)"], "Write --lr=~uniform(0, 1)"),
        (["train.py", "--lr~"], "has no prior"),
        (["train.py", "--lr~+uniform(0, 1)"], "of Oríon's branches"),
        (["train.py", LR, LR], "two priors"),
        (["train.py", "--lr~uniform(1, 0)"], "command line: space.lr: low is 1 and high is 0"),
        (["train.py", "--lr~lguniform(1, 2)"], "Did you mean loguniform"),
        (["train.py", "--lr", "orion~uniform(0, 1)"], "configuration file\n  Write --lr~'uniform(0, 1)'"),
        (["train.py", "--lr~metaopt~uniform(0, 1)"], "configuration file\n  Write --lr~'uniform(0, 1)'"),
        (["train.py", "orion~uniform(0, 1)"], "configuration file\n  Write --NAME~'uniform(0, 1)'"),
        (["gone/x.py", LR], "there is no script gone/x.py\n  Its path counts from this directory"),
        (["train.py", LR, "\udcff"], "is not UTF-8"),
        (["-n", "a b", "train.py", LR], "is no name"),
        (["--set", "timeot=3", "train.py", LR], "sets no key of an experiment file\n  Did you mean timeout?  Write"),
        (["--set", "timeout=[", "train.py", LR], "cannot be read"),
        (["--optimizer", "gpp", "train.py", LR], "Did you mean 'gp'?"),
        (["--metric", r"loss=(\S+", "train.py", LR], "is no regular expression"),
        (["--metric", r"loss=(\S+)", "--step", "epoch", "train.py", LR], "a pattern without a group"),
        (["--step", r"epoch (\d+)", "train.py", LR], "a pattern, and no --metric is one"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(here, words, problem):
    script(here)
    with pytest.raises(MetaoptError) as error:
        made(*(["--metric", "loss"] if "--metric" not in words else []), *words)
    assert problem in str(error.value)
    assert not list(here.glob("*.yaml"))


def test_a_metric_must_be_known(here, capsys):
    script(here)
    assert main(["train.py", LR]) == 2
    assert r"--metric 'loss=(\S+)'    if it prints loss=0.7" in capsys.readouterr().err
    script(here, text="metaopt.report(step=1, val_loss=f(x), val_acc=y)")
    assert main(["train.py", LR]) == 2
    said = "is judged by: it reports val_loss and val_acc\n  Say it before the script:  --metric val_loss\n"
    assert said in capsys.readouterr().err
    assert main(["--metric", r"loss=\S+", "train.py", LR]) == 2
    assert r"--metric 'loss=\S+' is a pattern without a group" in capsys.readouterr().err


def test_our_options_are_known_by_their_names():
    assert {flag for flag in run.parser().flags if flag != "--help"} == scriptline.OURS


@pytest.mark.parametrize(
    ("words", "meant"), [(["--trails", "3", "train.py", LR], "--trials"), (["-w", "0", "x.yaml"], "from 1 on")]
)
def test_a_wrong_option_names_the_nearest(here, capsys, words, meant):
    script(here)
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert meant in capsys.readouterr().err


def test_options_of_a_study_are_refused_beside_an_experiment_file(capsys):
    assert main(["--trials", "3", "exp.yaml"]) == 2
    assert "Write it there: trials: ..." in capsys.readouterr().err


def test_a_file_that_somebody_has_edited_is_not_overwritten(here):
    script(here)
    words = ["--metric", "loss", "train.py", LR]
    made(*words)
    made(*words)
    made("--trials", "7", *words)
    file = here / "train.yaml"
    assert "trials: 7" in file.read_text()
    file.write_text(file.read_text() + "timeout: 10m\n")
    with pytest.raises(LaunchError, match="has been edited since"):
        made(*words)
    file.write_text("name: train\n")
    with pytest.raises(LaunchError, match="was not written by this"):
        made(*words)
    assert file.read_text() == "name: train\n"


def test_another_space_is_refused_once_there_is_a_history(here):
    script(here)
    made("--metric", "loss", "train.py", LR)
    before = (here / "train.yaml").read_text()
    (here / "train.history").mkdir()
    with pytest.raises(HistoryDiffers, match="n is added"):
        made("--metric", "loss", "train.py", LR, "--n~integer(1, 3)")
    assert (here / "train.yaml").read_text() == before
    made("--space-changed=keep", "--metric", "loss", "train.py", LR, "--n~integer(1, 3)")
    assert "n: " in (here / "train.yaml").read_text()


@pytest.mark.parametrize("outcome", ["failed", "completed"])
def test_another_metric_is_refused_with_what_to_remove_where_no_trial_has_completed(here, outcome):
    script(here)
    experiment = made("--metric", "los", "train.py", LR)
    facts = [Opened("1", FORMAT, experiment.describe()), Joined(1, "host", ""), Suggested(({"lr": 0.5},))]
    facts += [Assign(1, 0, 1, {"lr": 0.5}), Reported(1, 0, 1, ((1, {"los": 1.0}),)), Finished(1, 0, 1, outcome)]
    store = Journal(experiment.history, create=True)
    store.append(records_of(*facts))
    store.close()
    with pytest.raises(HistoryDiffers) as told:
        made("--metric", "loss", "train.py", LR)
    hint = f"No trial of it has completed, so nothing is lost:  rm -r {experiment.history}  and type"
    assert (hint in str(told.value)) == (outcome == "failed")
    other = replace(experiment, goals=Goals((Objective("loss"),)))
    with pytest.raises(HistoryDiffers) as told:
        begin(other, Terms())
    assert (hint in str(told.value)) == (outcome == "failed")


def test_weights_are_spoken_of(here, capsys):
    script(here)
    made("--metric", "loss", "train.py", "--a~choices({'x': 0.3, 'y': 0.7})")
    assert "the weights of a are not used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("uniform(1, 5, discrete=True)", "integer(1, 5)"),
        ("loguniform(1, 64, discrete=True, default_value=8)", "integer(1, 64, log)"),
        ("uniform(1, 5, discrete=False)", "uniform(1, 5)"),
        ("uniform(0, 1, precision=3)", "uniform(0, 1)"),
        ("gaussian(0, 1)", "normal(0, 1)"),
        ("choices(['a', 2.5, None, True])", "choice(a, 2.5, null, true)"),
        ("choices({'a': 0.3, 'b': 0.7})", "choice(a, b)"),
        ("choices('a, b', c)", 'choice("a, b", c)'),
        ("choice(a=1, b)", 'choice("a=1", b)'),
    ],
)
def test_a_prior_of_orion(theirs, ours):
    space = Space.parse({"x": theirs, "y": "uniform(0, 1)"})
    assert space.canonical()["x"] == ours
    assert space.defaults == ({"x": 8} if "default_value" in theirs else {})
    assert Space.parse({"x": {"prior": theirs}, "y": "uniform(0, 1)"}) == space


@pytest.mark.parametrize(
    ("prior", "hint"),
    [
        ("uniform(0, 1, shape=3)", "x_0, x_1"),
        ("fidelity(1, 10)", "stopper: median"),
        ("normal(0, 1, discrete=True)", "ordinal"),
        ("uniform(0, 1, loc=3, precision=2)", "Leave it out"),
        ("choices(['a'", "not closed"),
        ("choices([['a'], ['b']])", "A value is text"),
        ("uniform(0, 1, default_value=2)", "Choose another default"),
    ],
)
def test_a_prior_of_orion_without_a_counterpart(prior, hint):
    with pytest.raises(SpaceError) as error:
        Space.parse({"x": prior, "y": "uniform(0, 1)"})
    assert hint in str(error.value)
