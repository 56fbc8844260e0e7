r"""Empowerment: how much an agent can make happen, as the capacity of the channel from its actions to the world.

An agent that follows a fixed sequence of actions sends a message, and the state in which it ends is what arrives.
The most information that can pass, over all ways to choose among the sequences, is how much difference the
agent's choice can make.  Nothing is rewarded and no policy is learnt: it is a measure, not a goal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from companion.checks import (
    check_integer,
    check_number,
    check_stochastic,
)
from companion.mdp import MDP

__all__ = [
    "Capacity",
    "Empowerment",
    "action_channel",
    "channel_capacity",
    "empowerment",
    "mutual_information",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Capacity:
    """Capacities of some channels, with the bounds that certify them.

    Examples
    --------
    >>> bool(channel_capacity([[1, 0], [0, 1]]).converged)
    True
    """

    bits: Floats  # (...) the middle of the bounds
    lower: Floats  # (...) what `input` transmits, so the capacity is at least this
    upper: Floats  # (...) and at most this
    input: Floats  # (..., X) a distribution over inputs that transmits `lower`
    iterations: int  # Newton steps, of all channels side by side
    converged: Mask  # (...) whether the bounds are within the tolerance


@dataclass(frozen=True, eq=False)
class Empowerment:
    """Empowerment of every state, with its bounds and two simpler measures beside it.

    Examples
    --------
    >>> lever = MDP([[[0.9, 0.1], [0.1, 0.9]]] * 2, [[0, 0]] * 2, 0.9)
    >>> empowerment(lever, steps=1).reachable
    array([2, 2])
    """

    bits: Floats  # (S,) the middle of the bounds
    lower: Floats  # (S,) the empowerment is at least this
    upper: Floats  # (S,) and at most this
    converged: Mask  # (S,) whether the bounds are within the tolerance
    reachable: (
        Integers  # (S,) how many states can be the last one, by luck or by choice
    )
    uniform: Floats  # (S,) bits that pass if every sequence is equally likely


def channel_capacity(
    channel: ArrayLike, tolerance: float = 1e-9, limit: int = 100
) -> Capacity:
    r"""Return the capacity of discrete memoryless channels between Blahut's bounds.

    .. math:: C = \max_p \sum_x p_x D_x, \qquad
              D_x = \sum_y W_{xy} \log_2 \frac{W_{xy}}{\sum_{x'} p_{x'} W_{x'y}}

    For every `p`, :math:`\sum_x p_x D_x \le C \le \max_x D_x`, and these are the bounds that are returned.
    Blahut's and Arimoto's own iteration, :math:`p_x \leftarrow p_x 2^{D_x}` but for a factor, can take tens of
    thousands of rounds where an input is only just useful.  Here Newton's method with a barrier moves `p`; its
    tests allow it forty steps.

    Parameters
    ----------
    channel : (..., X, Y) array_like
        ``channel[..., x, y]`` is the probability of output `y` after input `x`; many channels at once.
    tolerance : float
        Largest distance of the bounds, in bits, at least 1e-12.
    limit : int
        Most Newton steps.

    Returns
    -------
    Capacity
        ``converged`` is False where the bounds were still farther apart at the limit; they hold all the same.

    Raises
    ------
    TypeError, ValueError
        If a row is no distribution, or `tolerance` or `limit` is out of range.

    References
    ----------
    Blahut, R. E. (1972). Computation of channel capacity and rate-distortion functions. IEEE Transactions on
    Information Theory 18(4). The bounds.
    Arimoto, S. (1972). An algorithm for computing the capacity of arbitrary discrete memoryless channels. IEEE
    Transactions on Information Theory 18(1).
    Boyd, S. and Vandenberghe, L. (2004). Convex Optimization. Section 11.7, the steps.

    Examples
    --------
    A bit that is flipped once in ten times, and a bit that is lost once in four times.

    >>> channel_capacity([[0.9, 0.1], [0.1, 0.9]]).bits.round(6)
    np.float64(0.531004)
    >>> channel_capacity([[0.75, 0.25, 0], [0, 0.25, 0.75]]).bits.round(6)
    np.float64(0.75)
    """
    W = check_stochastic("channel", channel)
    if W.ndim < 2 or 0 in W.shape:
        raise ValueError(
            f"channel must have shape (..., X, Y) with X, Y >= 1, got {W.shape}"
        )
    tolerance = check_number("tolerance", tolerance, 1e-12, 1)
    limit = check_integer("limit", limit, 1)
    lower, upper, best, steps = _capacities(
        W.reshape(-1, *W.shape[-2:]), tolerance, limit
    )
    shape = W.shape[:-2]
    return Capacity(
        ((lower + upper) / 2).reshape(shape)[()],
        lower.reshape(shape)[()],
        upper.reshape(shape)[()],
        best.reshape(W.shape[:-1]),
        steps,
        (upper - lower <= tolerance).reshape(shape)[()],
    )


def mutual_information(inputs: ArrayLike, channel: ArrayLike) -> Floats:
    r"""Return how many bits pass through channels whose inputs are drawn from given distributions.

    .. math:: I = \sum_x p_x \sum_y W_{xy} \log_2 \frac{W_{xy}}{\sum_{x'} p_{x'} W_{x'y}}

    Parameters
    ----------
    inputs : (..., X) array_like
        The distributions `p`.
    channel : (..., X, Y) array_like
        The channels `W`; shapes broadcast.

    Returns
    -------
    (...) ndarray
        In bits, at most the capacity.

    Raises
    ------
    TypeError, ValueError
        If a row is no distribution or the two do not fit.

    References
    ----------
    Cover, T. M. and Thomas, J. A. (2006). Elements of Information Theory. Second edition, Wiley. Section 2.3.

    Examples
    --------
    >>> mutual_information([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]]).round(6)
    np.float64(0.531004)
    """
    p, W = check_stochastic("inputs", inputs), check_stochastic("channel", channel)
    if W.ndim < 2 or p.shape[-1] != W.shape[-2]:
        raise ValueError(
            f"channel must have one row for each of {p.shape[-1]} inputs, got shape {W.shape}"
        )
    D, _ = _divergences(W, xlogy(W, W).sum(axis=-1), p)
    bits: Floats = np.maximum((p * D).sum(axis=-1), 0.0) / np.log(2)
    return bits


def action_channel(mdp: MDP, state: int, steps: int) -> tuple[Floats, Floats]:
    """Return the channel from open-loop action sequences to the state in which they end.

    Sequences that lead to the same distribution, to thirteen decimals, are one input.  That changes no capacity
    but for rounding, and where steps are certain it leaves no more inputs than reachable states.

    Parameters
    ----------
    mdp : MDP
        The process; every action available in every state.
    state : int
        Where the sequence starts.
    steps : int
        Its length.

    Returns
    -------
    channel : (X, S) ndarray
        One row for each distinct distribution of the last state.
    share : (X,) ndarray
        The share of all sequences that lead to it.

    Raises
    ------
    TypeError, ValueError
        If an action is unavailable somewhere, a number out of range, or there are more than 20 000 different
        distributions.

    References
    ----------
    Klyubin, A. S., Polani, D. and Nehaniv, C. L. (2005). Empowerment: a universal agent-centric measure of
    control. IEEE Congress on Evolutionary Computation.

    Examples
    --------
    A lever that moves a weight to the left or to the right, if it does not slip.

    >>> lever = MDP([[[0.9, 0.1], [0.1, 0.9]]] * 2, [[0, 0]] * 2, 0.9)
    >>> action_channel(lever, state=0, steps=2)
    (array([[0.1, 0.9],
           [0.9, 0.1]]), array([0.5, 0.5]))
    """
    if not np.isfinite(mdp.reward).all():
        raise ValueError(
            "mdp must have every action available in every state, got a reward of -inf"
        )
    state = check_integer("state", state, 0, mdp.states - 1)
    steps = check_integer("steps", steps, 1)
    rows: Floats = np.eye(mdp.states)[state][None]
    share: Floats = np.ones(1)
    for _ in range(steps):
        # (X, S) @ (S, S) for each action: what one more action makes of each row.
        after = [rows @ mdp.rows[a :: mdp.actions] for a in range(mdp.actions)]
        longer = np.stack(after, axis=1).reshape(-1, mdp.states)
        longer /= longer.sum(axis=1, keepdims=True)
        _, first, index = np.unique(
            longer.round(13), axis=0, return_index=True, return_inverse=True
        )
        rows = longer[first]
        if len(rows) > 20_000:
            raise ValueError(
                f"steps must leave at most 20000 different distributions, got {len(rows)}"
            )
        parts = np.repeat(share, mdp.actions) / mdp.actions
        share = np.bincount(index.ravel(), parts).astype(np.float64)
    return rows, share / share.sum()


def empowerment(mdp: MDP, steps: int, tolerance: float = 1e-9) -> Empowerment:
    r"""Return how much an agent's choice of its next actions can tell about where it ends, from every state.

    .. math:: \mathfrak{E}_n(s) = \max_{p(a_1 \dots a_n)} I(a_1 \dots a_n;\, s_n \mid s_0 = s)

    The actions are chosen before the first step (*open loop*), so an agent that looks where it is on the way can
    do more.  If every step is certain, the maximum is the binary logarithm of how many states can be reached in
    exactly `n` steps.

    Parameters
    ----------
    mdp : MDP
        The process; every action available in every state.  Its rewards and its discount do not matter.
    steps : int
        Length `n` of the sequences.
    tolerance : float
        Largest distance of the bounds, in bits, at least 1e-10.

    Returns
    -------
    Empowerment
        With its bounds, the number of reachable states, and what uniform actions transmit.

    Raises
    ------
    TypeError, ValueError
        If `action_channel` refuses an argument, or `tolerance` is out of range.

    References
    ----------
    Klyubin, A. S., Polani, D. and Nehaniv, C. L. (2005). Empowerment: a universal agent-centric measure of
    control. IEEE Congress on Evolutionary Computation.
    Salge, C., Glackin, C. and Polani, D. (2014). Empowerment: an introduction. Guided Self-Organization:
    Inception, Springer.

    Examples
    --------
    A lever that moves a weight to the left or to the right, if it does not slip; a second pull in advance adds
    nothing, because only the last one counts.

    >>> lever = MDP([[[0.9, 0.1], [0.1, 0.9]]] * 2, [[0, 0]] * 2, 0.9)
    >>> [empowerment(lever, steps).bits.round(3)[0] for steps in (1, 2)]
    [np.float64(0.531), np.float64(0.531)]
    """
    tolerance = check_number("tolerance", tolerance, 1e-10, 1)
    channels = [action_channel(mdp, state, steps) for state in range(mdp.states)]
    sizes = np.array([len(share) for _, share in channels])
    lower, upper = np.zeros(mdp.states), np.zeros(mdp.states)
    for some in np.array_split(np.argsort(sizes), -(-mdp.states // 32)):
        # Channels of one shape: a row that stands there twice changes no capacity.
        fill = [np.minimum(np.arange(sizes[some].max()), sizes[s] - 1) for s in some]
        W = np.stack([channels[s][0][rows] for s, rows in zip(some, fill, strict=True)])
        lower[some], upper[some], *_ = _capacities(W, tolerance, 100)
    return Empowerment(
        (lower + upper) / 2,
        lower,
        upper,
        upper - lower <= tolerance,
        np.array([(rows > 0).any(axis=0).sum() for rows, _ in channels]),
        np.array([mutual_information(share, rows) for rows, share in channels]),
    )


def _capacities(
    W: Floats, tolerance: float, limit: int
) -> tuple[Floats, Floats, Floats, int]:
    """Bounds in bits, inputs and steps for (B, X, Y) channels: a primal-dual interior-point method, in nats."""
    count, inputs = W.shape[:2]
    order = xlogy(W, W).sum(axis=-1)  # minus the entropy of each row
    p, z = np.full((2, count, inputs), 1 / inputs)
    best, lower, upper = p.copy(), np.full(count, -np.inf), np.full(count, np.inf)
    left = np.arange(count)
    for steps in range(limit + 1):
        D, q = _divergences(W[left], order[left], p[left])
        sent = (p[left] * D).sum(axis=1)
        won = left[sent > lower[left]]
        best[won] = p[won]
        lower[left] = np.maximum(lower[left], sent)
        upper[left] = np.minimum(upper[left], D.max(axis=1))
        if steps == 0:  # a multiplier for each input: how far it falls short, and more
            z[:] = 2 * D.max(axis=1, keepdims=True) - D - sent[:, None]
            z += 1e-3 * D.max(axis=1, keepdims=True)
        open_ = upper[left] - lower[left] > tolerance * np.log(2)
        left, D, q = left[open_], D[open_], q[open_]
        if left.size == 0 or steps == limit:
            break
        P, Z = p[left], z[left]
        aim = 0.1 * (P * Z).mean(axis=1, keepdims=True)
        root = np.sqrt(np.divide(1.0, q, out=np.zeros_like(q), where=q > 0))
        scaled = W[left] * root[:, None]
        M = scaled @ scaled.transpose(0, 2, 1)
        M[:, np.arange(inputs), np.arange(inputs)] *= 1 + 4 * np.finfo(np.float64).eps
        M[:, np.arange(inputs), np.arange(inputs)] += Z / P
        both = np.linalg.solve(M, np.stack([D + aim / P, np.ones_like(P)], axis=-1))
        multiplier = both[..., 0].sum(axis=1) / both[..., 1].sum(axis=1)
        dp = both[..., 0] - multiplier[:, None] * both[..., 1]
        dz = (aim - Z * dp) / P - Z
        P = P + _length(P, dp) * dp
        p[left], z[left] = P / P.sum(axis=1, keepdims=True), Z + _length(Z, dz) * dz
    lower = np.maximum(lower, 0.0) / np.log(2)
    return lower, np.maximum(upper / np.log(2), lower), best, steps


def _divergences(W: Floats, order: Floats, p: Floats) -> tuple[Floats, Floats]:
    """For each input the divergence in nats of its row from the mean row, and the mean row."""
    q = (p[..., None, :] @ W)[..., 0, :]
    log_q = np.log(q, out=np.zeros_like(q), where=q > 0)
    return order - (W @ log_q[..., None])[..., 0], q


def _length(value: Floats, change: Floats) -> Floats:
    """How far to go so that no entry loses more than 99 % of its value; at most 1."""
    loss: Floats = np.max(-change / value, axis=1, keepdims=True)
    return np.asarray(0.99 / np.maximum(loss, 0.99))
