"""The properties that make `companion.value_alignment.value_based_design` correct."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.mdp import MDP, policy_iteration, policy_value
from companion.value_alignment.value_based_design import (
    deep_sea_treasure,
    hypervolume,
    mixing_range,
    nondominated,
    pareto_values,
    weight_range,
)
from tests.bad_input import TABLES
from tests.rounding import EPS, rounding

quick = settings(derandomize=True, deadline=None, max_examples=60)

# The published fronts at discount 1: treasure, and minus the steps to it.
CONCAVE = [(1, -1), (2, -3), (3, -5), (5, -7), (8, -8)]
CONCAVE += [(16, -9), (24, -13), (50, -14), (74, -17), (124, -19)]
CONVEX = [(0.7, -1), (8.2, -3), (11.5, -5), (14.0, -7), (15.1, -8)]
CONVEX += [(16.1, -9), (19.6, -13), (20.3, -14), (22.4, -17), (23.7, -19)]
PUBLISHED = {"concave": CONCAVE, "convex": CONVEX}

# The grid as it is drawn in the paper: letters are treasures, # the sea floor.
PICTURE = """
S..........
a..........
#b.........
##c........
###def.....
######.....
######.....
######gh...
########...
########i..
#########j.
"""


def best_front(layout: str, discount: float = 1.0) -> np.ndarray:
    sea = deep_sea_treasure(layout)
    return pareto_values(sea.transition, sea.reward, discount).fronts[sea.start]


# The sea


@pytest.mark.parametrize("layout", ["concave", "convex"])
def test_the_sea_is_the_picture_of_it(layout):
    sea = deep_sea_treasure(layout)
    grid = [list(line) for line in PICTURE.split()]
    worth = dict(zip("abcdefghij", (t for t, _ in PUBLISHED[layout]), strict=True))
    assert grid[0][0] == "S"
    assert sea.start == 0
    for row, column in itertools.product(range(11), repeat=2):
        here = grid[row][column]
        for action, (down, right) in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
            r, c = row + down, column + right
            inside = 0 <= r < 11 and 0 <= c < 11 and grid[r][c] != "#"
            to = (r, c) if here in "S." and inside else (row, column)
            paid = [worth.get(grid[to[0]][to[1]], 0.0), -1.0]
            state = 11 * row + column
            expected = np.zeros(121)
            expected[11 * to[0] + to[1]] = 1
            np.testing.assert_array_equal(sea.transition[state, action], expected)
            np.testing.assert_array_equal(
                sea.reward[state, action], paid if here in "S." else [0, 0]
            )


@pytest.mark.parametrize("layout", ["concave", "convex"])
def test_the_front_is_the_published_one(layout):
    np.testing.assert_array_equal(best_front(layout), PUBLISHED[layout])


@pytest.mark.parametrize("layout", ["concave", "convex"])
@pytest.mark.parametrize("discount", [0.99, 0.95, 0.9, 0.8, 0.7, 0.5, 0.0])
def test_the_discounted_front_is_that_of_the_shortest_ways(layout, discount):
    points = [
        (worth * discount ** (-time - 1), -sum(discount**i for i in range(-time)))
        for worth, time in PUBLISHED[layout]
    ]
    expected = np.unique(np.array(points)[nondominated(points)], axis=0)
    # A treasure takes 19 products, a time 19 products and sums below 20.
    np.testing.assert_allclose(
        best_front(layout, discount), expected, rtol=0, atol=rounding(40, 124)
    )


@pytest.mark.parametrize(
    ("layout", "discount", "area"),
    [
        ("concave", 1, 1155),
        ("convex", 1, 401.8),
        ("concave", 0.99, 1101.38),
        ("convex", 0.99, 360.40),
    ],
)
def test_the_hypervolume_is_the_known_one(layout, discount, area):
    # The numbers that libraries report have two decimals.
    assert hypervolume(best_front(layout, discount), [0, -25]) == pytest.approx(
        area, abs=0.005
    )


def test_a_treasure_ends_the_episode():
    sea = deep_sea_treasure()
    answer = pareto_values(sea.transition, sea.reward, 1)
    for row, column in ((1, 0), (10, 9)):
        np.testing.assert_array_equal(answer.fronts[11 * row + column], [[0, 0]])


# Vector value iteration


def every_tree(P, R, discount, steps, state):
    """The values of all deterministic policies of so many steps, which may remember; nothing dropped."""
    if steps == 0:
        return [np.zeros(R.shape[2])]
    values = []
    for a in range(P.shape[1]):
        after = np.flatnonzero(P[state, a])
        rests = [every_tree(P, R, discount, steps - 1, t) for t in after]
        for rest in itertools.product(*rests):
            mean = sum(P[state, a, t] * v for t, v in zip(after, rest, strict=True))
            values.append(R[state, a] + discount * mean)
    return values


def random_process(seed, states=3, actions=2, respects=2, branch=2):
    rng = np.random.default_rng(seed)
    P = np.zeros((states, actions, states))
    for s, a in itertools.product(range(states), range(actions)):
        after = rng.choice(states, branch, replace=False)
        P[s, a, after] = rng.dirichlet(np.ones(branch))
    P /= P.sum(axis=2, keepdims=True)
    return P, rng.normal(size=(states, actions, respects))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("steps", "respects"), [(1, 2), (2, 3), (3, 2)])
def test_the_front_is_what_remains_of_all_policies(seed, steps, respects):
    P, R = random_process(seed, respects=respects)
    answer = pareto_values(P, R, 0.9, horizon=steps)
    assert not answer.converged
    assert answer.sweeps == steps
    for state in range(3):
        values = np.array(every_tree(P, R, 0.9, steps, state))
        expected = np.unique(values[_naive_nondominated(values)], axis=0)
        # Three steps of two products, sums and a discount, on sums below 3 largest.
        np.testing.assert_allclose(
            answer.fronts[state],
            expected,
            rtol=0,
            atol=rounding(3 * 6, 3 * np.abs(R).max()),
        )


def test_with_one_respect_it_is_value_iteration():
    P, R = random_process(0, states=4, actions=3, respects=1)
    answer = pareto_values(P, R, 0.5, horizon=60)
    best = policy_iteration(MDP(P, R[..., 0], 0.5)).value
    # 60 sweeps leave 2^-60 of the value; each loses a few units, and halves them.
    np.testing.assert_allclose(
        [front[0, 0] for front in answer.fronts],
        best,
        rtol=0,
        atol=rounding(20, np.abs(R).max() * 2),
    )
    assert all(len(front) == 1 for front in answer.fronts)


def test_every_point_of_the_front_is_the_value_of_a_policy():
    sea = deep_sea_treasure()
    by_hand = np.full(121, 1)  # down, from the column that the policy goes to
    for column, (worth, time) in enumerate(CONCAVE):
        policy = by_hand.copy()
        policy[:column] = 3  # right along the surface
        value = [
            policy_value(MDP(sea.transition, sea.reward[..., k], 0.99), policy)[0]
            for k in range(2)
        ]
        expected = best_front("concave", 0.99)[column]
        np.testing.assert_allclose(
            value, expected, rtol=0, atol=rounding(121 * 200, 124)
        )


def test_a_fixed_point_stays_and_a_longer_horizon_changes_nothing():
    sea = deep_sea_treasure()
    short = pareto_values(sea.transition, sea.reward, 1, horizon=20)
    long = pareto_values(sea.transition, sea.reward, 1, horizon=500)
    assert short.converged
    assert short.sweeps == long.sweeps == 19
    for a, b in zip(short.fronts, long.fronts, strict=True):
        np.testing.assert_array_equal(a, b)


def test_too_short_a_horizon_is_said():
    sea = deep_sea_treasure()
    answer = pareto_values(sea.transition, sea.reward, 1, horizon=9)
    assert not answer.converged
    # Nobody gets past the sixth treasure in nine steps; whoever does not try pays time.
    np.testing.assert_array_equal(answer.fronts[0], CONCAVE[:6])


def test_a_change_of_units_changes_only_the_units():
    P, R = random_process(1)
    unit = np.array([1e-170, 1e170])
    small = pareto_values(P, R, 0.9, horizon=3)
    large = pareto_values(P, R * unit, 0.9, horizon=3)
    for a, b in zip(small.fronts, large.fronts, strict=True):
        np.testing.assert_allclose(a, b / unit, rtol=0, atol=rounding(20, 10))


def test_nothing_that_was_passed_is_changed():
    P, R = random_process(2)
    for array in (P, R):
        array.flags.writeable = False
    copies = P.copy(), R.copy()
    pareto_values(P, R, 0.9, horizon=2)
    np.testing.assert_array_equal(P, copies[0])
    np.testing.assert_array_equal(R, copies[1])


# Dominance


def _naive_nondominated(points):
    p = np.asarray(points)
    return np.array([not ((p >= x).all(1) & (p > x).any(1)).any() for x in p])


@pytest.mark.parametrize("respects", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_dominance_is_what_its_definition_says(respects, levels):
    rng = np.random.default_rng(respects * levels)
    for size in (1, 2, 7, 33, 100, 400):
        points = rng.integers(0, levels, (size, respects))
        np.testing.assert_array_equal(nondominated(points), _naive_nondominated(points))


@pytest.mark.parametrize("respects", [2, 3, 5])
def test_nothing_dominates_anything_on_a_sphere(respects):
    points = np.abs(np.random.default_rng(0).normal(size=(600, respects)))
    points /= np.linalg.norm(points, axis=1)[:, None]
    shrunk = points * 0.99
    mask = nondominated(np.concatenate([points, shrunk]))
    assert mask[:600].all()
    assert not mask[600:].any()


@quick
@given(st.data())
def test_dominance_does_not_depend_on_order_or_on_units(data):
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 4)))
    seed = data.draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    points = rng.integers(-3, 4, shape).astype(float)
    order = rng.permutation(len(points))
    mask = nondominated(points)
    np.testing.assert_array_equal(nondominated(points[order]), mask[order])
    units = 10.0 ** rng.choice([-170, 0, 170], shape[1])
    np.testing.assert_array_equal(nondominated(points * units), mask)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32])
def test_numbers_of_every_width_compare_alike(dtype):
    points = np.array([[100, 1], [100, 100], [1, 101]], dtype)
    np.testing.assert_array_equal(nondominated(points), [False, True, True])


# Weights


def exact_range(points, i):
    """The range of weights in fractions, by the definition."""
    low, high = Fraction(0), Fraction(1)
    for q in points:
        dx, dy = (Fraction(a) - Fraction(b) for a, b in zip(points[i], q, strict=True))
        if dx - dy > 0:
            low = max(low, -dy / (dx - dy))
        elif dx - dy < 0:
            high = min(high, -dy / (dx - dy))
        elif dy < 0:
            return None
    return (low, high) if low <= high else None


@quick
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=12)
)
def test_the_weights_are_those_of_exact_arithmetic(points):
    ours = weight_range(points)
    for i in range(len(points)):
        exact = exact_range(points, i)
        # Differences of small integers are exact, so a quotient loses one rounding:
        # ranges of width 0 or more keep their sign unless they are within that of 0.
        if exact is None:
            assert ours[i, 0] > ours[i, 1]
        else:
            np.testing.assert_allclose(
                ours[i], [float(x) for x in exact], rtol=0, atol=rounding(1, 1)
            )


def test_a_weight_within_the_range_prefers_the_point_and_one_outside_does_not():
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = rng.normal(size=(9, 2))
        for i, (low, high) in enumerate(weight_range(points)):
            for w in rng.random(40):
                best = (points @ [w, 1 - w]).argmax() == i
                assert best == (low < w < high)


@pytest.mark.parametrize("discount", [1, 0.99, 0.95])
def test_on_the_concave_map_weights_reach_the_two_ends_only(discount):
    low, high = weight_range(best_front("concave", discount)).T
    np.testing.assert_array_equal(np.flatnonzero(high > low), [0, 9])
    assert (low - high)[1:9].min() > 0.01


def test_on_the_convex_map_one_point_of_ten_is_reached_in_a_tie_only():
    exact = [[Fraction(str(x)), Fraction(y)] for x, y in CONVEX]
    widths = [high - low for low, high in (exact_range(exact, i) for i in range(10))]
    assert [i for i, width in enumerate(widths) if width == 0] == [7]
    low, high = weight_range(best_front("convex")).T
    # Treasures up to 23.7, whose differences are 0.7 and more, lose a few units.
    np.testing.assert_allclose(
        high - low, [float(w) for w in widths], rtol=0, atol=rounding(4, 23.7 / 0.7)
    )
    wide = weight_range(best_front("convex", 0.99))
    assert (wide[:, 1] - wide[:, 0] > 1e-4).all()


def test_dominated_points_and_copies():
    ranges = weight_range([[0, 0], [1, 1], [1, 1], [1, 0], [-2, 0], [0, -2]])
    nowhere, everywhere = [1, 0], [0, 1]
    expected = [nowhere, everywhere, everywhere, [1, 1], nowhere, nowhere]
    np.testing.assert_array_equal(ranges, expected)


@pytest.mark.parametrize("unit", [1e-170, 1e170])
def test_weights_follow_the_unit_of_both_respects(unit):
    points = np.array(CONCAVE) * unit
    np.testing.assert_allclose(
        weight_range(points), weight_range(CONCAVE), rtol=0, atol=rounding(4, 1)
    )


# Mixtures


@pytest.mark.parametrize("discount", [1, 0.99, 0.95])
def test_mixtures_of_the_ends_dominate_the_eight_points_between(discount):
    front = best_front("concave", discount)
    low, high = mixing_range(front, front[-1], front[0]).T
    assert (high - low)[1:9].min() > 0.01
    for point, q in zip(front[1:9], (low + high)[1:9] / 2, strict=True):
        assert (q * front[-1] + (1 - q) * front[0] > point).all()


def test_mixtures_of_the_ends_reach_nothing_on_the_convex_map():
    low, high = mixing_range(CONVEX, CONVEX[-1], CONVEX[0]).T
    assert (low > high)[1:9].all()
    np.testing.assert_array_equal(low[[0, 9]], [0, 1])
    np.testing.assert_array_equal(high[[0, 9]], [0, 1])


@quick
@given(seed=st.integers(0, 10**6), respects=st.integers(1, 4))
def test_a_share_within_the_range_matches_the_point_and_one_outside_does_not(
    seed, respects
):
    rng = np.random.default_rng(seed)
    a, b, p = rng.normal(size=(3, respects))
    b[0] = a[0]  # no difference: nothing to gain there
    p[0] = a[0] + rng.choice([-1.0, 1.0])
    ((low, high),) = mixing_range([p], a, b)
    for q in rng.random(50):
        assert (q * a + (1 - q) * b >= p).all() == (low <= q <= high)


# Hypervolume


def test_the_hypervolume_counts_the_cells_of_a_grid():
    rng = np.random.default_rng(0)
    for _ in range(100):
        points = rng.integers(-3, 12, (rng.integers(1, 9), 2))
        corner = rng.integers(-3, 6, 2)
        cells = np.array(list(itertools.product(range(-3, 12), repeat=2)))
        covered = (cells[:, None] < points).all(axis=2).any(axis=1)
        count = (covered & (cells >= corner).all(axis=1)).sum()
        assert hypervolume(points, corner) == count


def test_a_dominated_point_adds_no_area_and_a_copy_neither():
    extra = [*CONCAVE, (10, -15), (124, -19), (500, -30)]
    assert hypervolume(extra, [0, -25]) == hypervolume(CONCAVE, [0, -25]) == 1155


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_the_area_has_the_square_of_the_unit(unit):
    area = hypervolume(np.array(CONCAVE) * unit, [0, -25 * unit])
    assert area == pytest.approx(1155 * unit * unit, rel=10 * 20 * EPS, abs=0)


# Bad input


# One point is a table here.
@pytest.mark.parametrize(
    ("table", "error"), [t for t in TABLES if getattr(t[0], "shape", 0) != (1, 3)]
)
@pytest.mark.parametrize(
    "call",
    [
        nondominated,
        weight_range,
        lambda p: mixing_range(p, [1.0, 2.0], [2.0, 1.0]),
        lambda p: hypervolume(p, [0, 0]),
    ],
)
def test_what_is_no_table_of_points_is_refused(call, table, error):
    with pytest.raises(error, match="points must"):
        call(table)


FINE, PAID = np.full((2, 1, 2), 0.5), np.zeros((2, 1, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: deep_sea_treasure("flat"), ValueError, "layout must be one of"),
        (lambda: deep_sea_treasure(None), ValueError, "layout must be one of"),
        (lambda: pareto_values(FINE, PAID, 1.1), ValueError, "discount must lie"),
        (lambda: pareto_values(FINE, PAID, -0.1), ValueError, "discount must lie"),
        (lambda: pareto_values(FINE, PAID, np.nan), ValueError, "discount must be"),
        (lambda: pareto_values(FINE, PAID, None), TypeError, "discount must"),
        (lambda: pareto_values(FINE * 1.1, PAID, 1), ValueError, "transition must sum"),
        (lambda: pareto_values(-FINE, PAID, 1), ValueError, "transition must lie"),
        (lambda: pareto_values(FINE[:1], PAID, 1), ValueError, "transition must have"),
        (lambda: pareto_values(FINE, PAID[0], 1), ValueError, "reward must have shape"),
        (lambda: pareto_values(FINE, PAID[..., :0], 1), ValueError, "reward must have"),
        (lambda: pareto_values(FINE, PAID * np.nan, 1), ValueError, "reward must be"),
        (lambda: pareto_values(FINE, PAID + 1e306, 1), ValueError, "keep its sum"),
        (lambda: pareto_values(FINE, PAID, 1, horizon=0), ValueError, "horizon must"),
        (lambda: pareto_values(FINE, PAID, 1, horizon=2.5), TypeError, "horizon must"),
        (lambda: pareto_values(FINE, PAID, 1, most=0), ValueError, "most must"),
        (lambda: mixing_range([[1, 2]], [1], [1, 2]), ValueError, "first must have"),
        (lambda: mixing_range([[1, 2]], [1, 2], [1]), ValueError, "second must have"),
        (lambda: mixing_range([[1]], [np.inf], [1]), ValueError, "first must be"),
        (lambda: mixing_range([[1]], [1], [1e301]), ValueError, "second must stay"),
        (lambda: hypervolume([[1, 2]], [0]), ValueError, "reference must have"),
        (lambda: hypervolume([[1, 2]], [0, np.nan]), ValueError, "reference must be"),
        (lambda: hypervolume([[1e200, 1e200]], [0, 0]), ValueError, "below 1e308"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def antichain_process():
    """State 0 goes to 1 or 2 by a coin; there ten actions each pay one of ten undominated vectors."""
    P, R = np.zeros((4, 10, 4)), np.zeros((4, 10, 2))
    P[0, :, [1, 2]] = 0.5
    P[1:, :, 3] = 1
    R[1:3] = np.stack([np.arange(10), -np.arange(10)], axis=1)
    return P, R


def test_a_coin_between_two_states_adds_their_sets_up():
    P, R = antichain_process()
    answer = pareto_values(P, R, 1)
    halves = np.arange(19) / 2
    np.testing.assert_array_equal(answer.fronts[0], np.stack([halves, -halves], 1))


def test_a_set_that_outgrows_its_limit_is_refused():
    P, R = antichain_process()
    # Ten times ten sums of two sets, of which nineteen differ, from each of ten actions.
    assert pareto_values(P, R, 1, most=190).converged
    with pytest.raises(RuntimeError, match="outgrown most=99, it would hold 100"):
        pareto_values(P, R, 1, most=99)
    with pytest.raises(RuntimeError, match="outgrown most=189, it would hold 190"):
        pareto_values(P, R, 1, most=189)
