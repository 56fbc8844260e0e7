"""Small published decision problems that several lessons, tests and comparisons share."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from companion.checks import check_integer, check_number
from companion.mdp import MDP

__all__ = ["forest_management", "river_swim", "slippery_cliff"]


def forest_management(
    ages: int = 3,
    wait_reward: float = 4.0,
    cut_reward: float = 2.0,
    fire: float = 0.1,
    discount: float = 0.9,
) -> MDP:
    """Wait for the forest to grow old, or cut it now: the worked example of the MDP toolboxes.

    State `s` is the age class.  Waiting (action 0) makes the forest one class older, or burns it back to class
    0 with probability `fire`; in the oldest class it pays `wait_reward`.  Cutting (action 1) returns to class 0;
    it pays 1, or `cut_reward` in the oldest class, or 0 in class 0.

    Parameters
    ----------
    ages : int
        Number of age classes S, at least 2.
    wait_reward, cut_reward : float
        What the oldest class pays for waiting and for cutting.
    fire : float
        Probability of a fire per step.
    discount : float
        Worth of a reward one step later.

    Returns
    -------
    MDP
        S states, 2 actions, sparse.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    References
    ----------
    Chadès, I. et al. (2014). MDPtoolbox: a multi-platform toolbox to solve stochastic dynamic programming
    problems. Ecography 37(9).

    Examples
    --------
    >>> forest_management().rows.toarray()
    array([[0.1, 0.9, 0. ],
           [1. , 0. , 0. ],
           [0.1, 0. , 0.9],
           [1. , 0. , 0. ],
           [0.1, 0. , 0.9],
           [1. , 0. , 0. ]])
    """
    check_integer("ages", ages, 2)
    fire = check_number("fire", fire, 0, 1)
    age = np.arange(ages)
    older = np.minimum(age + 1, ages - 1)
    chance = np.concatenate(
        [np.full(ages, fire), np.full(ages, 1 - fire), np.ones(ages)]
    )
    row = np.concatenate([2 * age, 2 * age, 2 * age + 1])
    to = np.concatenate([np.zeros(ages, dtype=int), older, np.zeros(ages, dtype=int)])
    reward = np.zeros((ages, 2))
    reward[1:, 1] = 1.0
    reward[-1] = wait_reward, cut_reward
    return MDP(
        sparse.csr_array((chance, (row, to)), shape=(2 * ages, ages)), reward, discount
    )


def river_swim(states: int = 6, discount: float = 0.99) -> MDP:
    """Swim against the current to a large reward, or drift to a small one: a chain that mixes slowly.

    Swimming left (action 0) always succeeds.  Swimming right (action 1) moves right with probability 0.35 (0.6
    at the left bank), stays with 0.6 (0.4 at the left bank) and is washed left with 0.05; at the right bank it
    stays with 0.6.  Left at the left bank pays 0.005, right at the right bank pays 1.

    Parameters
    ----------
    states : int
        Length of the river S, at least 2.
    discount : float
        Worth of a reward one step later.

    Returns
    -------
    MDP
        S states, 2 actions, sparse.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    References
    ----------
    Strehl, A. L. and Littman, M. L. (2008). An analysis of model-based interval estimation for Markov decision
    processes. Journal of Computer and System Sciences 74(8).

    Examples
    --------
    >>> river_swim(3).rows.toarray()
    array([[1.  , 0.  , 0.  ],
           [0.4 , 0.6 , 0.  ],
           [1.  , 0.  , 0.  ],
           [0.05, 0.6 , 0.35],
           [0.  , 1.  , 0.  ],
           [0.  , 0.4 , 0.6 ]])
    """
    check_integer("states", states, 2)
    transition = np.zeros((states, 2, states))
    here = np.arange(states)
    transition[here, 0, np.maximum(here - 1, 0)] = 1.0
    inner = here[1:-1]
    for step, chance in ((-1, 0.05), (0, 0.6), (1, 0.35)):
        transition[inner, 1, inner + step] = chance
    transition[0, 1, :2] = 0.4, 0.6
    transition[-1, 1, -2:] = 0.4, 0.6
    reward = np.zeros((states, 2))
    reward[0, 0], reward[-1, 1] = 0.005, 1.0
    return MDP(
        sparse.csr_array(transition.reshape(2 * states, states)), reward, discount
    )


def slippery_cliff(slip: float = 0.01, discount: float = 0.99) -> MDP:
    """Walk along a cliff on wet ground: the cliff's cells are states, and they pay for the fall.

    The grid, the start (state 36) and the goal (state 47) are those of gymnasium's ``CliffWalking``; state
    ``12 * row + column``, actions up, right, down, left.  A step costs 1 and, with probability `slip`, goes to
    one side of the wanted direction, either side alike; walls hold the walker.  The bottom row between start
    and goal is the cliff: whoever is there pays 100 and is back at the start.

    Because the state pays, and not the step that led there, a fall costs what it should also where a changed
    `transition` makes it likelier.

    Parameters
    ----------
    slip : float
        Probability of a step to the side.
    discount : float
        Worth of a reward one step later.

    Returns
    -------
    MDP
        48 states, 4 actions, dense.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    References
    ----------
    Sutton, R. S. and Barto, A. G. (2018). Reinforcement Learning: An Introduction. Second edition, MIT Press.
    Example 6.6, the cliff without the slip.

    Examples
    --------
    >>> mdp = slippery_cliff(slip=0.25)
    >>> mdp.transition[24, 1, [24, 25, 12, 36]]  # right, from the cell above the start
    array([0.   , 0.75 , 0.125, 0.125])
    """
    chance = check_number("slip", slip, 0, 1)
    row, column = np.divmod(np.arange(48), 12)
    next_state = np.stack(
        [
            12 * np.clip(row + down, 0, 3) + np.clip(column + right, 0, 11)
            for down, right in ((-1, 0), (0, 1), (1, 0), (0, -1))
        ],
        axis=1,
    )  # (48, 4)
    transition, reward = np.zeros((48, 4, 48)), np.full((48, 4), -1.0)
    state, action = np.ogrid[:48, :4]
    for turn, share in ((0, 1 - chance), (1, chance / 2), (-1, chance / 2)):
        transition[state, action, next_state[state, (action + turn) % 4]] += share
    cliff = (row == 3) & (column > 0) & (column < 11)
    transition[cliff], reward[cliff] = np.eye(48)[36], -100.0
    transition[47], reward[47] = np.eye(48)[47], 0.0  # the goal keeps whoever is there
    return MDP(transition, reward, discount)
