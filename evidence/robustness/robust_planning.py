"""Worst rows against linear and conic programs, alone and together; robust values against sweeps; the cliff."""

from __future__ import annotations

from functools import partial
from typing import Any

import cvxpy as cp
import gymnasium
import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from companion.mdp import MDP, policy_iteration, policy_value
from companion.problems import forest_management, river_swim, slippery_cliff
from companion.robustness.robust_planning import (
    WorstCase,
    robust_policy_value,
    robust_value_iteration,
    worst_case_interval,
    worst_case_kl,
    worst_case_l1,
)
from evidence import record

PEERS = ["cvxpy", "clarabel", "gymnasium"]


def measure() -> dict[str, Any]:
    return {
        "l1_against_linear_program": _l1(),
        "kl_against_conic_program": _kl(),
        "interval_against_linear_program": _interval(),
        "robust_solver_against_sweeps": _solver(),
        "certificates": _certificates(),
        "cliff_ambiguity": _cliff_ambiguity(),
        "goal_with_ambiguity_anywhere": _goal(),
        "rare_break": _rare_break(),
    }


def _l1_program(p: np.ndarray, v: np.ndarray, radius: float) -> float:
    n, eye = p.size, np.eye(p.size)
    answer = linprog(
        np.r_[v, np.zeros(n)],
        A_ub=np.vstack(
            [
                np.hstack([eye, -eye]),
                np.hstack([-eye, -eye]),
                np.r_[np.zeros(n), np.ones(n)][None],
            ]
        ),
        b_ub=np.r_[p, -p, radius],
        A_eq=np.r_[np.ones(n), np.zeros(n)][None],
        b_eq=[1],
        bounds=(0, None),
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": 1e-10,
            "dual_feasibility_tolerance": 1e-10,
        },
    )
    return float(answer.fun)


def _l1() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    worst = 0.0
    for n in (5, 20, 50):
        p, v, radius = (
            rng.dirichlet(np.ones(n), 40),
            rng.normal(size=n) * 10,
            rng.random(40) * 2,
        )
        expected = [_l1_program(*row) for row in zip(p, [v] * 40, radius, strict=True)]
        worst = max(
            worst, float(np.abs(worst_case_l1(p, v, radius).value - expected).max())
        )
    if worst > 1e-9:
        raise AssertionError(
            f"worst_case_l1 differs from the linear program by {worst:g}"
        )
    out: dict[str, Any] = {
        "rows": 120,
        "largest_difference": worst,
        "solver": "HiGHS dual simplex, tolerances 1e-10",
    }
    for n in (10, 50, 200):
        p, v = rng.dirichlet(np.ones(n), 20), rng.normal(size=n)
        program = _together(p, v, 0.2)
        apart = np.abs(program() - worst_case_l1(p, v, 0.2).value).max()
        if apart > 1e-7:
            raise AssertionError(f"the program for 20 rows differs by {apart:g}")
        times = record.interleaved(
            {
                "ours, one row": lambda p=p, v=v: worst_case_l1(p[0], v, 0.2),
                "program, one row": lambda p=p, v=v: _l1_program(p[0], v, 0.2),
                "ours, 20 rows": lambda p=p, v=v: worst_case_l1(p, v, 0.2),
                "program, 20 rows": program,
            },
            repeats=7,
        )
        out[f"n={n}"] = {
            "ms": times,
            "ratio_one_row": times["program, one row"]["median"]
            / times["ours, one row"]["median"],
            "ratio_20_rows": times["program, 20 rows"]["median"]
            / times["ours, 20 rows"]["median"],
        }
    return out


def _together(p: np.ndarray, v: np.ndarray, radius: float) -> Any:
    """One sparse linear program for all rows; built here, solved at each call."""
    rows, n = p.shape
    eye, one = sparse.eye_array(rows * n), np.ones((1, n))
    total = sparse.kron(sparse.eye_array(rows), one)
    above = sparse.block_array([[eye, -eye], [-eye, -eye], [None, total]])
    sums = sparse.hstack([total, 0 * total])
    cost = np.concatenate([np.tile(v, rows), np.zeros(rows * n)])
    bound = np.concatenate([p.ravel(), -p.ravel(), np.full(rows, radius)])

    def solve() -> np.ndarray:
        answer = linprog(cost, above, bound, sums, np.ones(rows), method="highs-ds")
        return np.asarray(answer.x[: rows * n].reshape(rows, n) @ v)

    return solve


def _kl() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    worst, compared = 0.0, 0
    for n in (3, 10, 30):
        p, v = rng.dirichlet(np.ones(n), 12), rng.normal(size=n) * 5
        for radius in (1e-3, 1e-2, 0.1, 0.5, 2.0):
            ours = worst_case_kl(p, v, radius).value
            for row, value in zip(p, ours, strict=True):
                worst = max(worst, abs(value - _kl_program(row, v, radius)))
                compared += 1
    if worst > 1e-6:
        raise AssertionError(
            f"worst_case_kl differs from the conic program by {worst:g}"
        )
    n = 50
    p, v = rng.dirichlet(np.ones(n), 1)[0], rng.normal(size=n)
    times = record.interleaved(
        {
            "ours, one row": lambda: worst_case_kl(p, v, 0.1),
            "program, one row": lambda: _kl_program(p, v, 0.1),
        },
        repeats=7,
    )
    return {
        "rows": compared,
        "largest_difference": worst,
        "solver": "Clarabel through cvxpy, tolerances 1e-10, compiled once",
        "n=50": {
            "ms": times,
            "ratio_one_row": times["program, one row"]["median"]
            / times["ours, one row"]["median"],
        },
    }


COMPILED: dict[int, tuple[Any, Any, Any, Any]] = {}


def _kl_program(p: np.ndarray, v: np.ndarray, radius: float) -> float:
    """The conic program, compiled at the first call for its size."""
    if p.size not in COMPILED:
        q, row = cp.Variable(p.size), cp.Parameter(p.size, nonneg=True)
        value, limit = cp.Parameter(p.size), cp.Parameter(nonneg=True)
        program = cp.Problem(
            cp.Minimize(value @ q),
            [cp.sum(q) == 1, cp.sum(cp.kl_div(q, row)) <= limit],
        )
        if not program.is_dpp():
            raise AssertionError("the conic program cannot be compiled once")
        COMPILED[p.size] = program, row, value, limit
    program, row, value, limit = COMPILED[p.size]
    row.value, value.value, limit.value = p, v, radius
    accuracy = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
    return float(program.solve(solver=cp.CLARABEL, **accuracy))


def _interval() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    worst = 0.0
    for n in (5, 20, 50):
        p, v = rng.dirichlet(np.ones(n), 30), rng.normal(size=n) * 10
        low, high = p * rng.random(p.shape), p + (1 - p) * rng.random(p.shape)
        ours = worst_case_interval(low, high, v).value
        for lo, hi, value in zip(low, high, ours, strict=True):
            program = linprog(
                v,
                A_eq=np.ones((1, n)),
                b_eq=[1],
                bounds=np.c_[lo, hi],
                method="highs-ds",
            )
            worst = max(worst, abs(value - program.fun))
    if worst > 1e-9:
        raise AssertionError(
            f"worst_case_interval differs from the linear program by {worst:g}"
        )
    return {"rows": 90, "largest_difference": worst}


def _sweeps(
    mdp: MDP, radius: float, tolerance: float, centred: bool
) -> tuple[np.ndarray, int]:
    """Plain robust value iteration, stopped by the sup norm or by MacQueen's span."""
    value, count, reach = np.zeros(mdp.states), 0, mdp.discount / (1 - mdp.discount)
    while True:
        inner = worst_case_l1(mdp.rows, value, radius).value.reshape(mdp.reward.shape)
        backup, count = (mdp.reward + mdp.discount * inner).max(axis=1), count + 1
        low, high = (backup - value).min() * reach, (backup - value).max() * reach
        if centred and high - low <= tolerance:
            return backup + (low + high) / 2, count
        if not centred and max(-low, high) <= tolerance:
            return backup, count
        value = backup


def _dense(mdp: MDP) -> MDP:
    return MDP(
        mdp.rows.toarray().reshape(mdp.states, mdp.actions, -1),
        mdp.reward,
        mdp.discount,
    )


def _solver() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    problems = {
        "random, 100 states, discount .9": MDP(
            rng.dirichlet(np.ones(100), (100, 5)), rng.normal(size=(100, 5)), 0.9
        ),
        "random, 100 states, discount .99": MDP(
            rng.dirichlet(np.ones(100), (100, 5)), rng.normal(size=(100, 5)), 0.99
        ),
        "forest, 50 ages, discount .99": _dense(forest_management(50, discount=0.99)),
        "river swim, 50 states, discount .99": _dense(river_swim(50, 0.99)),
    }
    out = {}
    for name, mdp in problems.items():
        ours = robust_value_iteration(mdp, 0.1, tolerance=1e-6)
        gap = float((ours.upper - ours.lower).max())
        plain, sweeps = _sweeps(mdp, 0.1, 1e-6, centred=False)
        middle, centred = _sweeps(mdp, 0.1, 1e-6, centred=True)
        closer, equal = _sweeps(mdp, 0.1, gap, centred=True)
        difference = max(np.abs(ours.value - v).max() for v in (plain, middle))
        if difference > 2e-6 or np.abs(ours.value - closer).max() > 2 * gap:
            raise AssertionError(f"{name}: solver and sweeps differ by {difference:g}")
        times = record.interleaved(
            {
                "ours": lambda mdp=mdp: robust_value_iteration(mdp, 0.1),
                "sweeps": lambda mdp=mdp: _sweeps(mdp, 0.1, 1e-6, centred=False),
                "centred": lambda mdp=mdp: _sweeps(mdp, 0.1, 1e-6, centred=True),
                "equal": lambda mdp=mdp, gap=gap: _sweeps(mdp, 0.1, gap, centred=True),
            },
            repeats=5,
        )
        out[name] = {
            "steps": ours.iterations,
            "sweeps": sweeps,
            "centred_sweeps": centred,
            "centred_sweeps_to_our_gap": equal,
            "difference": float(difference),
            "certified_gap": gap,
            "ms": times,
            "ratio_to_sweeps": times["sweeps"]["median"] / times["ours"]["median"],
            "ratio_to_centred": times["centred"]["median"] / times["ours"]["median"],
            "ratio_at_equal_gap": times["equal"]["median"] / times["ours"]["median"],
        }
    return out


def _band(kernel: np.ndarray, value: np.ndarray, radius: np.ndarray) -> WorstCase:
    """Every probability of the support may be off by the radius."""
    low = np.maximum(kernel - radius[:, None], 0)
    high = np.where(kernel > 0, np.minimum(kernel + radius[:, None], 1), 0)
    return worst_case_interval(low, high, value)


def _certificates() -> dict[str, Any]:
    """Over 40 random models: the value is the policy's under the kernel, and the order of values holds."""
    exact = regret = doubt = 0.0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.full(20, 0.3), (20, 4))
        mdp = MDP(p, rng.normal(size=(20, 4)), 0.95)
        for kind, radius in (
            (worst_case_l1, 0.2),
            (worst_case_kl, 0.05),
            (_band, 0.05),
        ):
            robust = robust_value_iteration(mdp, radius, kind, 1e-8)
            worst = MDP(robust.kernel, mdp.reward, mdp.discount)
            nominal = policy_iteration(mdp)
            trusting = robust_policy_value(
                mdp, nominal.policy, radius, kind, 1e-8
            ).value
            doubting = policy_value(mdp, robust.policy)
            exact = max(
                exact, float(np.abs(robust.value - policy_iteration(worst).value).max())
            )
            ordered = (
                (trusting <= robust.value + 1e-7)
                & (robust.value <= doubting + 1e-7)
                & (doubting <= nominal.value + 1e-7)
            )
            if not (robust.converged and ordered.all()):
                raise AssertionError(
                    f"seed {seed}, radius {radius}: the values are out of order"
                )
            regret = max(regret, float((robust.value - trusting).max()))
            doubt = max(doubt, float((nominal.value - doubting).max()))
    if exact > 1e-7:
        raise AssertionError(f"value and worst kernel differ by {exact:g}")
    return {
        "models": 40,
        "value_against_best_reply_to_worst_kernel": exact,
        "largest_gain_in_the_worst_case": regret,
        "largest_price_in_the_nominal_case": doubt,
    }


def _path(mdp: MDP, policy: np.ndarray) -> list[int]:
    path = [36]
    while path[-1] != 47 and len(path) < 48:
        path.append(int(mdp.transition[path[-1], policy[path[-1]]].argmax()))
    return path


def _cliff_ambiguity() -> list[dict[str, Any]]:
    mdp = slippery_cliff(slip=0.001, discount=0.99)
    nominal, out = policy_iteration(mdp), []
    for radius in (0.0, 0.01, 0.05, 0.1, 0.2, 0.5):
        robust = robust_value_iteration(mdp, radius)
        path = _path(mdp, robust.policy)
        out.append(
            {
                "radius": radius,
                "row": min(path) // 12,
                "robust_worst_case": float(robust.value[36]),
                "trusting_worst_case": float(
                    robust_policy_value(mdp, nominal.policy, radius).value[36]
                ),
                "robust_nominal": float(policy_value(mdp, robust.policy)[36]),
                "trusting_nominal": float(nominal.value[36]),
            }
        )
    return out


def _goal() -> list[dict[str, float]]:
    mdp = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), 0.99)
    anywhere = partial(worst_case_l1, support=True)
    return [
        {
            "radius": radius,
            "anywhere": float(robust_value_iteration(mdp, radius, anywhere).value[47]),
            "on_the_support": float(robust_value_iteration(mdp, radius).value[47]),
        }
        for radius in (0.01, 0.05, 0.2)
    ]


def _rare_break() -> dict[str, Any]:
    """A machine that breaks once in a hundred steps, estimated from a hundred: who promises too much?"""
    truth = MDP([[[0.99, 0.01], [1, 0]], [[0, 1], [1, 0]]], [[1, -2], [0, -2]], 0.9)
    draws, seeds = 100, 2000
    radius = float(np.sqrt(2 / draws * np.log(4 * (2**2 - 2) / 0.05)))
    sets: dict[str, Any] = {
        "model": (0.0, worst_case_l1),
        "on the support": (radius, worst_case_l1),
        "anywhere": (radius, partial(worst_case_l1, support=True)),
    }
    broken, unseen = dict.fromkeys(sets, 0), 0
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).multinomial(draws, truth.transition)
        unseen += int(drawn[0, 0, 1] == 0)
        estimate = MDP(drawn / draws, truth.reward, truth.discount)
        for name, (size, ambiguity) in sets.items():
            plan = robust_value_iteration(estimate, size, ambiguity)
            earned = policy_value(truth, plan.policy)[0]
            broken[name] += int(plan.value[0] > earned + 1e-9)
    return {
        "draws": draws,
        "seeds": seeds,
        "radius": radius,
        "break_never_drawn": unseen,
        "promised_too_much": broken,
    }
