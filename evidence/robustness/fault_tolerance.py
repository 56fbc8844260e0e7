"""Exact maintenance beside its peers: the solvers of QuantEcon and of mdptoolbox-hiive."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse

from companion.mdp import (
    MDP,
    Solution,
    modified_policy_iteration,
    policy_iteration,
    value_iteration,
)
from companion.problems import forest_management, river_swim
from companion.robustness.fault_tolerance import redundant_system
from evidence.record import interleaved

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # hiive imports the old gym, which complains
    import hiive.mdptoolbox.mdp as hiive
    from quantecon.markov import DiscreteDP

PEERS = ["quantecon", "numba", "mdptoolbox-hiive"]
EPSILON = 1e-3  # QuantEcon's: values within half of it
REPEATS = 5


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "machine": solvers(lessons_machine(), "the lesson's machine, 64 states"),
        "random": [
            solvers(random_mdp(0, layout), f"random, 1000 states, {layout}")
            for layout in ("dense", "sparse")
        ],
        "slow": [
            solvers(problem, name)
            for name, problem in (
                ("river swim, 300 states", river_swim(300, discount=0.99)),
                (
                    "forest, 1000 states, fire 0.001",
                    forest_management(1000, fire=0.001, discount=0.99),
                ),
            )
        ],
        "toolbox": toolbox(),
    }


def lessons_machine() -> MDP:
    """The three components of the lesson."""
    wear = 0.85 * np.eye(4) + 0.15 * np.eye(4, k=1)
    wear[-1, -1] = 1.0
    return redundant_system(
        wear, 3, [-4, -4, 0.6, 1], repair_cost=1, overhaul_cost=2, discount=0.95
    )


def random_mdp(
    seed: int,
    layout: str,
    states: int = 1000,
    actions: int = 10,
    discount: float = 0.99,
) -> MDP:
    """A random process: dense with Dirichlet(1) rows, or sparse with five next states per row."""
    rng = np.random.default_rng(seed)
    reward = rng.normal(size=(states, actions))
    if layout == "dense":
        transition = rng.exponential(size=(states, actions, states))
        return MDP(transition / transition.sum(axis=2, keepdims=True), reward, discount)
    to = np.argsort(rng.random((states * actions, states)), axis=1)[:, :5]
    chance = rng.dirichlet(np.ones(5), size=states * actions)
    row = np.arange(states * actions).repeat(5)
    rows = sparse.csr_array(
        (chance.ravel(), (row, to.ravel())), shape=(states * actions, states)
    )
    return MDP(rows, reward, discount)


def quantecon(mdp: MDP, layout: str) -> DiscreteDP:
    """The same process for QuantEcon: dense, or as state-action pairs over a sparse matrix."""
    if layout == "dense":
        dense = (
            mdp.rows.toarray() if sparse.issparse(mdp.rows) else np.asarray(mdp.rows)
        )
        return DiscreteDP(
            np.array(mdp.reward),
            dense.reshape(mdp.states, mdp.actions, -1),
            mdp.discount,
        )
    state, action = np.divmod(np.arange(mdp.reward.size), mdp.actions)
    return DiscreteDP(
        mdp.reward.ravel(), sparse.csr_matrix(mdp.rows), mdp.discount, state, action
    )


def solvers(mdp: MDP, name: str) -> dict[str, Any]:
    """Time our solvers and QuantEcon's on one process; the true error that each reached stands beside it."""
    exact = policy_iteration(mdp).value
    layouts = ["dense", "sparse"] if sparse.issparse(mdp.rows) else ["dense"]
    work: dict[str, Any] = {
        "ours, value iteration": lambda: value_iteration(mdp, EPSILON / 2),
        "ours, modified policy iteration": lambda: modified_policy_iteration(
            mdp, EPSILON / 2, sweeps=20
        ),
        "ours, policy iteration": lambda: policy_iteration(mdp),
    }
    for layout in layouts:
        peer = quantecon(mdp, layout)
        for method in (
            "value_iteration",
            "modified_policy_iteration",
            "policy_iteration",
        ):
            options = (
                {}
                if method == "policy_iteration"
                else {"epsilon": EPSILON, "max_iter": 10**6}
            )
            label = f"QuantEcon {layout}, {method.replace('_', ' ')}"
            work[label] = lambda p=peer, m=method, o=options: p.solve(method=m, **o)
    times = interleaved(work, repeats=REPEATS)
    rows = {}
    for label, run in work.items():
        answer = run()
        value = answer.value if isinstance(answer, Solution) else answer.v
        iterations = (
            answer.iterations if isinstance(answer, Solution) else answer.num_iter
        )
        rows[label] = {
            **times[label],
            "error": float(np.abs(value - exact).max()),
            "iterations": int(iterations),
        }
        if rows[label]["error"] > EPSILON / 2:
            raise AssertionError(
                f"{label} on {name} misses the accuracy: {rows[label]['error']}"
            )

    def best(start: str, end: str = "") -> float:
        return min(
            row["median"]
            for label, row in rows.items()
            if label.startswith(start) and label.endswith(end)
        )

    methods = ("value iteration", "modified policy iteration", "policy iteration")
    ratios = {
        m: best("QuantEcon", f", {m}") / rows[f"ours, {m}"]["median"] for m in methods
    }
    ratios["policy iteration, against QuantEcon's best"] = (
        best("QuantEcon") / rows["ours, policy iteration"]["median"]
    )
    steps = {
        "sweeps, ours": rows["ours, value iteration"]["iterations"],
        "sweeps, QuantEcon": rows[f"QuantEcon {layouts[-1]}, value iteration"][
            "iterations"
        ],
        "solves, ours": rows["ours, policy iteration"]["iterations"],
    }
    return {"name": name, "solvers": rows, "ratios": ratios, "steps": steps}


def agreement() -> dict[str, Any]:
    """Policy iteration of three programs on the same twenty processes."""
    worst = {"QuantEcon": 0.0, "mdptoolbox-hiive": 0.0}
    for seed in range(20):
        mdp = random_mdp(seed, "dense", states=40, actions=4, discount=0.95)
        ours = policy_iteration(mdp).value
        theirs = {
            "QuantEcon": quantecon(mdp, "dense").solve(method="policy_iteration").v
        }
        toolbox_pi = hiive.PolicyIteration(
            np.ascontiguousarray(np.swapaxes(mdp.transition, 0, 1)),
            np.array(mdp.reward),
            mdp.discount,
        )
        toolbox_pi.run()
        theirs["mdptoolbox-hiive"] = np.array(toolbox_pi.V)
        for name, value in theirs.items():
            worst[name] = max(worst[name], float(np.abs(value - ours).max()))
    if max(worst.values()) > 1e-9:
        raise AssertionError(f"policy iteration disagrees: {worst}")
    return {"processes": 20, "states": 40, "largest difference": worst}


def toolbox() -> dict[str, Any]:
    """The toolbox's documented example: four solvers, four answers."""
    mdp = forest_management(discount=0.96)
    transition = np.ascontiguousarray(
        np.swapaxes(mdp.rows.toarray().reshape(3, 2, 3), 0, 1)
    )
    answers = {}
    for name in (
        "ValueIteration",
        "PolicyIterationModified",
        "ValueIterationGS",
        "PolicyIteration",
    ):
        solver = getattr(hiive, name)(transition, np.array(mdp.reward), 0.96)
        solver.run()
        answers[name] = [float(v) for v in solver.V]
    ours = value_iteration(mdp, 0.01)
    return {
        "toolbox": answers,
        "ours": ours.value.tolist(),
        "ours sweeps": ours.iterations,
    }
