"""Worst rows against a linear program and a conic one, robust values against plain sweeps, and the cliff."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import gymnasium
import numpy as np
from scipy.optimize import linprog

from companion.mdp import MDP, policy_iteration, policy_value
from companion.problems import forest_management, river_swim, slippery_cliff
from companion.robustness.robust_planning import (
    action_robust_value_iteration,
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
        "cliff_adversary": _cliff_adversary(),
        "cliff_ambiguity": _cliff_ambiguity(),
        "goal_with_ambiguity_anywhere": _goal(),
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
        rows = 10 * n
        p, v = rng.dirichlet(np.ones(n), rows), rng.normal(size=n)
        times = record.interleaved(
            {
                "ours, all rows": lambda p=p, v=v: worst_case_l1(p, v, 0.2),
                "linear program, 10 rows": lambda p=p, v=v: [
                    _l1_program(row, v, 0.2) for row in p[:10]
                ],
            },
            repeats=5,
        )
        ours, theirs = (times[k]["median"] for k in times)
        ratio = theirs / 10 * rows / ours
        if ratio < 100:
            raise AssertionError(
                f"only {ratio:.0f} times quicker than a linear program at n = {n}"
            )
        out[f"n={n}"] = {"rows": rows, "ms": times, "times_quicker_per_row": ratio}
    return out


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
    n, rows, few = 50, 500, 5
    p, v = rng.dirichlet(np.ones(n), rows), rng.normal(size=n)
    times = record.interleaved(
        {
            "ours, 500 rows": lambda: worst_case_kl(p, v, 0.1),
            "conic program, 5 rows": lambda: [
                _kl_program(row, v, 0.1) for row in p[:few]
            ],
        },
        repeats=5,
    )
    ours_ms, theirs_ms = (times[k]["median"] for k in times)
    return {
        "rows": compared,
        "largest_difference": worst,
        "solver": "Clarabel through cvxpy, tolerances 1e-10",
        "n=50": {
            "ms": times,
            "times_quicker_per_row": theirs_ms / few * rows / ours_ms,
        },
    }


def _kl_program(p: np.ndarray, v: np.ndarray, radius: float) -> float:
    q = cp.Variable(p.size)
    problem = cp.Problem(
        cp.Minimize(v @ q), [cp.sum(q) == 1, cp.sum(cp.kl_div(q, p)) <= radius]
    )
    accuracy = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
    return float(problem.solve(solver=cp.CLARABEL, **accuracy))


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
        plain, sweeps = _sweeps(mdp, 0.1, 1e-6, centred=False)
        middle, centred = _sweeps(mdp, 0.1, 1e-6, centred=True)
        difference = max(np.abs(ours.value - v).max() for v in (plain, middle))
        if difference > 2e-6:
            raise AssertionError(f"{name}: solver and sweeps differ by {difference:g}")
        times = record.interleaved(
            {
                "ours": lambda mdp=mdp: robust_value_iteration(mdp, 0.1),
                "sweeps": lambda mdp=mdp: _sweeps(mdp, 0.1, 1e-6, centred=False),
                "centred": lambda mdp=mdp: _sweeps(mdp, 0.1, 1e-6, centred=True),
            },
            repeats=3,
        )
        out[name] = {
            "steps": ours.iterations,
            "sweeps": sweeps,
            "centred_sweeps": centred,
            "difference": float(difference),
            "certified_gap": float((ours.upper - ours.lower).max()),
            "ms": times,
            "ratio_to_sweeps": times["sweeps"]["median"] / times["ours"]["median"],
            "ratio_to_centred": times["centred"]["median"] / times["ours"]["median"],
        }
    return out


def _certificates() -> dict[str, Any]:
    """Over 40 random models: the value is the policy's under the kernel, and the order of values holds."""
    exact = regret = doubt = 0.0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.full(20, 0.3), (20, 4))
        mdp = MDP(p, rng.normal(size=(20, 4)), 0.95)
        for kind, radius in (("l1", 0.2), ("kl", 0.05), ("interval", 0.05)):
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
                    f"seed {seed}, {kind}: the values are out of order"
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


def _cliff_adversary() -> list[dict[str, Any]]:
    mdp = MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"), 0.99)
    nominal, out = policy_iteration(mdp).policy, []
    for alpha in (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2):
        solution = action_robust_value_iteration(mdp, alpha)
        path = _path(mdp, solution.policy)
        # The adversary's best reply to the policy that ignores it: one action per state against a fixed one.
        mixed = (1 - alpha) * mdp.transition[np.arange(48), nominal][
            :, None
        ] + alpha * mdp.transition
        paid = (1 - alpha) * mdp.reward[np.arange(48), nominal][
            :, None
        ] + alpha * mdp.reward
        ignoring = -policy_iteration(MDP(mixed, -paid, mdp.discount)).value[36]
        out.append(
            {
                "alpha": alpha,
                "row": min(path) // 12,
                "steps": len(path) - 1,
                "value": float(solution.value[36]),
                "shortest_path_under_attack": float(ignoring),
                "without_attack": float(policy_value(mdp, solution.policy)[36]),
            }
        )
    return out


def _cliff_ambiguity() -> list[dict[str, Any]]:
    mdp = slippery_cliff(slip=0.01, discount=0.99)
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
    return [
        {
            "radius": radius,
            "anywhere": float(
                robust_value_iteration(mdp, radius, anywhere=True).value[47]
            ),
            "on_the_support": float(robust_value_iteration(mdp, radius).value[47]),
        }
        for radius in (0.01, 0.05, 0.2)
    ]
