"""The properties that make `companion.value_alignment.reward_equivalence` correct."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.mdp import MDP, policy_iteration
from companion.value_alignment.reward_equivalence import (
    canonical_reward,
    epic_distance,
)
from tests.rounding import EPS, rounding

quick = settings(derandomize=True, deadline=None, max_examples=40)
S, A = 5, 3
SIZE = S * A * S


def draw(seed, states=S, actions=A):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((states, actions, states)), rng


def shaping(phi, gamma):
    """The payment of a potential, the same for every action."""
    return gamma * phi - phi[:, None, None]


def distributions(rng):
    """Full support, and far from uniform."""
    mu, nu = rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(A))
    return mu, nu, rng.dirichlet(np.ones(SIZE)).reshape(S, A, S)


def _by_enumeration(R, gamma, mu, nu):
    """The definition, one draw of S, A and S' after the other."""
    out = np.empty_like(R)
    for s, a, t in itertools.product(range(S), range(A), range(S)):
        expected = 0.0
        for u, b, v in itertools.product(range(S), range(A), range(S)):
            chance = mu[u] * nu[b] * mu[v]
            expected += chance * (gamma * R[t, b, v] - R[s, b, v] - gamma * R[u, b, v])
        out[s, a, t] = R[s, a, t] + expected
    return out


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_the_canonical_reward_is_the_definition_enumerated(gamma):
    R, rng = draw(0)
    mu, nu, _ = distributions(rng)
    # Three sums of SIZE products of numbers up to the largest reward.
    np.testing.assert_allclose(
        canonical_reward(R, gamma, states=mu, actions=nu),
        _by_enumeration(R, gamma, mu, nu),
        rtol=0,
        atol=rounding(3 * SIZE, 3 * np.abs(R).max()),
    )
    uniform = np.full(S, 1 / S), np.full(A, 1 / A)
    np.testing.assert_allclose(
        canonical_reward(R, gamma),
        _by_enumeration(R, gamma, *uniform),
        rtol=0,
        atol=rounding(3 * SIZE, 3 * np.abs(R).max()),
    )


@quick
@given(
    seed=st.integers(0, 10**6),
    gamma=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_shaping_and_constants_do_not_change_the_canonical_reward(seed, gamma, scale):
    R, rng = draw(seed)
    mu, nu, _ = distributions(rng)
    phi = scale * rng.standard_normal(S)
    changed = R + shaping(phi, gamma) + 5.0
    np.testing.assert_allclose(
        canonical_reward(changed, gamma, mu, nu),
        canonical_reward(R, gamma, mu, nu),
        rtol=0,
        atol=rounding(2 * SIZE, np.abs(changed).max() + np.abs(R).max()),
    )


def test_the_canonical_reward_is_linear_and_its_own_canonical_reward():
    R, rng = draw(1)
    other, (mu, nu, _) = draw(2)[0], distributions(rng)
    C = lambda x: canonical_reward(x, 0.9, mu, nu)  # noqa: E731
    bound = rounding(3 * SIZE, 20)
    np.testing.assert_allclose(
        C(2 * R - 3 * other), 2 * C(R) - 3 * C(other), rtol=0, atol=bound
    )
    np.testing.assert_allclose(C(C(R)), C(R), rtol=0, atol=bound)
    # What is left pays nothing on average, from any state.
    np.testing.assert_allclose((C(R) @ mu) @ nu, 0, rtol=0, atol=bound)


def test_it_is_a_shaping_of_the_reward_so_the_optimum_stays():
    for seed in range(20):
        R, rng = draw(seed)
        P = rng.dirichlet(np.ones(S), (S, A))
        plain, canonical = (
            policy_iteration(MDP(P, (P * x).sum(axis=2), 0.9)).policy
            for x in (R, canonical_reward(R, 0.9))
        )
        np.testing.assert_array_equal(plain, canonical)


def loss(R, gamma, mu=None, nu=None, weight=None):
    """How much rounding an EPIC distance may carry: that of its table in units of its deviation."""
    C = canonical_reward(R, gamma, mu, nu)
    w = np.full(C.shape, 1 / C.size) if weight is None else weight
    deviation = np.sqrt((w * (C - (w * C).sum()) ** 2).sum())
    return rounding(3 * SIZE, np.abs(R).max() / deviation)


@quick
@given(
    seed=st.integers(0, 10**6),
    gamma=st.sampled_from([0.0, 0.9, 1.0]),
    factor=st.sampled_from([1e-6, 0.3, 3.7, 1e6]),
)
def test_the_distance_of_equivalent_rewards_is_zero(seed, gamma, factor):
    R, rng = draw(seed)
    mu, nu, w = distributions(rng)
    same = factor * R + shaping(factor * rng.standard_normal(S), gamma) + factor
    given_ = {"coverage": w, "states": mu, "actions": nu}
    bound = loss(R, gamma, mu, nu, w) + loss(same, gamma, mu, nu, w)
    assert bound < 1e-7
    assert epic_distance(R, same, gamma, **given_) <= bound
    assert epic_distance(R, same, gamma) <= loss(R, gamma) + loss(same, gamma)


def _naive_distance(R, other, gamma):
    """The form with the correlation, which loses half of the digits."""
    x, y = (canonical_reward(r, gamma).ravel() for r in (R, other))
    return np.sqrt(max(0.0, 1 - np.corrcoef(x, y)[0, 1]) / 2)


def test_the_form_with_the_correlation_is_the_same_number_and_loses_half_the_digits():
    lost = []
    for seed in range(50):
        R, rng = draw(seed)
        other = draw(seed + 1000)[0]
        assert epic_distance(R, other, 0.9) == pytest.approx(
            _naive_distance(R, other, 0.9), rel=0, abs=loss(R, 0.9) + loss(other, 0.9)
        )
        same = 3 * R + shaping(rng.standard_normal(S), 0.9)
        assert epic_distance(R, same, 0.9) < 1e-13
        lost.append(_naive_distance(R, same, 0.9))
    assert 1e-9 < max(lost) < 1e-7


@quick
@given(seed=st.integers(0, 10**6))
def test_the_opposite_is_at_one_and_squares_of_opposites_add_up_to_one(seed):
    R, rng = draw(seed)
    other = draw(seed + 1)[0]
    mu, nu, w = distributions(rng)
    given_ = {"coverage": w, "states": mu, "actions": nu}
    bound = loss(R, 0.9, mu, nu, w) + loss(other, 0.9, mu, nu, w)
    opposite = epic_distance(R, -R, 0.9, **given_)
    assert opposite == pytest.approx(1, rel=0, abs=bound)
    assert opposite <= 1
    total = (
        epic_distance(R, other, 0.9, **given_) ** 2
        + epic_distance(R, -other, 0.9, **given_) ** 2
    )
    assert total == pytest.approx(1, rel=0, abs=4 * bound)


@quick
@given(seed=st.integers(0, 10**6))
def test_it_is_a_pseudometric(seed):
    rng = np.random.default_rng(seed)
    x, y, z = (rng.standard_normal((S, A, S)) for _ in range(3))
    d = lambda a, b: epic_distance(a, b, 0.7)  # noqa: E731
    assert d(x, y) == d(y, x)
    assert d(x, x) == 0
    assert 0 <= d(x, z) <= d(x, y) + d(y, z) + rounding(10, 1)


def test_the_distance_is_that_of_the_weighted_correlation():
    R, rng = draw(4)
    other, (mu, nu, w) = draw(5)[0], distributions(rng)
    x, y = (_by_enumeration(r, 0.9, mu, nu).ravel() for r in (R, other))
    v = w.ravel()
    cov = np.cov(np.stack([x, y]), aweights=v, ddof=0)
    rho = cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])
    bound = loss(R, 0.9, mu, nu, w) + loss(other, 0.9, mu, nu, w)
    assert epic_distance(
        R, other, 0.9, coverage=w, states=mu, actions=nu
    ) == pytest.approx(np.sqrt((1 - rho) / 2), rel=0, abs=4 * bound)
    # By default the transitions are independent draws of the two distributions.
    product = mu[:, None, None] * nu[:, None] * mu
    product /= product.sum()
    assert epic_distance(R, other, 0.9, states=mu, actions=nu) == pytest.approx(
        epic_distance(R, other, 0.9, coverage=product, states=mu, actions=nu),
        rel=0,
        abs=4 * bound,
    )


def test_only_covered_transitions_are_compared():
    R, rng = draw(6)
    w = np.zeros((S, A, S))
    w[:2, 0, :] = 0.1
    C = canonical_reward(R, 0.9)
    other = R.copy()
    other[2:, :, :] += rng.standard_normal((S - 2, A, S))
    D = canonical_reward(other, 0.9)
    x, y = C[:2, 0].ravel(), D[:2, 0].ravel()
    expected = np.sqrt((1 - np.corrcoef(x, y)[0, 1]) / 2)
    assert epic_distance(R, other, 0.9, coverage=w) == pytest.approx(
        expected, rel=0, abs=1e-12
    )
    # The canonical reward looks beyond the coverage: that is why it is not 0.
    assert expected > 0.01


def test_on_mean_rewards_shaping_no_longer_counts_as_nothing():
    found = []
    for seed in range(20):
        R, rng = draw(seed)
        P = rng.dirichlet(np.ones(S), (S, A))
        same = R + shaping(rng.standard_normal(S), 0.9)
        r, r_same = (
            np.repeat((P * x).sum(axis=2)[:, :, None], S, axis=2) for x in (R, same)
        )
        found.append(epic_distance(r, r_same, 0.9))
        assert epic_distance(R, same, 0.9) < 1e-13
    assert min(found) > 0.01


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
def test_rewards_of_every_scale_have_their_distance(scale):
    R, other = draw(0)[0], draw(1)[0]
    R, other = R / np.abs(R).max(), other / np.abs(other).max()
    # Subnormal products of 1e-300 are avoided by the unit, so only the two scalings round.
    assert epic_distance(R * scale, other, 0.9) == pytest.approx(
        epic_distance(R, other, 0.9), rel=0, abs=loss(R, 0.9) + loss(other, 0.9)
    )


def test_integers_of_every_width_are_the_same_numbers():
    R = np.arange(12).reshape(2, 3, 2) ** 2 % 100
    other = (R[::-1] - 3).astype(np.int8)
    assert epic_distance(R.astype(np.int8), other, 0.5) == epic_distance(
        R.astype(float), other.astype(float), 0.5
    )


def test_nothing_that_was_passed_is_changed():
    R, rng = draw(0)
    other, (mu, nu, w) = draw(1)[0], distributions(rng)
    tables = [R, other, mu, nu, w]
    before = [t.copy() for t in tables]
    for t in tables:
        t.flags.writeable = False
    epic_distance(R, other, 0.9, coverage=w, states=mu, actions=nu)
    out = canonical_reward(R, 0.9, mu, nu)
    for t, b in zip(tables, before, strict=True):
        np.testing.assert_array_equal(t, b)
    assert not np.shares_memory(out, R)


# Two halves of "it is not the same optimal policy", as the lesson shows them


def world(seed):
    """Eight states, three actions, each leading to two states."""
    rng = np.random.default_rng(seed)
    P = np.zeros((8, 3, 8))
    for s, a in itertools.product(range(8), range(3)):
        P[s, a, rng.choice(8, 2, replace=False)] = rng.dirichlet(np.ones(2))
    return P, rng.standard_normal((8, 3, 8)), rng


def optimum(P, R):
    return policy_iteration(MDP(P, (P * R).sum(axis=2), 0.9)).policy


def test_far_rewards_may_have_one_optimum_and_near_ones_two():
    changed = 0
    for seed in range(40):
        P, R, rng = world(seed)
        impossible = np.where(P > 0, R, rng.standard_normal(R.shape))
        assert epic_distance(R, impossible, 0.9) > 0.5
        np.testing.assert_array_equal(optimum(P, R), optimum(P, impossible))
        noisy = R + 0.1 * rng.standard_normal(R.shape)
        assert epic_distance(R, noisy, 0.9) < 0.07
        changed += (optimum(P, R) != optimum(P, noisy)).any()
    assert 5 < changed < 25


# Bad input

GOOD = draw(0)[0]
FLAT = shaping(np.array([3.0, 1.0, -2.0, 0.5, 7.0]), 0.9) + np.zeros((S, A, S))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: canonical_reward(np.zeros((5, 3)), 0.9), ValueError, "not their mean"),
        (lambda: canonical_reward(np.zeros((5, 3, 4)), 0.9), ValueError, "reward must"),
        (lambda: canonical_reward(np.zeros((0, 3, 0)), 0.9), ValueError, "reward must"),
        (lambda: canonical_reward(np.zeros((5, 0, 5)), 0.9), ValueError, "reward must"),
        (
            lambda: canonical_reward(GOOD * np.nan, 0.9),
            ValueError,
            "reward must be fin",
        ),
        (lambda: canonical_reward(GOOD * 1e305, 0.9), ValueError, "below 1e300"),
        (lambda: canonical_reward(None, 0.9), TypeError, "reward must hold real"),
        (lambda: canonical_reward([["a"]], 0.9), TypeError, "reward must hold real"),
        (
            lambda: canonical_reward(torch.zeros(2, 1, 2, requires_grad=True), 0.9),
            TypeError,
            "reward must hold real",
        ),
        (lambda: canonical_reward(GOOD, 1.1), ValueError, "discount must lie"),
        (lambda: canonical_reward(GOOD, -0.1), ValueError, "discount must lie"),
        (lambda: canonical_reward(GOOD, np.nan), ValueError, "discount must"),
        (
            lambda: canonical_reward(GOOD, 0.9, states=np.ones(5)),
            ValueError,
            "states must sum to 1",
        ),
        (
            lambda: canonical_reward(GOOD, 0.9, states=np.ones(4) / 4),
            ValueError,
            "states must have shape",
        ),
        (
            lambda: canonical_reward(GOOD, 0.9, actions=[0.5, 0.6, -0.1]),
            ValueError,
            r"actions must lie in \[0, 1\]",
        ),
        (
            lambda: epic_distance(GOOD, draw(0, 4)[0], 0.9),
            ValueError,
            "other must have the shape of reward",
        ),
        (
            lambda: epic_distance(GOOD, GOOD[:, :2], 0.9),
            ValueError,
            "other must have the shape of reward",
        ),
        (
            lambda: epic_distance(GOOD, GOOD.reshape(1, SIZE, 1), 0.9),
            ValueError,
            "other must have the shape of reward",
        ),
        (
            lambda: epic_distance(GOOD, np.inf * GOOD, 0.9),
            ValueError,
            "other must be finite",
        ),
        (
            lambda: epic_distance(GOOD, GOOD, 0.9, coverage=np.ones((S, A, S))),
            ValueError,
            "coverage must sum to 1",
        ),
        (
            lambda: epic_distance(GOOD, GOOD, 0.9, coverage=np.ones((S, A)) / 15),
            ValueError,
            "coverage must have shape",
        ),
        (
            lambda: epic_distance(GOOD, np.zeros((S, A, S)), 0.9),
            ValueError,
            "other must ask for something",
        ),
        (
            lambda: epic_distance(np.full((S, A, S), 5.0), GOOD, 0.9),
            ValueError,
            "reward must ask for something",
        ),
        (
            lambda: epic_distance(GOOD, FLAT, 0.9),
            ValueError,
            "other must ask for something",
        ),
        (
            lambda: epic_distance(1e250 * FLAT, GOOD, 0.9),
            ValueError,
            "reward must ask for something",
        ),
        (
            # One transition cannot vary.
            lambda: epic_distance(
                GOOD, GOOD, 0.9, coverage=np.eye(SIZE)[7].reshape(S, A, S)
            ),
            ValueError,
            "reward must ask for something",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_reward_that_varies_a_little_is_not_refused():
    # The bound on what counts as constant is rounding, not size.
    R = FLAT + 1e-9 * GOOD
    assert epic_distance(R, GOOD, 0.9) < 100 * EPS * 7 / 1e-9
