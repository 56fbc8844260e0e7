"""The shared problems are what their sources say, and refuse numbers out of range."""

import gymnasium
import numpy as np
import pytest

from companion.mdp import MDP, policy_iteration
from companion.problems import slippery_cliff
from tests.rounding import solve_error

START, GOAL = 36, 47
CLIFF = np.arange(37, 47)


def test_the_dry_cliff_is_gymnasiums_but_for_who_pays_for_the_fall():
    ours = slippery_cliff(slip=0)
    theirs = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), 0.99)
    # gymnasium sends a step over the edge to the start and charges 100 for it; ours lands on the cliff.
    falls = theirs.reward == -100
    falls[CLIFF] = False
    assert (
        falls.sum() == 11
    )  # ten cells above the edge, and to the right from the start
    same = ~falls
    same[CLIFF] = False
    np.testing.assert_array_equal(ours.transition[same], theirs.transition[same])
    np.testing.assert_array_equal(ours.reward[same], theirs.reward[same])
    assert (ours.transition[falls][:, CLIFF].sum(axis=1) == 1).all()
    assert (ours.transition[CLIFF, :, START] == 1).all()
    assert (ours.reward[CLIFF] == -100).all()
    np.testing.assert_allclose(
        policy_iteration(ours).value[START],
        -(1 - 0.99**13) / (1 - 0.99),
        rtol=0,
        atol=solve_error(ours),
    )


def test_a_slip_goes_to_either_side_alike_and_walls_hold():
    mdp = slippery_cliff(slip=0.25)
    inside, corner = 12 + 5, 0
    sides = {0: (-12, 1, -1), 1: (1, 12, -12), 2: (12, -1, 1), 3: (-1, -12, 12)}
    for action, steps in sides.items():
        wanted = np.zeros(48)
        wanted[inside + np.array(steps)] = 0.75, 0.125, 0.125
        np.testing.assert_array_equal(mdp.transition[inside, action], wanted)
    np.testing.assert_array_equal(
        mdp.transition[corner, 0, [0, 1]], [0.875, 0.125]
    )  # up and left are walls


@pytest.mark.parametrize(
    ("slip", "error"), [(1.5, ValueError), (-0.1, ValueError), ([0.1, 0.2], ValueError)]
)
def test_a_slip_that_is_no_probability_is_refused(slip, error):
    with pytest.raises(error, match="slip must"):
        slippery_cliff(slip)
