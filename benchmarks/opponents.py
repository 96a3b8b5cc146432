"""Other people's optimizers behind the same few words, run by the Python of an environment that has them.

    {"optimizer": "optuna:tpe", "space": [...], "seed": 1, "trials": 100, "workers": 1}
    {"ask": 2}                      is answered by two points, which are open from then on
    {"tell": [point, 0.3]}          null: it has failed; of those that can, also a point that was not asked for
    {"begin": point}                one that was not asked for is under way, of those that can

A line of JSON each, from standard input and to standard output.  The space is a list of dimensions, parents first; a
point has those that are active.  Of metaopt, this needs nothing but opponent.py.
"""

import math
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from opponent import Dimension, Opponent, Point, Setup, converse, obey


class Optuna(Opponent):
    """Define-by-run: a parameter is asked for once its condition holds.  Trials that are open are running ones."""

    def __init__(self, setup: Setup, sampler: str, pruner: Any = None) -> None:  # noqa: ANN401 - the library's own
        super().__init__(setup)
        import optuna  # noqa: PLC0415 - one of many

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        samplers: dict[str, Callable[..., Any]] = {
            "gp": optuna.samplers.GPSampler,
            "tpe": partial(optuna.samplers.TPESampler, multivariate=True, group=True, constant_liar=setup.workers > 1),
            "cmaes": optuna.samplers.CmaEsSampler,
        }
        self._optuna = optuna
        self._study = optuna.create_study(sampler=samplers[sampler](seed=setup.seed), pruner=pruner)

    def suggest(self) -> tuple[Any, Point]:
        """A running trial."""
        trial = self._study.ask()
        point: Point = {}
        for each in self.setup.space:
            if not each.counts(point):
                continue
            if each.kind == "category":
                point[each.name] = trial.suggest_categorical(each.name, each.choices)
            else:
                number = trial.suggest_int if each.kind == "integer" else trial.suggest_float
                point[each.name] = number(each.name, each.low, each.high, log=each.log)
        return trial, point

    def observe(self, trial: Any, value: float | None) -> None:  # noqa: ANN401 - the library's own
        """It knows of failures."""
        self._study.tell(trial, value, None if value is not None else self._optuna.trial.TrialState.FAIL)

    def add(self, point: Point, value: float | None) -> None:
        """As one that it had suggested."""
        states = self._optuna.trial.TrialState
        state = states.RUNNING if value is None else states.COMPLETE
        kinds = {each.name: self._distribution(each) for each in self.setup.space if each.name in point}
        trial = self._optuna.trial.create_trial(params=point, distributions=kinds, value=value, state=state)
        self._study.add_trial(trial)

    def _distribution(self, each: Dimension) -> Any:  # noqa: ANN401 - the library's own
        kinds = self._optuna.distributions
        if each.kind == "category":
            return kinds.CategoricalDistribution(each.choices)
        made = kinds.IntDistribution if each.kind == "integer" else kinds.FloatDistribution
        return made(each.low, each.high, log=each.log)


class Smac(Opponent):
    """One of SMAC's facades as it comes, but for the kind of ``model``; with conditions."""

    def __init__(self, setup: Setup, facade: str, **model: str) -> None:
        super().__init__(setup)
        import smac  # noqa: PLC0415 - one of many
        from ConfigSpace import Categorical, ConfigurationSpace, Float, InCondition, Integer  # noqa: PLC0415 - its own
        from smac.runhistory import TrialValue  # noqa: PLC0415 - one of many

        space = ConfigurationSpace(seed=setup.seed)
        for each in setup.space:
            if each.kind == "category":
                space.add(Categorical(each.name, each.choices))
            else:
                number = Integer if each.kind == "integer" else Float
                space.add(number(each.name, (each.low, each.high), log=each.log))
        for each in setup.space:
            if each.when:
                space.add(InCondition(space[each.name], space[each.when["parent"]], each.when["values"]))
        self._folder = tempfile.TemporaryDirectory()
        scenario = smac.Scenario(
            space,
            deterministic=True,
            n_trials=setup.trials,
            seed=setup.seed,
            output_directory=Path(self._folder.name),
        )
        made = getattr(smac, facade)
        self._facade = made(
            scenario, _nothing, model=made.get_model(scenario, **model), overwrite=True, logging_level=False
        )
        self._value = TrialValue

    def suggest(self) -> tuple[Any, Point]:
        """One of its trials."""
        trial = self._facade.ask()
        return trial, dict(trial.config)

    def end(self, trial: Any, value: float) -> None:  # noqa: ANN401 - the library's own
        """As a cost."""
        self._facade.tell(trial, self._value(cost=value))


def _nothing(config: Any, seed: int = 0) -> float:  # noqa: ANN401 - a function that nobody calls
    """It is asked and told instead."""
    raise NotImplementedError


class Skopt(Opponent):
    """scikit-optimize's Gaussian process.  It knows no conditions, and of no more than one trial at a time."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        from skopt import Optimizer  # noqa: PLC0415 - one of many
        from skopt.space import Categorical, Integer, Real  # noqa: PLC0415 - one of many

        if setup.workers > 1:
            problem = "skopt has no points for several workers"
            raise ValueError(problem)
        kinds = [
            Categorical(list(each.choices), name=each.name)
            if each.kind == "category"
            else (Integer if each.kind == "integer" else Real)(
                each.low, each.high, prior="log-uniform" if each.log else "uniform", name=each.name
            )
            for each in setup.space
        ]
        self._optimizer = Optimizer(kinds, "GP", random_state=setup.seed)

    def suggest(self) -> tuple[Any, Point]:
        """Values of all dimensions."""
        values = self._optimizer.ask()
        return values, {each.name: value for each, value in zip(self.setup.space, values, strict=True)}

    def end(self, trial: Any, value: float) -> None:  # noqa: ANN401 - the library's own
        """By its values; the model is fitted here."""
        self._optimizer.tell(trial, value)


class Nevergrad(Opponent):
    """nevergrad's choice among its optimizers, by budget and workers.  It is given no conditions."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        import nevergrad  # noqa: PLC0415 - one of many

        kinds = nevergrad.p

        def made(each: Dimension) -> Any:  # noqa: ANN401 - the library's own
            if each.kind == "category":
                return kinds.Choice(list(each.choices))
            number = (kinds.Log if each.log else kinds.Scalar)(lower=each.low, upper=each.high)
            return number.set_integer_casting() if each.kind == "integer" else number

        space = kinds.Dict(**{each.name: made(each) for each in setup.space})
        space.random_state.seed(setup.seed)
        self._optimizer = nevergrad.optimizers.NGOpt(space, budget=setup.trials, num_workers=setup.workers)

    def suggest(self) -> tuple[Any, Point]:
        """A candidate."""
        trial = self._optimizer.ask()
        return trial, trial.value

    def end(self, trial: Any, value: float) -> None:  # noqa: ANN401 - the library's own
        """By its candidate."""
        self._optimizer.tell(trial, value)


class Hyperopt(Opponent):
    """hyperopt's TPE, with conditions: what depends on a category lies below its choices."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        import hyperopt  # noqa: PLC0415 - one of many
        import numpy as np  # noqa: PLC0415 - hyperopt's

        self._hyperopt = hyperopt
        self._made = {each.name: self._parameter(each) for each in setup.space if each.kind != "category"}
        for each in reversed(setup.space):
            if each.kind == "category":
                below = [self._below(each.name, choice) for choice in each.choices]
                options = [
                    {each.name: choice, **children} for choice, children in zip(each.choices, below, strict=True)
                ]
                self._made[each.name] = hyperopt.hp.choice(each.name, options)
        self._space = {each.name: self._made[each.name] for each in setup.space if each.when is None}
        self._domain = hyperopt.base.Domain(_nothing, self._space)
        self._trials = hyperopt.Trials()
        self._chance = np.random.default_rng(setup.seed)

    def suggest(self) -> tuple[Any, Point]:
        """A document of its trials."""
        numbers = self._trials.new_trial_ids(1)
        self._trials.refresh()
        seed = int(self._chance.integers(2**31 - 1))
        documents = self._hyperopt.tpe.suggest(numbers, self._domain, self._trials, seed, verbose=False)
        self._trials.insert_trial_docs(documents)
        self._trials.refresh()
        trial = self._trials.trials[-1]
        values = {name: each[0] for name, each in trial["misc"]["vals"].items() if each}
        return trial, self._flat(self._hyperopt.space_eval(self._space, values))

    def end(self, trial: Any, value: float) -> None:  # noqa: ANN401 - the library's own
        """In its document."""
        trial["state"] = self._hyperopt.JOB_STATE_DONE
        trial["result"] = {"loss": value, "status": self._hyperopt.STATUS_OK}
        self._trials.refresh()

    def _parameter(self, each: Dimension) -> Any:  # noqa: ANN401 - the library's own
        kinds = self._hyperopt.hp
        half = 0.5 if each.kind == "integer" else 0.0  # an integer of a log scale is a real number, rounded
        if each.kind == "integer" and not each.log:
            return kinds.uniformint(each.name, each.low, each.high)
        if each.log:
            return kinds.loguniform(each.name, math.log(each.low - half), math.log(each.high + half))
        return kinds.uniform(each.name, each.low, each.high)

    def _below(self, parent: str, choice: str) -> dict[str, Any]:
        """What depends on ``parent`` having this value."""
        children = [each for each in self.setup.space if each.when and each.when["parent"] == parent]
        return {each.name: self._made[each.name] for each in children if each.when and choice in each.when["values"]}

    def _flat(self, nested: Mapping[str, Any]) -> Point:
        """The values, with those below a choice beside it, integers as such."""
        point: Point = {}
        for name, value in nested.items():
            point |= {name: value[name], **self._flat(value)} if isinstance(value, Mapping) else {name: value}
        return point


class Botorch(Opponent):
    """BoTorch straight: LogEI by a SingleTaskGP as they come, beside open trials qLogEI.  Real numbers only."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        import torch  # noqa: PLC0415 - one of many

        if any(each.kind != "real" or each.log or each.when for each in setup.space):
            problem = "BoTorch by itself has real numbers only"
            raise ValueError(problem)
        torch.manual_seed(setup.seed)
        self._torch = torch
        self._told: list[tuple[list[float], float]] = []
        self._open: list[list[float]] = []

    def suggest(self) -> tuple[Any, Point]:
        """By the model, or at random while nothing is known."""
        low, width = self._scale()
        unit = self._best() if self._told else self._torch.rand(len(low), dtype=self._torch.double)
        values = (low + width * unit).tolist()
        self._open.append(values)
        return values, {each.name: value for each, value in zip(self.setup.space, values, strict=True)}

    def end(self, trial: Any, value: float) -> None:  # noqa: ANN401 - the library's own
        """Into the model."""
        self._open.remove(trial)
        self._told.append((trial, -value))

    def add(self, point: Point, value: float | None) -> None:
        """As one that it had suggested."""
        values = [point[each.name] for each in self.setup.space]
        self._open.append(values)
        if value is not None:
            self.end(values, value)

    def _scale(self) -> tuple[Any, Any]:
        low, high = ([getattr(each, end) for each in self.setup.space] for end in ("low", "high"))
        start = self._torch.tensor(low, dtype=self._torch.double)
        return start, self._torch.tensor(high, dtype=self._torch.double) - start

    def _best(self) -> Any:  # noqa: ANN401 - the library's own
        from botorch.acquisition.analytic import LogExpectedImprovement  # noqa: PLC0415 - its own
        from botorch.acquisition.logei import qLogExpectedImprovement  # noqa: PLC0415 - its own
        from botorch.fit import fit_gpytorch_mll  # noqa: PLC0415 - its own
        from botorch.models import SingleTaskGP  # noqa: PLC0415 - its own
        from botorch.optim import optimize_acqf  # noqa: PLC0415 - its own
        from gpytorch.mlls import ExactMarginalLogLikelihood  # noqa: PLC0415 - its own

        low, width = self._scale()
        tensor = partial(self._torch.tensor, dtype=self._torch.double)
        inputs = (tensor([point for point, _ in self._told]) - low) / width
        targets = tensor([[value] for _, value in self._told])
        targets = (targets - targets.mean()) / targets.std().clamp_min(1e-9)
        model = SingleTaskGP(inputs, targets)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = (
            qLogExpectedImprovement(model, targets.max(), X_pending=(tensor(self._open) - low) / width)
            if self._open
            else LogExpectedImprovement(model, targets.max())
        )
        bounds = self._torch.stack([self._torch.zeros_like(low), self._torch.ones_like(low)])
        return optimize_acqf(acquisition, bounds, q=1, num_restarts=10, raw_samples=512)[0][0]


OPPONENTS: dict[str, Callable[[Setup], Opponent]] = {
    "optuna:gp": partial(Optuna, sampler="gp"),
    "optuna:tpe": partial(Optuna, sampler="tpe"),
    "optuna:cmaes": partial(Optuna, sampler="cmaes"),
    "smac": partial(Smac, facade="HyperparameterOptimizationFacade"),
    "smac:gp": partial(Smac, facade="BlackBoxFacade"),
    "smac:mcmc": partial(Smac, facade="BlackBoxFacade", model_type="mcmc"),
    "skopt": Skopt,
    "nevergrad": Nevergrad,
    "hyperopt": Hyperopt,
    "botorch": Botorch,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    converse(partial(obey, OPPONENTS))
    os._exit(0)  # the threads of some of them would never end
