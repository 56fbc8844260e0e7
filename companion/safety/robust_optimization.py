r"""Robust optimization: plans that hold for every coefficient of an uncertainty set.

An optimiser believes its numbers to the last digit, and ends where a constraint is met with equality.  Robust
optimization asks instead that a constraint holds for *every* coefficient in a set around the number, and the
worst of that set can often be written down: a sum of absolute values for a box, the largest few of them for a
budget, a norm for a ball.  So the cautious program is again a linear program, or one root of one function.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import brentq, linprog

from companion.checks import check_number, check_table, real_array

__all__ = [
    "RobustFit",
    "RobustPlan",
    "robust_least_squares",
    "robust_linear_program",
    "worst_coefficients",
    "worst_perturbation",
]

Floats = NDArray[np.float64]


class RobustPlan(NamedTuple):
    """The best plan that keeps its constraints whatever coefficients come true.

    Examples
    --------
    >>> robust_linear_program([-1.0], [[1.0]], [1.0]).value
    -1.0
    """

    x: Floats  # (n,) the plan
    value: float  # c . x
    slack: Floats  # (m,) what each constraint has left in its own worst case, never negative
    price: Floats  # (m,) what one more unit of each b lowers the value by; value = -price . b


class RobustFit(NamedTuple):
    """Least squares against the worst change of the data.

    Examples
    --------
    >>> robust_least_squares([[1.0], [0.0]], [1.0, 1.0], radius=0).ridge
    0.0
    """

    w: Floats  # (d,) coefficients
    value: float  # |Xw - y| + r |w|, the worst residual norm
    bound: float  # no w has a smaller worst residual norm than this
    ridge: (
        float  # the penalty with which ridge regression has the same w; inf where w = 0
    )


def worst_coefficients(
    x: ArrayLike,
    A: ArrayLike,
    deviation: ArrayLike,
    budget: ArrayLike | None = None,
) -> Floats:
    r"""Return the coefficients in the uncertainty set that make every row of `A x` largest.

    .. math:: \max_{a \in U_i} a \cdot x, \qquad
              U_i = \Big\{a : a_j = A_{ij} + z_j D_{ij},\ |z_j| \le 1,\ \sum_j |z_j| \le \Gamma_i\Big\}

    The budget goes to the largest :math:`D_{ij} |x_j|` first; the last one may get a fraction.

    Parameters
    ----------
    x : (n,) array_like
        The plan.
    A, deviation : (m, n) array_like
        Nominal coefficients, and how far each may be off, not negative.
    budget : float or (m,) array_like, optional
        :math:`\Gamma \ge 0`, how many coefficients of a row may be off at once.  By default all: a box.

    Returns
    -------
    (m, n) ndarray
        The worst coefficients, row by row.

    Raises
    ------
    TypeError, ValueError
        If an argument holds no finite numbers, a shape does not fit, or `deviation` or `budget` is negative.

    References
    ----------
    Bertsimas, D. and Sim, M. (2004). The price of robustness. Operations Research 52(1), equation 4.

    Examples
    --------
    >>> worst_coefficients([3, -2], [[1, 1]], [[0.1, 0.2]], budget=1)
    array([[1. , 0.8]])
    """
    A, D, gamma = _uncertain_rows(A, deviation, budget)
    x = real_array("x", x, (A.shape[1],))
    order = np.argsort(-D * np.abs(x), axis=1, kind="stable")
    share = np.empty_like(D)
    ranks = np.broadcast_to(np.arange(A.shape[1]), A.shape)
    np.put_along_axis(share, order, np.clip(gamma[:, None] - ranks, 0, 1), axis=1)
    return np.asarray(A + share * D * np.sign(x))


def robust_linear_program(
    c: ArrayLike,
    A: ArrayLike,
    b: ArrayLike,
    deviation: ArrayLike = 0.0,
    budget: ArrayLike | None = None,
    nonnegative: ArrayLike = True,
) -> RobustPlan:
    r"""Minimise `c x` so that `A x <= b` holds for every matrix of an uncertainty set.

    Coefficient :math:`A_{ij}` may be off by :math:`D_{ij}` in either direction, and in each row at most
    :math:`\Gamma_i` of them at once (a fraction counts as a part of the way).  With all of them at once, a box,

    .. math:: \sum_j A_{ij} x_j + \sum_j D_{ij} |x_j| \le b_i,

    and with a budget the second sum becomes the linear program's own dual,

    .. math:: \min_{z, p \ge 0}\ \Gamma_i z_i + \sum_j p_{ij} \quad\text{with}\quad
              z_i + p_{ij} \ge D_{ij} y_j,\quad -y_j \le x_j \le y_j.

    Either way the robust program is again linear, and HiGHS solves it.

    Parameters
    ----------
    c : (n,) array_like
        Costs.  To maximise, negate them; if they are uncertain, move them into a row with a free variable.
    A : (m, n) array_like
        Nominal coefficients.
    b : (m,) array_like
        Right-hand sides.  If they are uncertain, make them the column of a variable that two rows fix at one.
    deviation : float or (m, n) array_like
        :math:`D \ge 0`, in the unit of `A`.
    budget : float or (m,) array_like, optional
        :math:`\Gamma \ge 0`.  0 trusts `A`; by default every coefficient may be off at once.
    nonnegative : bool or (n,) array_like of bool
        Which variables cannot be negative.

    Returns
    -------
    RobustPlan
        The plan, its cost, and as certificate what is left in each constraint's worst case and the prices.

    Raises
    ------
    TypeError
        If an argument holds no real numbers, or `nonnegative` no booleans.
    ValueError
        If a number is out of range, the program is infeasible or unbounded (the message says which, and whether
        the nominal program is feasible), or its numbers lie too far apart for the solver.

    References
    ----------
    Soyster, A. L. (1973). Convex programming with set-inclusive constraints. Operations Research 21(5).
    Bertsimas, D. and Sim, M. (2004). The price of robustness. Operations Research 52(1), theorem 1.

    Examples
    --------
    Maximise x + y below 10 x + 10 y <= 10, where either coefficient may be one too small, but not both:

    >>> plan = robust_linear_program([-1, -1], [[10, 10]], [10], deviation=1, budget=1)
    >>> plan.x.round(4), round(plan.value, 4)
    (array([0.4762, 0.4762]), -0.9524)
    """
    A = check_table("A", A)
    c, b = real_array("c", c, A.shape[1:]), real_array("b", b, A.shape[:1])
    D = real_array("deviation", deviation)
    A, D, gamma = _uncertain_rows(A, np.full(A.shape, D) if D.ndim == 0 else D, budget)
    sign = np.asarray(nonnegative)
    if sign.dtype != np.bool_:
        raise TypeError(f"nonnegative must hold booleans, got {sign.dtype}")
    if sign.shape not in ((), c.shape):
        raise ValueError(f"nonnegative must have shape {c.shape}, got {sign.shape}")
    sign = np.broadcast_to(sign, c.shape)
    # The solver's tolerances are absolute: give it numbers near one, by powers of
    # two, which lose no digit.
    largest = np.maximum(np.abs(A), D)
    row = _scale(largest.max(axis=1))
    column = _scale((largest / row[:, None]).max(axis=0))
    cost, size = _scale(np.abs(c / column).max()), _scale(np.abs(b / row).max())
    unit, scaled_b = row[:, None] * column, b / row / size
    done = _solve(c / column / cost, A / unit, scaled_b, D / unit, gamma, sign)
    if done.status == 2:
        done = _solve(0 * c, A / unit, scaled_b, 0 * D, gamma, sign)
        nominal = "infeasible, too" if done.status == 2 else "feasible"
        raise ValueError(
            "the program is infeasible: no plan keeps every constraint for all coefficients of the set; "
            f"with the nominal ones it is {nominal}"
        )
    if done.status == 3:
        raise ValueError("the program is unbounded: the costs have no lower limit")
    if done.status != 0:
        raise ValueError(f"the program cannot be solved: {done.message}")
    x = done.x[: c.size] * size / column
    price = -done.ineqlin.marginals[: b.size] * cost / row
    worst = worst_coefficients(x, A, D, gamma)
    slack, value = b - (worst * x).sum(axis=1), c @ x
    room = 1e-6 * (np.abs(worst) @ np.abs(x) + np.abs(b))
    gap = 1e-6 * (np.abs(c) @ np.abs(x) + price @ np.abs(b))
    if not ((slack >= -room).all() and abs(value + price @ b) <= gap):
        raise ValueError(
            "the program cannot be solved in float64: its numbers lie too far apart"
        )
    return RobustPlan(x, float(value), slack, price)


def worst_perturbation(
    w: ArrayLike, X: ArrayLike, y: ArrayLike, radius: float
) -> Floats:
    r"""Return the change of the data, no larger than `radius`, that makes the residual of `w` longest.

    .. math:: \Delta = r\, \frac{u\, w^\top}{|u|\,|w|}, \quad u = X w - y, \qquad
              |(X + \Delta) w - y| = |u| + r\,|w|

    Parameters
    ----------
    w : (d,) array_like
        Coefficients.
    X : (n, d) array_like
        Data, one sample in each row.
    y : (n,) array_like
        Targets.
    radius : float
        :math:`r \ge 0`, the Frobenius norm that the change may have, in the unit of `X`.

    Returns
    -------
    (n, d) ndarray
        A matrix of rank one, or zero where `w` is; where the residual is zero the first sample takes it all.

    Raises
    ------
    TypeError, ValueError
        If an argument holds no finite numbers, a shape does not fit, or `radius` is negative.

    References
    ----------
    El Ghaoui, L. and Lebret, H. (1997). Robust solutions to least-squares problems with uncertain data. SIAM
    Journal on Matrix Analysis and Applications 18(4).

    Examples
    --------
    >>> worst_perturbation([2.0], [[1.0], [1.0]], [2.0, 1.0], radius=0.5)
    array([[0. ],
           [0.5]])
    """
    X = check_table("X", X)
    y, w = real_array("y", y, X.shape[:1]), real_array("w", w, X.shape[1:])
    radius = check_number("radius", radius, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        u = X @ w - y
    if not np.isfinite(u).all():
        raise ValueError("X @ w must stay below 1e308, it does not")
    u = _direction(u)
    if not u.any():
        u[0] = 1.0
    return radius * np.outer(u, _direction(w))


def robust_least_squares(X: ArrayLike, y: ArrayLike, radius: float) -> RobustFit:
    r"""Minimise the largest residual norm over all changes of the data with Frobenius norm up to `radius`.

    .. math:: \min_w \max_{|\Delta|_F \le r} |(X + \Delta) w - y| = \min_w\, |X w - y| + r\,|w|

    Unless `w` or the residual is zero, that is ridge regression with the penalty
    :math:`\lambda = r\,|X w - y| / |w|`, which grows with :math:`\lambda` on one side only: one root, found in
    the singular values.  The certificate is the dual: for :math:`|v| \le 1` and :math:`|X^\top v| \le r`, no
    `w` does better than :math:`y \cdot v`.

    Parameters
    ----------
    X : (n, d) array_like
        Data, one sample in each row.  The radius counts all columns alike, so bring them to one unit first.
    y : (n,) array_like
        Targets.
    radius : float
        :math:`r \ge 0`, in the unit of `X`.  0 is ordinary least squares (the shortest solution).

    Returns
    -------
    RobustFit
        Coefficients, the worst residual norm, a lower bound on every other, and the equivalent ridge penalty.

    Raises
    ------
    TypeError, ValueError
        If an argument holds no finite numbers, a shape does not fit, or `radius` is negative.

    References
    ----------
    El Ghaoui, L. and Lebret, H. (1997). Robust solutions to least-squares problems with uncertain data. SIAM
    Journal on Matrix Analysis and Applications 18(4), theorem 3.2.

    Examples
    --------
    >>> fit = robust_least_squares([[1, 0], [0, 1], [1, 1]], [1, 2, 2], radius=0.5)
    >>> fit.w.round(4), round(fit.value, 4), round(fit.bound, 4)
    (array([0.6769, 1.5221]), 1.4431, 1.4431)
    """
    X = check_table("X", X)
    y = real_array("y", y, X.shape[:1])
    radius = check_number("radius", radius, 0)
    unit, size = _scale(np.abs(X).max()), _scale(np.abs(y).max())
    U, s, Vt = np.linalg.svd(X / unit, full_matrices=False)
    r = radius / unit
    kept = s > s[0] * max(X.shape) * np.finfo(np.float64).eps
    U, s, Vt = U[:, kept], s[kept], Vt[kept]
    beta = U.T @ (y / size)
    outside = float(np.linalg.norm(y / size - U @ beta))
    outside *= outside > 10 * len(y) * np.finfo(np.float64).eps

    # How much λ |w| / |Xw - y| exceeds r; it grows with the penalty λ.
    def _excess(log_penalty: float) -> float:
        share = beta / (s**2 / np.exp(log_penalty) + 1)
        return float(
            np.linalg.norm(s * share) / np.hypot(np.linalg.norm(share), outside) - r
        )

    # Beyond these penalties float64 cannot tell the fit from its limits.
    low, high = 2 * np.log(s[-1:] * 1e-10).sum(), 2 * np.log(s[:1] * 1e10).sum()
    if not beta.any() or _excess(high) <= 0:
        root, ridge, v = high, np.inf, 0 * beta
    elif _excess(low) >= 0:
        root, ridge, v = low, 0.0, beta / s
    else:
        root = float(brentq(_excess, low, high, xtol=1e-14, rtol=1e-14))
        ridge = float(np.exp(root)) * unit**2
        v = s * beta / (s**2 + np.exp(root))
    w = Vt.T @ v
    missed = (X / unit) @ w - y / size
    value = float(np.linalg.norm(missed) + r * np.linalg.norm(w)) * size
    # The residual's direction is the best point of the dual; its part in the
    # columns' span is shortened where it is not feasible.
    share = beta / (s**2 / np.exp(root) + 1)
    length = max(float(np.hypot(np.linalg.norm(share), outside)), 1e-300)
    slope = float(np.linalg.norm(s * share)) / length
    share *= min(1.0, r / slope) if slope > 0 else 0.0
    bound = float(share @ beta + outside**2) / length * size
    with np.errstate(over="ignore"):
        w = w * size / unit
    if not np.isfinite(w).all():
        raise ValueError(
            "X must not be too small beside y, got coefficients over 1e308"
        )
    return RobustFit(w, float(value), float(bound), float(ridge))


def _uncertain_rows(
    A: ArrayLike, deviation: ArrayLike, budget: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Coefficients, deviations and budgets, checked, with one budget for every row."""
    A = check_table("A", A)
    D = real_array("deviation", deviation, A.shape)
    gamma = real_array("budget", A.shape[1] if budget is None else budget)
    if gamma.shape not in ((), A.shape[:1]):
        raise ValueError(f"budget must have shape {A.shape[:1]}, got {gamma.shape}")
    for name, value in (("deviation", D), ("budget", gamma)):
        if value.min() < 0:
            raise ValueError(f"{name} must not be negative, got {value.min():g}")
    return A, D, np.broadcast_to(gamma, A.shape[:1])


def _solve(
    c: Floats, A: Floats, b: Floats, D: Floats, gamma: Floats, sign: NDArray[np.bool_]
) -> Any:
    """The robust counterpart as one linear program, by HiGHS (Bertsimas and Sim 2004, theorem 1)."""
    (m, n), free = A.shape, np.flatnonzero(~sign & D.any(axis=0))
    boxed = gamma >= (D > 0).sum(axis=1)
    i, j = np.nonzero(D * ~boxed[:, None])
    # Columns: x, then |x| of the uncertain free variables, then z and p.
    size = np.arange(n)
    size[free] = n + np.arange(free.size)
    k, z = i.size, n + free.size
    p = z + m + np.arange(k)
    rows = sparse.lil_array((m + 2 * free.size + k, z + m + k))
    rows[:m, :n] = A
    rows[:m, size] += D * boxed[:, None]
    rows[np.arange(m), z + np.arange(m)] = np.where(boxed, 0.0, gamma)
    rows[i, p] = 1.0
    for half, direction in enumerate((1.0, -1.0)):
        bound = m + half * free.size + np.arange(free.size)
        rows[bound, free], rows[bound, size[free]] = direction, -1.0
    link = m + 2 * free.size + np.arange(k)
    rows[link, size[j]] = D[i, j]
    rows[link, z + i] = rows[link, p] = -1.0
    low = np.zeros(rows.shape[1])
    low[:n] = np.where(sign, 0.0, -np.inf)
    args = (
        np.pad(c, (0, z + m + k - n)),
        rows.tocsr(),
        np.pad(b, (0, len(link) + 2 * free.size)),
    )
    options = {
        "primal_feasibility_tolerance": 1e-10,
        "dual_feasibility_tolerance": 1e-10,
    }
    bounds = np.column_stack([low, np.full(low.size, np.inf)])
    done = linprog(*args, bounds=bounds, options=options)
    if done.status == 4:  # "unbounded or infeasible": without presolve it says which
        done = linprog(*args, bounds=bounds, options={**options, "presolve": False})
    return done


def _scale(value: ArrayLike) -> Any:
    """A power of two within a factor of two of each number; one for zero."""
    return np.ldexp(1.0, np.maximum(np.frexp(value)[1] - 1, -1021))


def _direction(vector: Floats) -> Floats:
    """The vector at length one, without overflow; zero stays zero."""
    scaled: Floats = vector / _scale(np.abs(vector).max())
    length = float(np.linalg.norm(scaled))
    return scaled / length if length else scaled
