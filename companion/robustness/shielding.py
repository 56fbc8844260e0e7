r"""Acting so that the worst cannot happen: safe sets and shields.

Some states must never be entered.  A fine makes entering them a matter of price, and binds no policy that is
not yet optimal; a **shield** makes it impossible.  It rests on the **safe set**, the greatest set of harmless
states in which one can stay for ever whatever chance does, and lets through only actions that surely stay in
it.  The policy behind the shield may be anything: random, half trained, or adversarial.

The promise covers what the model calls possible and nothing else: only the *support* of the transition kernel
matters, not its probabilities.  A shield is therefore immune to wrong probabilities and helpless against a
transition that the model has left out.

References
----------
Alshiekh, M. et al. (2018). Safe reinforcement learning via shielding. AAAI Conference on Artificial
Intelligence 32(1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu

from companion.checks import check_stochastic, integer_array, real_array
from companion.mdp import MDP, policy_chain, policy_probabilities

__all__ = ["SafeSet", "harm_probability", "safe_set", "shield_action", "shield_policy"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


class SafeSet(NamedTuple):
    """Where one can stay safe for ever, and how.

    Examples
    --------
    >>> SafeSet(np.array([True]), np.array([[True, False]])).actions.sum(axis=1)
    array([1])
    """

    states: Booleans  # (S,) the greatest safe set
    actions: Booleans  # (S, A) available actions that surely stay in it; none in an unsafe state


def safe_set(mdp: MDP, harmful: ArrayLike) -> SafeSet:
    r"""Return the greatest set of harmless states in which one can stay for ever, whatever happens.

    .. math:: Z = \text{greatest set with } Z \subseteq \{ s : \exists a,\;
              \operatorname{supp} P(\cdot \mid s, a) \subseteq Z \} \setminus \text{harmful}.

    Starting from all harmless states, an action that may leave is removed, and a state with it that has no
    action left.  Each possible transition is looked at once.

    Parameters
    ----------
    mdp : MDP
        The process; only which transitions are possible matters, not how likely they are.
    harmful : (S,) array_like of bool
        The states that must never be entered.

    Returns
    -------
    SafeSet
        The safe states, and the available actions that stay among them.

    Raises
    ------
    TypeError
        If `harmful` is not boolean.
    ValueError
        If its shape is not (S,), or no state is safe: then no shield can promise anything.

    References
    ----------
    Alshiekh, M. et al. (2018). Safe reinforcement learning via shielding. AAAI.

    Examples
    --------
    A machine whose running (action 0) may break it, state 1; replacing it (action 1) is safe.

    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> safe_set(mdp, [False, True]).actions
    array([[False,  True],
           [False, False]])
    """
    safe = ~_check_harmful(harmful, mdp.states)
    actions = np.isfinite(mdp.reward) & safe[:, None]
    before = sparse.csc_array(mdp.rows > 0)
    lost = np.flatnonzero(~safe)
    while lost.size:
        rows = before[:, lost].indices  # s * A + a, whatever may lead to a lost state
        actions.reshape(-1)[rows] = False
        touched = np.unique(rows // mdp.actions)
        lost = touched[safe[touched] & ~actions[touched].any(axis=1)]
        safe[lost] = False
    if not safe.any():
        raise ValueError(
            "harmful must leave a safe set, got an empty one: "
            "no policy avoids harm for ever"
        )
    return SafeSet(safe, actions)


def shield_action(
    proposed: ArrayLike,
    state: ArrayLike,
    safe: SafeSet,
    fallback: ArrayLike | None = None,
) -> Integers:
    """Let proposed actions pass where they are safe, and replace the others.

    Parameters
    ----------
    proposed : (...) integers
        The actions that any policy, random or trained, would take.
    state : (...) integers
        The states in which it would take them: one, or those of many copies.
    safe : SafeSet
        What `safe_set` returned.
    fallback : (S,) integers, optional
        A safe action per safe state, taken instead of an unsafe one; by default the first.

    Returns
    -------
    (...) ndarray of integers
        Safe actions.

    Raises
    ------
    TypeError, ValueError
        If a state is unsafe (there the shield has nothing to offer: start in the safe set), if a fallback is
        unsafe, or a number out of range.

    References
    ----------
    Alshiekh, M. et al. (2018). Safe reinforcement learning via shielding. AAAI.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> shield_action([0, 1, 0], [0, 0, 0], safe_set(mdp, [False, True]))
    array([1, 1, 1])
    """
    states, actions = safe.actions.shape
    where = integer_array("state", state, 0, states - 1)
    wanted = integer_array("proposed", proposed, 0, actions - 1)
    if where.shape != wanted.shape:
        raise ValueError(
            f"proposed must have the shape of state {where.shape}, got {wanted.shape}"
        )
    unsafe = where[~safe.states[where]]
    if unsafe.size:
        raise ValueError(
            f"state must be safe, got {unsafe[0]}: there the shield has no safe action to offer"
        )
    instead = _fallback(safe, fallback)[where]
    return np.where(safe.actions[where, wanted], wanted, instead)


def shield_policy(
    policy: ArrayLike, safe: SafeSet, fallback: ArrayLike | None = None
) -> Floats:
    """Return the policy that `shield_action` makes of a policy.

    Parameters
    ----------
    policy : (S,) integers or (S, A) probabilities
        An action per state, or a distribution over actions per state.
    safe : SafeSet
        What `safe_set` returned.
    fallback : (S,) integers, optional
        A safe action per safe state, which gets the probability of the unsafe ones; by default the first.

    Returns
    -------
    (S, A) ndarray
        Probabilities.  In unsafe states, where no action is safe, the policy is left as it was.

    Raises
    ------
    TypeError, ValueError
        If the policy has the wrong shape or is no distribution, or a fallback is unsafe.

    References
    ----------
    Alshiekh, M. et al. (2018). Safe reinforcement learning via shielding. AAAI.

    Examples
    --------
    >>> mdp = MDP([[[0.9, 0.1], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    >>> shield_policy([[0.5, 0.5], [0.5, 0.5]], safe_set(mdp, [False, True]))
    array([[0. , 1. ],
           [0.5, 0.5]])
    """
    states, actions = safe.actions.shape
    if np.ndim(policy) == 1:
        chosen = integer_array("policy", policy, 0, actions - 1)
        if chosen.size != states:
            raise ValueError(
                f"policy must hold one action for each of {states} states, got {chosen.size}"
            )
        wanted = np.eye(actions)[chosen]
    else:
        wanted = real_array("policy", policy, (states, actions))
        wanted = check_stochastic("policy", wanted)
    passed = np.where(safe.actions, wanted, 0.0)
    blocked = np.where(safe.actions, 0.0, wanted).sum(axis=1)
    passed[np.arange(states), _fallback(safe, fallback)] += blocked
    passed = np.minimum(passed, 1.0)  # a sum of parts may round up
    return np.where(safe.states[:, None], passed, wanted)


def harm_probability(mdp: MDP, policy: ArrayLike, harmful: ArrayLike) -> Floats:
    r"""Return the probability that a policy ever enters a harmful state, by a linear solve.

    .. math:: h(s) = 1 \text{ if } s \text{ is harmful}, \qquad
              h(s) = \sum_{s'} P_\pi(s' \mid s)\, h(s') \text{ otherwise, the least solution}.

    On a closed safe set :math:`I - P_\pi` is singular, and a shield makes such sets.  The equations are
    therefore solved on the states that can reach harm; the others have :math:`h = 0` exactly.  The diagonal of
    :math:`I - P_\pi` is summed from what leaves a state, never subtracted from 1.  Where walks are so long that a
    factorisation would lose digits all the same, states are eliminated without any subtraction.

    Parameters
    ----------
    mdp : MDP
        The process; its rewards and discount do not matter.
    policy : (S,) integers or (S, A) probabilities
        An action per state, or a distribution over actions per state.
    harmful : (S,) array_like of bool
        The states that must never be entered.

    Returns
    -------
    (S,) ndarray
        Probability of harm from each state on, without discount and without a time limit.

    Raises
    ------
    TypeError, ValueError
        If the policy is refused by `policy_value`, `harmful` is not S booleans, or a probability is so small
        that its products vanish in float64.

    References
    ----------
    Kemeny, J. G. and Snell, J. L. (1960). Finite Markov Chains. Chapter 3.
    Grassmann, W. K., Taksar, M. I. and Heyman, D. P. (1985). Regenerative analysis and steady state
    distributions for Markov chains. Operations Research 33(5).

    Examples
    --------
    Halfway between ruin (state 0) and wealth (state 2).

    >>> walk = MDP([[[1, 0, 0]], [[0.5, 0, 0.5]], [[0, 0, 1]]], [[0], [0], [0]], 0)
    >>> harm_probability(walk, [0, 0, 0], [True, False, False])
    array([1. , 0.5, 0. ])
    """
    bad = _check_harmful(harmful, mdp.states)
    chain = sparse.csr_array(policy_chain(mdp, policy)[0])
    if _smallest(policy_probabilities(mdp, policy)) * _smallest(mdp.rows) == 0:
        raise ValueError("policy times transition must not vanish in float64, got 0")
    reaches = _reaches(chain, bad)
    risky = np.flatnonzero(reaches & ~bad)
    harm = bad.astype(np.float64)
    if risky.size:
        rows = chain[risky]
        ends = np.stack([rows @ harm, rows @ (~reaches).astype(float)], axis=1)
        harm[risky] = _absorbed(rows[:, risky], ends)
    return harm


def _reaches(chain: Any, targets: Booleans) -> Booleans:
    """The states from which a target can be reached, by one search from the targets backwards."""
    before = sparse.csc_array(chain)
    before.eliminate_zeros()
    first = np.flatnonzero(targets)
    # One more node leads to all targets at once.
    nodes = np.concatenate([before.indices, first])
    ends = np.append(before.indptr, nodes.size)
    size = targets.size + 1
    graph = sparse.csr_array((np.ones(nodes.size), nodes, ends), shape=(size, size))
    found = csgraph.breadth_first_order(graph, size - 1, return_predecessors=False)
    reached = np.zeros(size, dtype=bool)
    reached[found] = True
    return reached[:-1]


def _absorbed(chain: Any, ends: Floats) -> Floats:
    """The probability of the first of two ends, from the flows between states and those to the ends."""
    flow = chain.tocoo()
    moves = flow.row != flow.col  # who stays put neither comes nor goes
    entries = flow.data[moves], (flow.row[moves], flow.col[moves])
    within = sparse.csr_array(entries, shape=chain.shape)
    leaving = within.sum(axis=1) + ends.sum(axis=1)
    matrix = sparse.diags_array(leaving) - within
    order = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}}
    try:
        factors = splu(matrix.tocsc(), diag_pivot_thresh=0.0, **order)
    except RuntimeError:  # exactly singular in float64
        return _eliminated(np.hstack([ends, within.toarray()]))
    harm, steps = factors.solve(np.stack([ends[:, 0], leaving], axis=1)).T
    # A pivot loses as many units of precision as there are moves on the longest way.
    if not (steps.min() > 0 and steps.max() < 1e4):
        return _eliminated(np.hstack([ends, within.toarray()]))
    return np.asarray(np.clip(harm, 0.0, 1.0))


def _eliminated(flow: Floats) -> Floats:
    """The same by elimination without subtraction, every entry to full relative precision."""
    count = len(flow)
    for last in reversed(range(count)):
        # Columns: the two ends, then the states that are left; each row becomes a distribution.
        row = flow[last, : last + 2]
        row /= row.sum()
        via = np.flatnonzero(flow[:last, last + 2])
        part = flow[via, : last + 2] + flow[via, last + 2, None] * row
        part[np.arange(via.size), via + 2] = 0.0  # back where it was
        total = part.sum(axis=1, keepdims=True)
        if not (total > 0).all():
            raise ValueError("policy must leave its states in float64, got 0")
        flow[via, : last + 2] = part / total
    harm = np.zeros(count)
    for state in range(count):
        harm[state] = flow[state, 0] + flow[state, 2 : state + 2] @ harm[:state]
    return np.minimum(harm, 1.0)


def _smallest(table: Any) -> float:
    """The smallest positive entry."""
    entries = table.data if sparse.issparse(table) else table
    return float(entries[entries > 0].min())


def _fallback(safe: SafeSet, fallback: ArrayLike | None) -> Integers:
    """A safe action for every safe state."""
    if fallback is None:
        return np.asarray(safe.actions.argmax(axis=1))
    states, actions = safe.actions.shape
    chosen = integer_array("fallback", fallback, 0, actions - 1)
    if (
        chosen.shape != (states,)
        or not safe.actions[np.arange(states), chosen][safe.states].all()
    ):
        raise ValueError(
            f"fallback must hold {states} actions, safe ones in safe states, got something else"
        )
    return chosen


def _check_harmful(harmful: ArrayLike, states: int) -> Booleans:
    """Which states are harmful."""
    mask = np.asarray(harmful)
    if mask.dtype != np.bool_:
        raise TypeError(f"harmful must be boolean, got {mask.dtype}")
    if mask.shape != (states,):
        raise ValueError(f"harmful must have shape {(states,)}, got {mask.shape}")
    return mask
