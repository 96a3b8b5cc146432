"""The maths of the model: against finite differences, scikit-learn and numerical integration."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import log_ndtr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from metaopt.optimizers.acquisition import log_expected_improvement, log_h, log_probability_below
from metaopt.optimizers.encoding import Encoding
from metaopt.optimizers.gaussian import cholesky, condition, solve_lower
from metaopt.optimizers.kernels import Kernel, from_logs
from metaopt.optimizers.likelihood import default_kernel, fit, log_marginal_likelihood, log_prior
from metaopt.optimizers.search import Climb, Field
from metaopt.space import Space

SCALES = np.array([0.3, 0.7, 1.5])


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    inputs = rng.random((25, 3))
    values = np.sin(5 * inputs[:, 0]) + inputs[:, 1] ** 2 + 0.1 * rng.standard_normal(25)
    return inputs, (values - values.mean()) / values.std()


@pytest.fixture
def kernel():
    return Kernel(SCALES**-2.0, 1.7, 0.02, np.arange(3))


@pytest.fixture
def reference(data):
    both = ConstantKernel(1.7) * Matern(length_scale=SCALES, nu=2.5) + WhiteKernel(0.02)
    return GaussianProcessRegressor(both, alpha=0.0, optimizer=None).fit(*data)


def test_the_covariance_is_that_of_scikit_learn(data, kernel):
    inputs, _ = data
    expected = 1.7 * Matern(length_scale=SCALES, nu=2.5)(inputs, inputs[:4] + 0.1)
    assert np.allclose(kernel.covariance(inputs, inputs[:4] + 0.1), expected, atol=1e-12)


def test_the_likelihood_is_that_of_scikit_learn_and_so_is_its_gradient(data, kernel, reference):
    value, gradient = log_marginal_likelihood(kernel, *data)
    expected, theirs = reference.log_marginal_likelihood(reference.kernel_.theta, eval_gradient=True)
    assert value == pytest.approx(expected, rel=1e-10)
    by_signal, by_scales, by_noise = theirs[0], theirs[1:4], theirs[4]
    assert np.allclose(gradient, [*(-0.5 * by_scales), by_signal, by_noise], rtol=1e-8)


def test_predictions_are_those_of_scikit_learn(data, kernel, reference):
    queries = np.random.default_rng(2).random((9, 3))
    mean, variance = condition(kernel, *data).predict(queries)
    expected, deviation = reference.predict(queries, return_std=True)
    assert np.allclose(mean, expected, atol=1e-10)
    assert np.allclose(variance + 0.02, deviation**2, atol=1e-10)


def test_the_gradient_of_the_likelihood_is_right_with_features_that_share_a_length_scale(data):
    inputs, values = data
    groups = np.array([0, 1, 1])
    logs = np.log([4.0, 0.9, 1.3, 0.05])
    expected = approx_fprime(logs, lambda at: log_marginal_likelihood(from_logs(at, groups), inputs, values)[0], 1e-7)
    assert np.allclose(log_marginal_likelihood(from_logs(logs, groups), inputs, values)[1], expected, atol=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_gradient_of_the_prior_is_right(sparse):
    dimension = 20
    groups = np.arange(dimension)
    logs = np.linspace(-1.0, 1.5, dimension + 2)
    expected = approx_fprime(logs, lambda at: log_prior(from_logs(at, groups), sparse=sparse)[0], 1e-7)
    assert np.allclose(log_prior(from_logs(logs, groups), sparse=sparse)[1], expected, rtol=1e-4, atol=1e-4)


def test_the_prior_of_many_length_scales_is_a_density_over_the_length_scale_itself():
    """LogNormal(mu, sqrt(3)) has its mode at exp(mu - 3), while in log l it would be at exp(mu)."""
    groups, dimension = np.arange(20), 20
    mode = math.exp(math.sqrt(2.0) + 0.5 * math.log(dimension) - 3.0)
    _, gradient = log_prior(Kernel(np.full(dimension, mode**-2.0), 1.0, 0.01, groups), sparse=True)
    assert np.allclose(gradient[:dimension], 0.0, atol=1e-12)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_fit_ends_at_a_maximum_and_finds_the_coordinate_that_matters(sparse):
    rng = np.random.default_rng(3)
    inputs = rng.random((60, 3))
    values = np.sin(9 * inputs[:, 1])
    fitted = fit(
        inputs,
        (values - values.mean()) / values.std(),
        [default_kernel(3, np.arange(3), sparse=sparse)],
        60,
        sparse=sparse,
    )
    assert np.argmax(fitted.inverse_squares) == 1
    assert fitted.inverse_squares[1] > 20 * fitted.inverse_squares[[0, 2]].max()
    assert fitted.noise < 1e-3


def test_the_gradients_of_mean_and_variance_are_right(data, kernel):
    posterior = condition(kernel, *data).believe(np.full((1, 3), 0.4))
    queries = np.random.default_rng(4).random((5, 3))
    mean, variance, mean_gradient, variance_gradient = posterior.predict_with_gradients(queries)
    assert np.allclose([mean, variance], posterior.predict(queries))
    for row, query in enumerate(queries):
        by_mean = approx_fprime(query, lambda at: posterior.predict(at[None, :])[0][0], 1e-7)
        by_variance = approx_fprime(query, lambda at: posterior.predict(at[None, :])[1][0], 1e-7)
        assert np.allclose(mean_gradient[row], by_mean, atol=1e-5)
        assert np.allclose(variance_gradient[row], by_variance, atol=1e-5)


def test_believing_keeps_the_mean_and_shrinks_the_variance(data, kernel):
    before = condition(kernel, *data)
    rng = np.random.default_rng(5)
    pending, queries = rng.random((4, 3)), rng.random((50, 3))
    after = before.believe(pending)
    assert np.allclose(after.mean(queries), before.mean(queries), atol=1e-12)
    assert (after.predict(queries)[1] < before.predict(queries)[1]).all()
    assert (after.predict(pending)[1] < 0.02).all()


def test_believing_is_observing_the_posterior_mean(data, kernel):
    inputs, values = data
    before = condition(kernel, inputs, values)
    rng = np.random.default_rng(6)
    pending, queries = rng.random((4, 3)), rng.random((50, 3))
    observed = condition(kernel, np.vstack([inputs, pending]), np.concatenate([values, before.mean(pending)]))
    one_by_one = before
    for point in pending:
        one_by_one = one_by_one.believe(point[None, :])
    for after in (before.believe(pending), one_by_one):
        assert np.allclose(after.predict(queries), observed.predict(queries), atol=1e-8)


def test_a_field_of_candidates_keeps_up_with_its_picks(data, kernel):
    encoding = Encoding(Space.parse(dict.fromkeys("xyz", "uniform(0, 1)")))
    points = np.random.default_rng(7).random((40, 3))
    field = Field(condition(kernel, *data), encoding, points, 3)
    for pick in (points[3], np.array([0.1, 0.9, 0.2]), points[8]):
        field.pick(pick)
    mean, variance = field.posterior.predict(points)
    assert np.allclose(field.mean, mean)
    assert np.allclose(field.variance, variance, atol=1e-9)
    assert np.flatnonzero(~field.free).tolist() == [3, 8]


@pytest.mark.parametrize("columns", [1, 63, 64, 200])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_triangular_system_is_solved_for_few_columns_and_for_many(columns, transposed):
    rng = np.random.default_rng(3)
    factor = np.asfortranarray(np.tril(rng.random((30, 30))) + 3.0 * np.eye(30))
    right = rng.random((30, columns))
    solved = solve_lower(factor, right, transposed=transposed)
    assert solved.shape == right.shape
    np.testing.assert_allclose((factor.T if transposed else factor) @ solved, right, atol=1e-12)


def test_points_that_are_under_way_are_encoded_once_and_those_of_other_types_are_others():
    encoding = Encoding(Space.parse({"x": "uniform(0, 1)", "kind": "choice(1, true, 2)"}))
    listed = [{"x": 0.1, "kind": 1}, {"x": 0.1, "kind": True}, {"x": 2.0, "kind": 2}, {"x": 0.1, "kind": 1}]
    for part in (listed, listed[1:], listed):
        found = encoding.within(part)
        kept = [each for at, each in enumerate(part) if each["x"] < 1 and not any(p is each for p in part[:at])]
        expected = encoding.points(kept[:2])
        assert sorted(found.tolist()) == sorted(expected.tolist())


def test_a_singular_covariance_is_factorized_with_jitter():
    factor = cholesky(np.ones((5, 5)))
    assert np.allclose(factor @ factor.T, 1.0, atol=1e-3)
    with pytest.raises(np.linalg.LinAlgError):
        cholesky(np.full((3, 3), np.nan))


@pytest.mark.parametrize("z", [-8.0, -5.0, -1.0001, -0.9999, 0.0, 2.0, 7.0])
def test_log_h_is_the_logarithm_of_its_integral(z):
    integral, _ = quad(lambda t: math.exp(z * t - t * t / 2) * t, 0, 60, epsabs=0, epsrel=1e-12)  # of (t) phi(t - z)
    expected = math.log(integral) - z * z / 2 - 0.5 * math.log(2 * math.pi)
    assert log_h(np.array([z]))[0][0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("z", [-40.0, -99.999, -100.001, -1e4, -1e8, -1e150])
def test_log_h_is_right_far_in_the_tail(z):
    """There h is phi(z) / z^2 times 1 - 3/z^2 + 15/z^4 - ..., and its logarithm's derivative Phi / h."""
    value, slope = (each[0] for each in log_h(np.array([z])))
    series = math.log1p(-3 / z**2 + 15 / z**4 - 105 / z**6 + 945 / z**8) if z > -1e9 else 0.0
    expected = -0.5 * z * z - 0.5 * math.log(2 * math.pi) - 2 * math.log(-z) + series
    assert value == pytest.approx(expected, rel=1e-13, abs=1e-8)
    assert slope == pytest.approx(-z + 2 / -z, rel=1e-4)
    if z > -1e4:
        assert slope == pytest.approx(math.exp(log_ndtr(z) - value), rel=1e-8)


def test_log_h_has_no_steps_where_its_formulas_meet():
    for z in (-1.0, -100.0):
        value, slope = log_h(np.array([z - 1e-9, z + 1e-9]))
        assert value[1] - value[0] == pytest.approx(slope[0] * 2e-9, abs=1e-11)
        assert slope[0] == pytest.approx(slope[1], rel=1e-8)


@pytest.mark.parametrize("acquisition", [log_expected_improvement(-1.0), log_probability_below(-0.5)])
def test_the_derivatives_of_acquisition_functions_are_right(acquisition):
    mean, variance = np.array([-2.0, 0.0, 3.0, 30.0]), np.array([0.5, 1.0, 0.01, 0.2])
    _, by_mean, by_variance = acquisition(mean, variance)
    step = 1e-6
    upper, lower = acquisition(mean + step, variance)[0], acquisition(mean - step, variance)[0]
    assert np.allclose(by_mean, (upper - lower) / (2 * step), rtol=1e-5)
    change = step * variance
    upper, lower = acquisition(mean, variance + change)[0], acquisition(mean, variance - change)[0]
    assert np.allclose(by_variance, (upper - lower) / (2 * change), rtol=1e-5)


def test_expected_improvement_is_that_of_samples():
    samples = np.maximum(0.3 - (0.5 + 0.8 * np.random.default_rng(8).standard_normal(1_000_000)), 0.0)
    value, _, _ = log_expected_improvement(0.3)(np.array([0.5]), np.array([0.64]))
    assert math.exp(value[0]) == pytest.approx(samples.mean(), rel=0.01)


def test_a_climb_ends_higher_and_on_the_grid():
    space = Space.parse({"x": "uniform(0, 1)", "n": "integer(1, 5)", "c": "choice(a, b, c)"})
    encoding = Encoding(space)
    rng = np.random.default_rng(9)
    points = encoding.snap(rng.random((30, 3)))
    values = (points[:, 0] - 0.3) ** 2 + (points[:, 1] - 0.5) ** 2 + (encoding.cells(points, 2) != 1)
    posterior = condition(
        default_kernel(3, encoding.groups, sparse=False), encoding.features(points), values - values.mean()
    )
    terms = [(posterior, log_expected_improvement(0.0)), (posterior, log_probability_below(-0.2))]
    beginnings = encoding.snap(rng.random((4, 3)))
    climb = Climb(terms, encoding, encoding.box, None)
    ends = climb.improve(beginnings, 50)
    assert climb.score(ends).min() > climb.score(beginnings).min()
    assert np.allclose(ends, encoding.snap(ends))
    assert space.from_unit(ends[0]) == {"x": pytest.approx(0.3, abs=0.1), "n": 3, "c": "b"}
    held = Climb(terms, encoding, encoding.box, 2).improve(beginnings, 50)
    assert sorted(held[:, 2]) == sorted(beginnings[:, 2])
