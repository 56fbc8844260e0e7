"""The properties that make `companion.explainability.shapley_values` correct."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from companion.explainability import shapley_values
from companion.explainability.shapley_values import (
    all_coalitions,
    coalition_values,
    exact_shapley,
    kernel_shap,
    permutation_shapley,
    shapley_of_game,
)
from companion.networks import mlp
from companion.scores import class_score
from tests.bad_input import TABLES
from tests.rounding import EPS, rounding
from tests.untouched import untouched

quick = settings(derandomize=True, deadline=None, max_examples=30)


def random_game(d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=2**d)


def black_box(values: np.ndarray):
    """A model whose game, for a case of ones before a background of zeros, is the given one."""
    d = len(values).bit_length() - 1
    f = lambda X: values[(X @ 2.0 ** np.arange(d)).astype(int)]  # noqa: E731
    return f, np.ones(d), np.zeros((1, d))


def game_error(values: np.ndarray) -> float:
    """Of a weighted mean of 2**d differences: a product and a sum for each."""
    return rounding(2 * len(values), np.abs(values).max())


def asks(*args, **kwargs):
    raise AssertionError("the model was asked before the arguments were checked")


def smooth(X):
    """A model with interactions of every order."""
    return np.tanh(X.sum(axis=1)) * X[:, 0] + np.exp(-(X**2).sum(axis=1) / 4)


def case(d: int, m: int = 7, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=d), rng.normal(size=(m, d))


# The game


def test_coalitions_are_numbered_in_binary():
    for d in (1, 3, 9, 17):
        table = all_coalitions(d)
        np.testing.assert_array_equal(table @ 2 ** np.arange(d), np.arange(2**d))
        np.testing.assert_array_equal(table[::-1], ~table)


def test_a_coalitions_value_is_the_mean_over_the_background_of_the_spliced_rows():
    x, background = case(4)
    coalitions = all_coalitions(4)[[9, 3, 0, 15, 3, 6]]
    slow = [
        np.mean([smooth(np.where(S, x, b)[None])[0] for b in background])
        for S in coalitions
    ]
    # Seven scores below 3 are summed, in another order.
    np.testing.assert_allclose(
        coalition_values(smooth, x, background, coalitions),
        slow,
        rtol=0,
        atol=rounding(7, 3),
    )


def test_a_coalition_is_asked_once_and_the_two_ends_are_the_answer_and_the_mean():
    x, background = case(5)
    asked = []

    def f(X):
        asked.append(len(X))
        return smooth(X)

    coalitions = np.tile(all_coalitions(5), (3, 1))
    v = coalition_values(f, x, background, coalitions)
    assert asked == [32 * 7, 1]  # the one row is the check that rows are apart
    np.testing.assert_array_equal(v.reshape(3, 32), [v[:32]] * 3)
    assert abs(v[31] - smooth(x[None])[0]) <= rounding(7, 3)
    assert abs(v[0] - smooth(background).mean()) <= rounding(7, 3)


@pytest.mark.parametrize("numbers", [1, 36, 100, 10_000])
def test_blocks_keep_within_the_memory_and_change_nothing(monkeypatch, numbers):
    x, background = case(5)
    whole = coalition_values(smooth, x, background, all_coalitions(5))
    most = []

    def f(X):
        most.append(X.size)
        return smooth(X)

    monkeypatch.setattr(shapley_values, "NUMBERS", numbers)
    blocks = coalition_values(f, x, background, all_coalitions(5))
    np.testing.assert_allclose(blocks, whole, rtol=0, atol=rounding(20, 3))
    assert max(most) <= max(numbers, background.size)


def test_zeros_and_ones_of_every_width_are_coalitions():
    x, background = case(3)
    whole = coalition_values(smooth, x, background, all_coalitions(3))
    for dtype in (np.int8, np.uint8, np.int64):
        table = all_coalitions(3).astype(dtype)
        np.testing.assert_array_equal(
            coalition_values(smooth, x, background, table), whole
        )


# Shapley's values of a game


@pytest.mark.parametrize("d", range(1, 7))
def test_values_are_what_a_player_adds_averaged_over_all_orders(d):
    values = np.random.default_rng(d).integers(-99, 99, 2**d)
    exact = [Fraction(0)] * d
    for order in itertools.permutations(range(d)):
        inside = 0
        for i in order:
            exact[i] += Fraction(int(values[inside | 1 << i] - values[inside]))
            inside |= 1 << i
    exact = [float(total / math.factorial(d)) for total in exact]
    np.testing.assert_allclose(
        shapley_of_game(values), exact, rtol=0, atol=game_error(values)
    )


@quick
@given(d=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_efficiency_what_is_paid_is_what_all_earn(d, seed):
    v = random_game(d, seed)
    error = shapley_of_game(v).sum() - (v[-1] - v[0])
    assert abs(error) <= min(1e-10, d * game_error(v))


@quick
@given(d=st.integers(2, 10), seed=st.integers(0, 2**32))
def test_symmetry_players_who_add_the_same_get_the_same(d, seed):
    v, rng = random_game(d, seed), np.random.default_rng(seed)
    i, j = rng.choice(d, 2, replace=False)
    swapped = all_coalitions(d)
    swapped[:, [i, j]] = swapped[:, [j, i]]
    v = v + v[swapped @ 2 ** np.arange(d)]
    phi = shapley_of_game(v)
    assert abs(phi[i] - phi[j]) <= min(1e-10, 2 * game_error(v))


@quick
@given(d=st.integers(1, 10), seed=st.integers(0, 2**32))
def test_null_player_who_adds_nothing_gets_nothing(d, seed):
    v = random_game(d, seed)
    i = seed % d
    without = all_coalitions(d)
    without[:, i] = False
    v = v[without @ 2 ** np.arange(d)]
    assert shapley_of_game(v)[i] == 0


@quick
@given(d=st.integers(1, 10), seed=st.integers(0, 2**31))
def test_additivity_two_games_pay_what_each_pays(d, seed):
    u, v = random_game(d, seed), random_game(d, seed + 1)
    apart = shapley_of_game(u) - 3 * shapley_of_game(v)
    bound = min(1e-10, 8 * game_error(np.concatenate([u, v])))
    np.testing.assert_allclose(shapley_of_game(u - 3 * v), apart, rtol=0, atol=bound)


def test_numbering_the_players_otherwise_only_renumbers_the_values():
    d, v = 6, random_game(6)
    order = np.random.default_rng(1).permutation(d)
    renamed = v[all_coalitions(d) @ 2**order]
    np.testing.assert_allclose(
        shapley_of_game(renamed),
        shapley_of_game(v)[order],
        rtol=0,
        atol=2 * game_error(v),
    )


@pytest.mark.parametrize("scale", [1e-290, 1e-170, 1e170, 1e290])
def test_another_unit_only_rescales(scale):
    v = random_game(7)
    np.testing.assert_allclose(
        shapley_of_game(scale * v) / scale,
        shapley_of_game(v),
        rtol=0,
        atol=2 * game_error(v),
    )
    f, x, background = black_box(scale * v)
    for seed, run in enumerate(RUNS):
        plain = run(*black_box(v), np.random.default_rng(seed))
        np.testing.assert_allclose(
            run(f, x, background, np.random.default_rng(seed)) / scale,
            plain,
            rtol=0,
            atol=1e-10,
        )


# The exact values of a model

RUNS = [
    lambda f, x, b, rng: exact_shapley(f, x, b),
    lambda f, x, b, rng: kernel_shap(f, x, b),
    lambda f, x, b, rng: kernel_shap(f, x, b, coalitions=60, rng=rng),
    lambda f, x, b, rng: kernel_shap(f, x, b, coalitions=60, rng=rng, paired=False),
    lambda f, x, b, rng: permutation_shapley(f, x, b, permutations=3, rng=rng),
]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("d", [1, 2, 6])
def test_a_linear_model_pays_each_weight_times_the_distance_from_the_mean(run, d):
    x, background = case(d)
    w = np.arange(1.0, d + 1)
    phi = run(lambda X: X @ w + 5, x, background, np.random.default_rng(0))
    # 2**d coalitions of scores below 100; the least squares keep ten digits and more.
    np.testing.assert_allclose(
        phi, w * (x - background.mean(axis=0)), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("d", [1, 2, 5, 9])
def test_efficiency_holds_at_every_budget(run, d):
    x, background = case(d)
    phi = run(smooth, x, background, np.random.default_rng(0))
    gain = smooth(x[None])[0] - smooth(background).mean()
    assert abs(phi.sum() - gain) <= 1e-10


def test_the_exact_values_are_those_of_the_interventional_game():
    x, background = case(6)
    v = coalition_values(smooth, x, background, all_coalitions(6))
    phi = exact_shapley(smooth, x, background)
    np.testing.assert_array_equal(phi, shapley_of_game(v))
    slow = np.zeros(6)
    for order in itertools.permutations(range(6)):
        rows = background.copy()
        for i in order:
            before = smooth(rows).mean()
            rows[:, i] = x[i]
            slow[i] += smooth(rows).mean() - before
    np.testing.assert_allclose(phi, slow / 720, rtol=0, atol=rounding(720 * 14, 3))


def test_a_feature_that_the_model_does_not_read_gets_nothing_however_correlated():
    rng = np.random.default_rng(0)
    background = rng.normal(size=(50, 1)) + 0.01 * rng.normal(size=(50, 3))
    phi = exact_shapley(lambda X: np.exp(X[:, 0] - X[:, 2]), [1, 2, 3], background)
    assert phi[1] == 0
    assert abs(phi[0]) > 0.01


def test_symmetry_of_features_needs_a_background_that_is_symmetric_too():
    product = lambda X: X[:, 0] * X[:, 1] + X[:, 2]  # noqa: E731
    x, background = np.array([1.0, 1.0, 0.5]), case(3, m=20)[1]
    one, two, _ = exact_shapley(product, x, background)
    assert abs(one - two) > 0.02
    both = np.concatenate([background, background[:, [1, 0, 2]]])
    one, two, _ = exact_shapley(product, x, both)
    assert abs(one - two) <= rounding(8 * 40, 10)


def test_the_mean_over_the_background_is_the_mean_of_single_baselines():
    x, background = case(5)
    each = [exact_shapley(smooth, x, b[None]) for b in background]
    np.testing.assert_allclose(
        exact_shapley(smooth, x, background),
        np.mean(each, axis=0),
        rtol=0,
        atol=rounding(2 * 32 * 7, 3),
    )


# KernelSHAP


@pytest.mark.parametrize("d", range(1, 11))
def test_with_all_coalitions_least_squares_is_enumeration(d):
    x, background = case(d, m=3)
    np.testing.assert_allclose(
        kernel_shap(smooth, x, background),
        exact_shapley(smooth, x, background),
        rtol=0,
        atol=1e-11,  # the target is 1e-8
    )


def order_two(d: int, seed: int = 0):
    """A model whose features interact in pairs only."""
    A = np.random.default_rng(seed).normal(size=(d, d))
    return lambda X: np.einsum("ni,ij,nj->n", X, A, X)


def test_pairs_are_exact_where_no_more_than_two_features_interact():
    x, background = case(8)
    exact = exact_shapley(order_two(8), x, background)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        phi = kernel_shap(order_two(8), x, background, coalitions=40, rng=rng)
        np.testing.assert_allclose(phi, exact, rtol=0, atol=1e-10)
        rng = np.random.default_rng(seed)
        single = kernel_shap(
            order_two(8), x, background, coalitions=40, rng=rng, paired=False
        )
        assert np.abs(single - exact).max() > 0.1


def _naive_weighted_twice(f, x, background, draws, rng):
    """Draws in proportion to the kernel, and then weighted by it again."""
    d, sizes = len(x), np.arange(1, len(x))
    kernel = (d - 1) / (sizes * (d - sizes))  # of a size
    size = rng.choice(sizes, draws, p=kernel / kernel.sum())
    Z = rng.permuted(np.arange(d) < size[:, None], axis=1)
    v = coalition_values(f, x, background, np.vstack([Z, 0 * Z[:1], 1 | Z[:1]]))
    weight = kernel[size - 1] / np.array([math.comb(d, k) for k in size])
    gain, share = v[-1] - v[-2], Z.mean(axis=1)
    A = np.sqrt(weight)[:, None] * (Z - share[:, None])
    y = np.sqrt(weight) * (v[:-2] - v[-2] - share * gain)
    return gain / d + np.linalg.lstsq(A, y, rcond=1e-10)[0]


@pytest.mark.parametrize("paired", [True, False])
def test_draws_count_once_and_then_many_of_them_are_exact(paired):
    f, x, background = black_box(random_game(5, seed=2))
    exact = exact_shapley(f, x, background)
    draws = 100_000
    phi = kernel_shap(
        f, x, background, coalitions=draws, rng=np.random.default_rng(0), paired=paired
    )
    # Values of about 1 that differ by coalition: some 2 / sqrt(draws) of noise.
    assert np.abs(phi - exact).max() < 10 / math.sqrt(draws)
    naive = _naive_weighted_twice(f, x, background, draws, np.random.default_rng(0))
    assert np.abs(naive - exact).max() > 30 / math.sqrt(draws)


def test_the_bias_is_small_beside_the_error_and_shrinks_with_the_draws():
    f, x, background = black_box(random_game(6))
    exact = exact_shapley(f, x, background)
    rng = np.random.default_rng(0)
    bias = {}
    for draws in (32, 128):
        runs = [
            kernel_shap(f, x, background, coalitions=draws, rng=rng, paired=False)
            for _ in range(1500)
        ]
        errors = np.array(runs) - exact
        rmse = math.sqrt((errors**2).sum(axis=1).mean())
        bias[draws] = np.linalg.norm(errors.mean(axis=0))
        assert bias[draws] < 0.1 * rmse
    assert bias[128] < bias[32]


def test_no_more_than_all_coalitions_are_asked_however_many_are_drawn():
    f, x, background = black_box(random_game(4))
    asked = []

    def counted(X):
        asked.append(len(X))
        return f(X)

    kernel_shap(counted, x, background, coalitions=1000, rng=np.random.default_rng(0))
    assert asked == [16, 1]


@pytest.mark.parametrize("paired", [True, False])
def test_the_least_number_of_coalitions_gives_values_or_a_refusal(paired):
    d, refused = 4, 0
    f, x, background = black_box(random_game(d))
    least = (d - 1) * (2 if paired else 1)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        try:
            phi = kernel_shap(
                f, x, background, coalitions=least, rng=rng, paired=paired
            )
        except ValueError:
            refused += 1
        else:
            assert abs(phi.sum() - (f(x[None])[0] - f(background)[0])) < 1e-10
    assert 0 < refused < 40


def test_draws_that_leave_a_value_open_are_refused_before_the_model_is_asked():
    class Same(np.random.Generator):
        """Draws one coalition over and over."""

        def permuted(self, table, axis):
            return np.repeat(table[:1], len(table), axis=0)

    x, background = case(3)
    rng = Same(np.random.PCG64(0))
    for paired, draws in ((False, 9), (True, 10)):
        with pytest.raises(ValueError, match=f"3 values, but the {draws} drawn leave"):
            kernel_shap(asks, x, background, coalitions=draws, rng=rng, paired=paired)


# Permutations


class Dealt(np.random.Generator):
    """A generator that deals the permutations that it was given."""

    def __init__(self, orders):
        super().__init__(np.random.PCG64(0))
        self.orders = np.array(orders)

    def permuted(self, table, axis):
        assert table.shape == self.orders.shape
        assert axis == 1
        return self.orders


@pytest.mark.parametrize("d", range(1, 7))
def test_the_mean_over_all_permutations_is_exact(d):
    f, x, background = black_box(random_game(d))
    orders = list(itertools.permutations(range(d)))
    phi = permutation_shapley(
        f, x, background, permutations=len(orders), rng=Dealt(orders)
    )
    exact = exact_shapley(f, x, background)
    np.testing.assert_allclose(phi, exact, rtol=0, atol=rounding(2 * len(orders), 4))


def test_one_permutation_is_what_each_adds_on_the_way_there_and_back():
    v = random_game(3)
    f, x, background = black_box(v)
    # Feature 2 comes first (place 0), then 0 (place 1), then 1 (place 2).
    phi = permutation_shapley(f, x, background, permutations=1, rng=Dealt([[1, 2, 0]]))
    there = [v[0b101] - v[0b100], v[0b111] - v[0b101], v[0b100] - v[0]]
    back = [v[0b011] - v[0b010], v[0b010] - v[0], v[0b111] - v[0b011]]
    np.testing.assert_allclose(
        phi, (np.array(there) + back) / 2, rtol=0, atol=rounding(4, 4)
    )


def test_permutation_values_are_unbiased_within_their_standard_error():
    f, x, background = black_box(random_game(6))
    rng = np.random.default_rng(0)
    runs = np.array(
        [
            permutation_shapley(f, x, background, permutations=2, rng=rng)
            for _ in range(1000)
        ]
    )
    error = runs.mean(axis=0) - exact_shapley(f, x, background)
    standard = runs.std(axis=0, ddof=1) / math.sqrt(len(runs))
    assert (np.abs(error) < 4 * standard).all()
    assert standard.min() > 0


def test_one_permutation_there_and_back_is_exact_for_pairs_and_not_for_triples():
    x, background = case(7)
    triple = lambda X: X[:, 0] * X[:, 1] * X[:, 2]  # noqa: E731
    errors = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        phi = permutation_shapley(order_two(7), x, background, permutations=1, rng=rng)
        exact = exact_shapley(order_two(7), x, background)
        np.testing.assert_allclose(phi, exact, rtol=0, atol=1e-10)
        phi = permutation_shapley(triple, x, background, permutations=1, rng=rng)
        errors.append(np.abs(phi - exact_shapley(triple, x, background)).max())
    assert max(errors) > 1e-3


def test_a_permutation_costs_two_coalitions_for_each_feature_but_one():
    f, x, background = black_box(random_game(8))
    asked = []

    def counted(X):
        asked.append(len(X))
        return f(X)

    permutation_shapley(
        counted, x, background, permutations=1, rng=np.random.default_rng(0)
    )
    assert asked == [2 + 2 * 7, 1]


# What every function keeps


@pytest.mark.parametrize("run", RUNS)
def test_the_same_generator_gives_the_same_bits_and_the_global_one_is_not_touched(run):
    x, background = case(6)
    state = np.random.get_state()[1].copy()
    a = run(smooth, x, background, np.random.default_rng(3))
    b = run(smooth, x, background, np.random.default_rng(3))
    np.testing.assert_array_equal(a, b)
    assert a.dtype == np.float64
    assert a.shape == x.shape
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize("run", RUNS)
def test_nothing_that_was_passed_is_changed_also_by_a_model_that_writes(run):
    x, background = case(6)
    before = x.copy(), background.copy()
    x.flags.writeable = background.flags.writeable = False

    def writes(X):
        score = X.sum(axis=1)
        X[:, 0] = 0
        return score

    run(smooth, x, background, np.random.default_rng(0))
    with pytest.raises(ValueError, match="f must treat rows apart"):
        run(writes, x, background, np.random.default_rng(0))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(background, before[1])


@pytest.mark.parametrize("run", RUNS)
def test_lists_and_integers_are_numbers_too(run):
    a = run(smooth, [1, 2, 3], [[0, 1, 0], [1, 1, 2]], np.random.default_rng(0))
    x, background = np.array([1, 2, 3], np.int8), np.array([[0, 1, 0], [1, 1, 2]], "u1")
    b = run(smooth, x, background, np.random.default_rng(0))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("run", RUNS)
def test_a_network_comes_back_as_it_was_also_after_an_exception(run):
    layers = mlp([4, 8, 3], torch.Generator().manual_seed(0))
    model = nn.Sequential(layers, nn.BatchNorm1d(3), nn.Dropout()).double().train()
    x, background = case(4)
    score = class_score(model, 1)
    with untouched(model):
        phi = run(
            lambda X: score(torch.from_numpy(X)).numpy(),
            x,
            background,
            np.random.default_rng(0),
        )
    assert np.abs(phi).max() > 0
    with untouched(model), pytest.raises(ValueError, match="f.X. must have shape"):
        run(
            lambda X: score(torch.from_numpy(X))[1:].numpy(),
            x,
            background,
            np.random.default_rng(0),
        )


# Bad input

X, B = [1.0, 2.0], [[0.0, 0.0], [1.0, 1.0]]
RNG = np.random.default_rng(0)


def total(X):
    return X.sum(axis=1)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("f", "x", "background", "error", "message"),
    [
        (lambda X: X, X, B, ValueError, r"f\(X\) must have shape"),
        (lambda X: X.sum(), X, B, ValueError, r"f\(X\) must have shape"),
        (lambda X: X[:, 0] * np.nan, X, B, ValueError, r"f\(X\) must be finite"),
        (lambda X: ["a"] * len(X), X, B, TypeError, r"f\(X\) must hold real"),
        (lambda X: X[:, 0] - X.mean(), X, B, ValueError, "f must treat rows apart"),
        (lambda X: X[:, 0] * 1e305, X, B, ValueError, "f must return scores below"),
        (total, [1.0, np.nan], B, ValueError, "x must be finite"),
        (total, [X], B, ValueError, "x must have shape"),
        (total, 1.0, B, ValueError, "x must have shape"),
        (total, [], np.zeros((2, 0)), ValueError, "x must have at least"),
        (total, "ab", B, TypeError, "x must hold real"),
        (total, [1, 2, 3], B, ValueError, "background must have shape"),
        (total, X, [0.0, 0.0], ValueError, "background must have shape"),
        (total, X, np.zeros((0, 2)), ValueError, "background must have at least"),
        (total, X, [[0.0, np.inf]], ValueError, "background must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(run, f, x, background, error, message):
    with pytest.raises(error, match=message):
        run(f, x, background, np.random.default_rng(0))


@pytest.mark.parametrize(("bad", "error"), TABLES)
def test_what_is_no_table_is_no_background(bad, error):
    with pytest.raises(error, match="background"):
        exact_shapley(total, [0.0, 0.0], bad)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: exact_shapley(asks, np.ones(21), np.zeros((2, 21))),
            ValueError,
            "at most 20 features to take all coalitions, got 21: draw some with kernel_shap",
        ),
        (
            lambda: kernel_shap(asks, np.ones(21), np.zeros((2, 21))),
            ValueError,
            "at most 20 features.*permutation_shapley",
        ),
        (
            lambda: kernel_shap(asks, X, B, coalitions=1, rng=RNG),
            ValueError,
            "coalitions must be at least 2, got 1",
        ),
        (
            lambda: kernel_shap(
                asks, np.ones(9), np.zeros((1, 9)), coalitions=7, rng=RNG, paired=False
            ),
            ValueError,
            "coalitions must be at least 8, got 7",
        ),
        (
            lambda: kernel_shap(asks, X, B, coalitions=3, rng=RNG),
            ValueError,
            "coalitions must be even where paired, got 3",
        ),
        (
            lambda: kernel_shap(asks, X, B, coalitions=2.0, rng=RNG),
            TypeError,
            "coalitions must be an integer",
        ),
        (
            lambda: kernel_shap(asks, X, B, coalitions=4),
            TypeError,
            "rng must be a numpy.random.Generator",
        ),
        (
            lambda: permutation_shapley(asks, X, B, permutations=0, rng=RNG),
            ValueError,
            "permutations must be at least 1",
        ),
        (
            lambda: permutation_shapley(asks, X, B, permutations=1, rng=0),
            TypeError,
            "rng must be a numpy.random.Generator",
        ),
        (
            lambda: coalition_values(asks, X, B, [[0, 2]]),
            ValueError,
            "coalitions must hold integers from 0 to 1",
        ),
        (
            lambda: coalition_values(asks, X, B, [[0.0, 1.0]]),
            TypeError,
            "coalitions must hold integers",
        ),
        (
            lambda: coalition_values(asks, X, B, [[0, 1, 1]]),
            ValueError,
            r"coalitions must have shape \(n, 2\)",
        ),
        (
            lambda: coalition_values(asks, X, B, [0, 1]),
            ValueError,
            "coalitions must have shape",
        ),
        (
            lambda: coalition_values(asks, X, B, np.zeros((0, 2), bool)),
            ValueError,
            "coalitions must have shape",
        ),
        (lambda: all_coalitions(0), ValueError, "d must be between 1 and 20"),
        (lambda: all_coalitions(21), ValueError, "d must be between 1 and 20"),
        (lambda: all_coalitions(2.0), TypeError, "d must be an integer"),
        (lambda: shapley_of_game([1.0]), ValueError, "values must hold 2"),
        (lambda: shapley_of_game([]), ValueError, "values must have at least"),
        (lambda: shapley_of_game(np.ones(6)), ValueError, "values must hold 2.*got 6"),
        (lambda: shapley_of_game(np.ones(2**21)), ValueError, "values must hold 2"),
        (
            lambda: shapley_of_game(np.ones((2, 2))),
            ValueError,
            "values must have shape",
        ),
        (lambda: shapley_of_game([0, np.nan]), ValueError, "values must be finite"),
        (lambda: shapley_of_game([0, 1e305]), ValueError, "values must stay below"),
        (lambda: shapley_of_game(None), TypeError, "values must hold real"),
    ],
)
def test_what_is_out_of_range_is_refused_before_the_model_is_asked(
    call, error, message
):
    with pytest.raises(error, match=message):
        call()


def test_twenty_features_are_enumerated():
    d = 20
    w = np.arange(1.0, d + 1)
    phi = exact_shapley(lambda X: X @ w, np.ones(d), np.zeros((1, d)))
    # A million weighted differences: the sum of the weights is one, in any order.
    np.testing.assert_allclose(phi, w, rtol=0, atol=2**d * 210 * EPS)
