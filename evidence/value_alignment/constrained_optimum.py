"""The constrained optimum beside cvxpy's interior-point solver and its own dual, on random processes; speed."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
from scipy.optimize import minimize_scalar

from companion.mdp import MDP, occupancy, policy_iteration
from companion.problems import slippery_cliff
from companion.value_alignment.constrained_optimum import (
    constrained_optimum,
    deterministic_mixture,
    dual_value,
    hazard_grid,
)
from evidence.record import interleaved

PEERS = ["cvxpy"]
SEEDS = range(100)
REPEATS = 9


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {"agreement": agreement(), "breakpoints": breakpoints(), "speed": speed()}


def random_problem(seed: int) -> tuple[MDP, Any, Any, Any]:
    """A random process, costs, and a limit between the least cost and that of the unconstrained optimum."""
    rng, least, most = np.random.default_rng(seed), 0.0, 0.0
    while most - least < 0.01:  # the reward must pull away from the least cost
        states, actions = int(rng.integers(3, 13)), int(rng.integers(2, 5))
        transition = rng.dirichlet(np.ones(states), (states, actions))
        mdp = MDP(transition, rng.normal(size=(states, actions)), 0.9)
        cost, start = rng.random((states, actions)), rng.dirichlet(np.ones(states))
        least, most = (
            float((occupancy(mdp, policy_iteration(m).policy, start) * cost).sum())
            for m in (MDP(transition, -cost, 0.9), mdp)
        )
    return mdp, cost, least + rng.uniform(0.1, 0.9) * (most - least), start


def peer(mdp: MDP, cost: Any, limit: float, start: Any) -> tuple[float, float]:
    """The optimal value and the multiplier by cvxpy's default solver for linear programs, to its last digits."""
    d = cp.Variable(mdp.reward.size, nonneg=True)
    flow = np.eye(mdp.states).repeat(mdp.actions, axis=0) - mdp.discount * mdp.rows
    kept = cost.ravel() @ d <= limit
    problem = cp.Problem(
        cp.Maximize(mdp.reward.ravel() @ d), [kept, flow.T @ d == start]
    )
    exact = {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13}
    problem.solve(solver=cp.CLARABEL, **exact)
    return float(problem.value), float(kept.dual_value)


def agreement() -> dict[str, Any]:
    """Largest differences over random processes: from cvxpy, from the least of the dual, from the mixture."""
    worst = {"cvxpy": 0.0, "multiplier": 0.0, "dual": 0.0, "mixture": 0.0}
    random_states = []
    for seed in SEEDS:
        mdp, cost, limit, start = random_problem(seed)
        optimum = constrained_optimum(mdp, cost, limit, start)
        value, multiplier = peer(mdp, cost, limit, start)
        dual = minimize_scalar(
            lambda price, given=(mdp, cost, limit, start): dual_value(
                *given[:3], price, given[3]
            ),
            bounds=(0, 10 * (1 + multiplier)),
            method="bounded",
            options={"xatol": 1e-12, "maxiter": 200},
        ).fun
        weights, parts = deterministic_mixture(mdp, optimum.policy, start)
        together = sum(
            w * occupancy(mdp, part, start)
            for w, part in zip(weights, parts, strict=True)
        )
        differences = {
            "cvxpy": optimum.value - value,
            "multiplier": optimum.multiplier - multiplier,
            "dual": optimum.value - min(dual, optimum.bound),
            "mixture": np.abs(together - optimum.occupancy).max(),
        }
        for name, difference in differences.items():
            worst[name] = max(worst[name], abs(float(difference)))
        random_states.append(int(((optimum.policy > 0).sum(axis=1) > 1).sum()))
    if max(worst.values()) > 1e-9:
        raise AssertionError(f"the linear program disagrees: {worst}")
    if max(random_states) > 1:
        raise AssertionError("a policy is random in more than one state")
    return {
        "processes": len(SEEDS),
        "largest difference": worst,
        "random in one state": sum(random_states),
    }


def breakpoints() -> dict[str, Any]:
    """Where the limit is what a policy without randomness spends, the multiplier of two solvers may differ."""
    ours, theirs = [], []
    for seed in SEEDS:
        mdp, cost, limit, start = random_problem(seed)
        optimum = constrained_optimum(mdp, cost, limit, start)
        _, parts = deterministic_mixture(mdp, optimum.policy, start)
        spent = float((occupancy(mdp, parts[0], start) * cost).sum())
        ours.append(float(constrained_optimum(mdp, cost, spent, start).multiplier))
        theirs.append(peer(mdp, cost, spent, start)[1])
    apart = np.abs(np.subtract(ours, theirs)) > 1e-6
    return {"processes": len(SEEDS), "multipliers differ": int(apart.sum())}


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same work, model building included on both sides."""
    rows = []
    cliff = slippery_cliff(0.1)
    falls = (cliff.reward == -100).astype(float)
    walk = MDP(cliff.transition, np.maximum(cliff.reward, -1), cliff.discount)
    problems = {
        "hazard grid, 25 states": (*hazard_grid()[:2], 0.5, hazard_grid()[2]),
        "slippery cliff, 48 states": (walk, falls, 0.02, np.eye(48)[36]),
    }
    for name, given in problems.items():
        work = {
            "ours": lambda given=given: constrained_optimum(*given),
            "peer": lambda given=given: peer(*given),
        }
        times = interleaved(work, repeats=REPEATS)
        quotient = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": name, "peer": "cvxpy", "ratio": quotient, "ms": times})
    return rows
