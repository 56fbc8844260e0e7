"""The properties that make `companion.value_alignment.empowerment` correct."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import minimize

from companion.mdp import MDP
from companion.problems import river_swim, slippery_cliff
from companion.value_alignment.empowerment import (
    action_channel,
    channel_capacity,
    empowerment,
    mutual_information,
)
from tests.rounding import EPS, rounding

quick = settings(derandomize=True, deadline=None, max_examples=40)
TOLERANCE = 1e-9  # of the bounds, in bits, where nothing else is said


def entropy(p: float) -> float:
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p) if 0 < p < 1 else 0.0


def random_channels(seed, shape, concentration=1.0):
    *many, inputs, outputs = shape
    rng = np.random.default_rng(seed)
    W = rng.dirichlet(np.full(outputs, concentration), (*many, inputs))
    return W / W.sum(axis=-1, keepdims=True)


def plain_blahut_arimoto(W, rounds):
    """The iteration as it was published, and its bounds."""
    p = np.full(len(W), 1 / len(W))
    for _ in range(rounds):
        q = p @ W
        D = np.array(
            [
                sum(w * np.log2(w / m) for w, m in zip(row, q, strict=True) if w > 0)
                for row in W
            ]
        )
        lower, upper = p @ D, D.max()
        p = p * 2.0**D
        p /= p.sum()
    return lower, upper


# Capacity: closed forms


@pytest.mark.parametrize("flip", [0.0, 1e-300, 1e-9, 0.1, 0.37, 0.5, 0.9, 1.0])
def test_a_bit_that_is_flipped_carries_one_minus_its_entropy(flip):
    answer = channel_capacity([[1 - flip, flip], [flip, 1 - flip]])
    assert answer.bits == pytest.approx(1 - entropy(flip), abs=TOLERANCE)
    # Uniform inputs are optimal and are tried first, so only rounding is left.
    assert answer.lower == pytest.approx(1 - entropy(flip), abs=rounding(20, 1))
    assert answer.converged


@pytest.mark.parametrize("lost", [0.0, 0.25, 0.9, 1.0])
@pytest.mark.parametrize("symbols", [2, 5])
def test_a_symbol_that_is_lost_carries_what_is_kept(lost, symbols):
    W = np.column_stack([(1 - lost) * np.eye(symbols), np.full(symbols, lost)])
    expected = (1 - lost) * np.log2(symbols)
    assert channel_capacity(W).bits == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("flip", [1e-6, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_bit_that_is_flipped_one_way_has_its_closed_form(flip):
    answer = channel_capacity([[1, 0], [flip, 1 - flip]])
    expected = np.log2(1 + (1 - flip) * flip ** (flip / (1 - flip)))
    assert answer.bits == pytest.approx(expected, abs=TOLERANCE)
    assert answer.lower - rounding(20, 1) <= expected <= answer.upper + rounding(20, 1)


@pytest.mark.parametrize("shape", [(3, 3), (4, 7), (6, 2)])
def test_certain_channels_carry_the_logarithm_of_their_outputs(shape):
    rng = np.random.default_rng(0)
    for _ in range(10):
        out = rng.integers(0, shape[1], shape[0])
        answer = channel_capacity(np.eye(shape[1])[out])
        expected = np.log2(len(set(out)))
        assert answer.bits == pytest.approx(expected, abs=TOLERANCE)


def test_what_ignores_its_input_carries_nothing():
    W = np.tile(random_channels(0, (1, 6)), (5, 1))
    answer = channel_capacity(W)
    # Sums of six logarithms below ten, in different orders.
    assert answer.bits == pytest.approx(0, abs=rounding(20, 10))
    assert channel_capacity([[0.2, 0.8]]).bits == pytest.approx(0, abs=rounding(20, 10))
    assert answer.lower >= 0


def test_cyclic_channels_have_uniform_inputs():
    row = np.array([0.5, 0.3, 0.15, 0.05])
    W = np.stack([np.roll(row, i) for i in range(4)])
    expected = 2 + (row * np.log2(row)).sum()
    answer = channel_capacity(W)
    assert answer.bits == pytest.approx(expected, abs=TOLERANCE)
    np.testing.assert_allclose(answer.input, 0.25, rtol=0, atol=1e-12)


# Capacity: bounds


@pytest.mark.parametrize("concentration", [0.01, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("shape", [(20, 2, 2), (20, 3, 9), (20, 9, 3), (5, 40, 40)])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-9, 1e-12])
def test_every_channel_is_certified_in_a_few_steps(shape, concentration, tolerance):
    W = random_channels(1, shape, concentration)
    answer = channel_capacity(W, tolerance)
    assert answer.converged.all()
    assert (answer.upper - answer.lower).max() <= tolerance
    assert answer.iterations <= 40
    # A quotient, a logarithm and a product for each output, on logarithms below 700.
    sent = mutual_information(answer.input, W)
    np.testing.assert_allclose(
        sent, answer.lower, rtol=0, atol=rounding(3 * shape[2], 10)
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_published_iteration_has_the_same_bounds(seed):
    W = random_channels(seed, (4, 5))
    answer = channel_capacity(W)
    slack = rounding(60, 10)
    last = 0.0
    for rounds in (1, 3, 30, 300):
        lower, upper = plain_blahut_arimoto(W, rounds)
        assert last - slack <= lower <= answer.upper + slack
        assert answer.lower - slack <= upper
        last = lower
    assert lower == pytest.approx(answer.bits, abs=upper - lower + TOLERANCE)


@pytest.mark.parametrize("seed", range(3))
def test_no_distribution_transmits_more(seed):
    W = random_channels(seed, (5, 4), 0.5)
    answer = channel_capacity(W)
    rng = np.random.default_rng(seed)
    tried = rng.dirichlet(np.full(5, 0.5), 2000)
    tried /= tried.sum(axis=1, keepdims=True)
    assert mutual_information(tried, W).max() <= answer.upper

    def loss(x):
        p = np.exp(x) / np.exp(x).sum()
        return -float(mutual_information(p / p.sum(), W))

    found = -min(minimize(loss, rng.normal(size=5)).fun for _ in range(3))
    # The search stops at a gradient of 1e-5, which vanishes, too, where an input dies out.
    assert answer.upper - 1e-3 <= found <= answer.upper


def test_two_inputs_are_searched_on_a_grid_in_forty_digits():
    W = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    with mpmath.workdps(40):
        rows = [[mpmath.mpf(str(x)) for x in row] for row in W]

        def sent(t):
            q = [t * a + (1 - t) * b for a, b in zip(*rows, strict=True)]
            parts = zip((t, 1 - t), rows, strict=True)
            return sum(
                share * x * mpmath.log(x / m, 2)
                for share, row in parts
                for x, m in zip(row, q, strict=True)
            )

        best = mpmath.findroot(lambda t: mpmath.diff(sent, t), 0.5)
        expected = float(sent(best))
    assert channel_capacity(W, 1e-12).bits == pytest.approx(expected, abs=1e-12)


def test_at_a_limit_the_bounds_hold_and_convergence_is_denied():
    W = random_channels(0, (6, 6))
    exact = channel_capacity(W, 1e-12).bits
    for limit in (1, 2, 5):
        answer = channel_capacity(W, 1e-12, limit=limit)
        assert not answer.converged
        assert answer.iterations == limit
        assert answer.lower <= exact + 1e-12
        assert answer.upper >= exact - 1e-12


# Capacity: what must hold


@quick
@given(seed=st.integers(0, 10**6), concentration=st.sampled_from([0.1, 1.0]))
def test_processing_what_arrives_or_what_is_sent_adds_nothing(seed, concentration):
    W = random_channels(seed, (4, 5), concentration)
    before = random_channels(seed + 1, (6, 4))
    after = random_channels(seed + 2, (5, 3))
    whole = channel_capacity(W).upper
    slack = rounding(60, 10)
    for processed in (W @ after, before @ W):
        processed = processed / processed.sum(axis=1, keepdims=True)
        assert channel_capacity(processed).lower <= whole + slack


def test_a_second_input_of_the_same_effect_adds_nothing_and_order_does_not_matter():
    W = random_channels(3, (4, 5))
    plain = channel_capacity(W)
    again = channel_capacity(W[[0, 1, 2, 3, 3, 1, 1]])
    turned = channel_capacity(W[::-1, ::-1])
    split = channel_capacity(np.column_stack([W / 4, W * 3 / 4]))
    for other in (again, turned, split):
        assert other.bits == pytest.approx(plain.bits, abs=2 * TOLERANCE)


def test_capacities_of_two_channels_side_by_side_add_up():
    A, B = random_channels(0, (3, 4)), random_channels(1, (2, 3))
    both = np.kron(A, B)
    both /= both.sum(axis=1, keepdims=True)
    expected = channel_capacity(A).bits + channel_capacity(B).bits
    assert channel_capacity(both).bits == pytest.approx(expected, abs=3 * TOLERANCE)


def test_a_choice_between_two_channels_adds_powers():
    A, B = random_channels(0, (3, 4)), random_channels(1, (2, 3))
    either = np.zeros((5, 7))
    either[:3, :4], either[3:, 4:] = A, B
    expected = np.log2(sum(2 ** channel_capacity(W).bits for W in (A, B)))
    assert channel_capacity(either).bits == pytest.approx(expected, abs=3 * TOLERANCE)


def test_many_channels_at_once_are_each_by_itself():
    W = random_channels(2, (3, 4, 5, 6))
    answer = channel_capacity(W)
    assert answer.bits.shape == (3, 4)
    assert answer.input.shape == (3, 4, 5)
    for i, j in itertools.product(range(3), range(4)):
        alone = channel_capacity(W[i, j])
        assert answer.bits[i, j] == pytest.approx(alone.bits, abs=2 * TOLERANCE)


def test_outputs_that_never_come_and_tiny_probabilities_are_no_matter():
    W = np.array([[1 - 1e-300, 1e-300, 0], [0.5, 0.5, 0]])
    z = channel_capacity([[0.5, 0.5], [1, 0]]).bits
    assert channel_capacity(W).bits == pytest.approx(z, abs=2 * TOLERANCE)


@pytest.mark.parametrize("dtype", [np.int8, np.bool_, np.float32])
def test_numbers_of_every_width_are_the_same_numbers(dtype):
    assert channel_capacity(np.eye(4, dtype=dtype)).bits == pytest.approx(
        2, abs=TOLERANCE
    )


def test_nothing_that_was_passed_is_changed():
    W = random_channels(0, (4, 4))
    before = W.copy()
    W.flags.writeable = False
    channel_capacity(W)
    mutual_information(np.full(4, 0.25), W)
    np.testing.assert_array_equal(W, before)


# Mutual information


def test_information_is_entropy_before_less_entropy_after():
    W = random_channels(0, (4, 5), 0.5)
    p = np.array([0.1, 0.2, 0.3, 0.4])
    joint = p[:, None] * W
    entropies = [
        -(q[q > 0] * np.log2(q[q > 0])).sum()
        for q in (joint.ravel(), p, joint.sum(axis=0))
    ]
    expected = entropies[1] + entropies[2] - entropies[0]
    assert mutual_information(p, W) == pytest.approx(expected, abs=rounding(60, 10))
    assert mutual_information([0, 1, 0, 0], W) == pytest.approx(0, abs=rounding(20, 10))


# Action channels


def grid(size, stay=False, slip=0.0):
    """Four directions on a square of cells with walls; with `slip`, to either side instead."""
    row, column = np.divmod(np.arange(size * size), size)
    moves = [(0, -1), (1, 0), (0, 1), (-1, 0)]
    P = np.zeros((size * size, 4 + stay, size * size))
    for a, turn in itertools.product(range(4), (-1, 0, 1)):
        down, right = moves[(a + turn) % 4]
        r, c = np.clip(row + down, 0, size - 1), np.clip(column + right, 0, size - 1)
        P[np.arange(size * size), a, r * size + c] += slip / 2 if turn else 1 - slip
    if stay:
        P[:, 4] = np.eye(size * size)
    return MDP(P, np.zeros(P.shape[:2]), 0.9)


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("state", [0, 4, 7])
def test_the_channel_holds_every_sequence_with_its_share(steps, state):
    mdp = grid(3, slip=0.3)
    channel, share = action_channel(mdp, state, steps)
    ends = []
    for actions in itertools.product(range(4), repeat=steps):
        end = np.eye(9)[state]
        for a in actions:
            end = end @ mdp.transition[:, a]
        ends.append(end)
    # Each step sums nine products of probabilities and divides once.
    bound = rounding(10 * steps, 1)
    found = np.zeros(len(channel))
    for end in ends:
        near = np.flatnonzero(np.abs(channel - end).max(axis=1) <= bound)
        assert near.size
        found[near] += 1 / near.size / 4**steps
    assert share.sum() == pytest.approx(1, abs=rounding(10, 1))
    np.testing.assert_allclose(channel.sum(axis=1), 1, rtol=0, atol=rounding(10, 1))
    assert len(channel) <= 4**steps
    np.testing.assert_allclose(found, share, rtol=0, atol=rounding(4**steps, 1))


def test_a_certain_process_has_one_input_for_each_end():
    channel, share = action_channel(grid(5), 12, 2)
    assert len(channel) == 9
    np.testing.assert_array_equal(channel, channel.astype(bool))
    # Of sixteen sequences four come back, two reach each diagonal cell, one each far one.
    np.testing.assert_allclose(
        np.sort(share * 16), [1] * 4 + [2] * 4 + [4], rtol=0, atol=rounding(20, 4)
    )


def test_sequences_that_differ_by_rounding_only_are_one_input():
    # Far from the walls only how often each direction is taken matters: of the 256
    # sequences of four steps that leaves 35 counts.
    channel, _ = action_channel(grid(9, slip=0.3), 40, 4)
    assert len(channel) == 35


def test_a_sparse_process_has_the_same_channel():
    dense = river_swim(5).rows.toarray().reshape(5, 2, 5)
    mdp = MDP(dense, np.zeros((5, 2)), 0.9)
    other = MDP(sparse.csr_array(dense.reshape(10, 5)), np.zeros((5, 2)), 0.9)
    for state in range(5):
        # Products in another order.
        for a, b in zip(
            action_channel(mdp, state, 3), action_channel(other, state, 3), strict=True
        ):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=0, atol=rounding(20, 1))


# Empowerment


@pytest.mark.parametrize(
    ("stay", "centre", "corner"), [(True, 41, 15), (False, 25, 15)]
)
def test_on_a_large_grid_it_is_the_known_count_of_cells(stay, centre, corner):
    answer = empowerment(grid(9, stay), steps=4)
    for state, cells in ((40, centre), (0, corner)):
        assert answer.reachable[state] == cells
        assert answer.bits[state] == pytest.approx(np.log2(cells), abs=TOLERANCE)
    assert answer.converged.all()


@quick
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 4))
def test_where_steps_are_certain_it_is_the_logarithm_of_the_reachable_states(
    seed, steps
):
    rng = np.random.default_rng(seed)
    to = rng.integers(0, 7, (7, 3))
    answer = empowerment(MDP(np.eye(7)[to], np.zeros((7, 3)), 0.9), steps)
    for state in range(7):
        ends = {state}
        for _ in range(steps):
            ends = {int(to[s, a]) for s in ends for a in range(3)}
        assert answer.reachable[state] == len(ends)
        assert answer.bits[state] == pytest.approx(np.log2(len(ends)), abs=TOLERANCE)


def test_it_is_the_capacity_of_all_sequences_state_by_state():
    mdp = grid(3, slip=0.4)
    answer = empowerment(mdp, steps=2)
    for state in range(9):
        W = np.array(
            [
                np.eye(9)[state] @ mdp.transition[:, a] @ mdp.transition[:, b]
                for a, b in itertools.product(range(4), repeat=2)
            ]
        )
        W /= W.sum(axis=1, keepdims=True)
        alone = channel_capacity(W)
        assert answer.bits[state] == pytest.approx(alone.bits, abs=2 * TOLERANCE)
        assert answer.uniform[state] == pytest.approx(
            mutual_information(np.full(16, 1 / 16), W), abs=rounding(60, 10)
        )
        assert answer.reachable[state] == (W > 0).any(axis=0).sum()


def test_uniform_actions_are_a_lower_and_the_reachable_states_an_upper_bound():
    answer = empowerment(slippery_cliff(slip=0.3), steps=3)
    slack = rounding(200, 10)
    assert (answer.uniform <= answer.upper + slack).all()
    assert (answer.lower <= np.log2(answer.reachable) + slack).all()
    assert (answer.bits - answer.uniform).max() > 0.01
    assert (np.log2(answer.reachable) - answer.bits).max() > 1
    assert (answer.lower <= answer.bits).all()
    assert (answer.bits <= answer.upper).all()


def test_one_step_on_ice_carries_the_logarithm_of_four_thirds():
    # Each action reaches three of four neighbours with a third each.
    answer = empowerment(grid(5, slip=2 / 3), steps=1)
    assert answer.bits[12] == pytest.approx(np.log2(4 / 3), abs=TOLERANCE)


def test_an_absorbing_state_has_none_and_rewards_do_not_matter():
    mdp = slippery_cliff(slip=0.2)
    other = MDP(mdp.transition, -3 * mdp.reward + 1, 0.1)
    a, b = empowerment(mdp, 2), empowerment(other, 2)
    assert a.bits[47] == pytest.approx(0, abs=rounding(100, 10))
    np.testing.assert_array_equal(a.bits, b.bits)


def test_what_happens_rarely_and_by_luck_is_reachable_and_no_control():
    answer = empowerment(MDP([[[1 - 1e-9, 1e-9]]] * 2, [[0]] * 2, 0.9), steps=3)
    np.testing.assert_array_equal(answer.reachable, [2, 2])
    np.testing.assert_allclose(answer.bits, 0, rtol=0, atol=rounding(100, 10))


# Bad input

CHAIN = river_swim(3)
MANY = MDP(random_channels(0, (4, 3, 4)), np.zeros((4, 3)), 0.9)
PARTIAL = MDP(np.eye(2)[[[0, 1], [0, 1]]], [[0, -np.inf], [0, 0]], 0.9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: channel_capacity([[0.5, 0.6]]), ValueError, "channel must sum to 1"),
        (lambda: channel_capacity([[1.5, -0.5]]), ValueError, "channel must lie in"),
        (lambda: channel_capacity([[np.nan, 1]]), ValueError, "channel must be finite"),
        (lambda: channel_capacity([0.5, 0.5]), ValueError, "channel must have shape"),
        (lambda: channel_capacity(np.zeros((0, 2))), ValueError, "channel must have"),
        (lambda: channel_capacity(np.zeros((2, 0))), ValueError, "channel must hold"),
        (lambda: channel_capacity(None), TypeError, "channel must hold"),
        (lambda: channel_capacity("ab"), TypeError, "channel must hold"),
        (
            lambda: channel_capacity(sparse.csr_array(np.eye(2))),
            TypeError,
            "channel must hold",
        ),
        (lambda: channel_capacity(np.eye(2), 0), ValueError, "tolerance must lie"),
        (lambda: channel_capacity(np.eye(2), 1e-14), ValueError, "tolerance must lie"),
        (lambda: channel_capacity(np.eye(2), 1.1), ValueError, "tolerance must lie"),
        (lambda: channel_capacity(np.eye(2), np.nan), ValueError, "tolerance must be"),
        (lambda: channel_capacity(np.eye(2), limit=0), ValueError, "limit must be"),
        (lambda: channel_capacity(np.eye(2), limit=1.5), TypeError, "limit must be"),
        (lambda: mutual_information([1.0], np.eye(2)), ValueError, "one row for each"),
        (lambda: mutual_information([0.5, 0.6], np.eye(2)), ValueError, "inputs must"),
        (lambda: mutual_information([1.0], [1.0]), ValueError, "one row for each"),
        (lambda: action_channel(CHAIN, 3, 1), ValueError, "state must be between"),
        (lambda: action_channel(CHAIN, -1, 1), ValueError, "state must be between"),
        (lambda: action_channel(CHAIN, 0, 0), ValueError, "steps must be at least"),
        (lambda: action_channel(CHAIN, 0, 2.0), TypeError, "steps must be an integer"),
        (lambda: action_channel(PARTIAL, 0, 1), ValueError, "mdp must have every"),
        (lambda: action_channel(MANY, 0, 10), ValueError, "steps must leave at most"),
        (lambda: empowerment(PARTIAL, 1), ValueError, "mdp must have every"),
        (lambda: empowerment(CHAIN, 0), ValueError, "steps must be at least"),
        (lambda: empowerment(CHAIN, 1, 2), ValueError, "tolerance must lie"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_bounds_on_rounding_are_far_below_the_tolerance():
    assert rounding(200, 10) < TOLERANCE / 100
    assert EPS < 1e-15
