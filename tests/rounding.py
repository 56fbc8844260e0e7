"""How far two float64 results of the same number may lie apart, on any machine.

A sum of `n` products loses at most ``n * eps`` of the sum of their sizes, in whatever order a CPU takes them.  A
bound on rounding is therefore the number of operations, times epsilon, times the scale of the numbers, and times
ten, because a bound that is just large enough says nothing on the next machine.
"""

import numpy as np

from companion.mdp import MDP

EPS = float(np.finfo(np.float64).eps)


def rounding(operations: float, scale: float) -> float:
    """Ten times what `operations` float64 operations on numbers up to `scale` can lose."""
    return 10 * operations * EPS * float(scale)


def largest(mdp: MDP) -> float:
    """A bound on every value of a process: its largest reward, for ever."""
    return float(np.abs(mdp.reward[np.isfinite(mdp.reward)]).max()) / (1 - mdp.discount)


def backup_error(mdp: MDP, scale: float | None = None) -> float:
    """Of ``r + discount * P v``, where |v| is at most `scale`: S products, their sum, the discount, the reward."""
    return rounding(mdp.states + 3, largest(mdp) if scale is None else scale)


def solve_error(mdp: MDP, scale: float | None = None) -> float:
    """Of ``(I - discount * P) v = r``: elimination in S columns, magnified by the condition of the matrix.

    In row sums the matrix is at most ``1 + discount < 2``, and its inverse at most ``1 / (1 - discount)``.
    """
    condition = 2 / (1 - mdp.discount)
    return rounding(mdp.states * condition, largest(mdp) if scale is None else scale)
