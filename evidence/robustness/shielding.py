"""Policies on the large frozen lake, bare and shielded, over 20 seeds; and the model checker Storm on the same."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import stormpy
from gymnasium.envs.toy_text.frozen_lake import generate_random_map
from scipy import sparse

from companion.mdp import MDP, policy_iteration, sample_next
from companion.robustness.shielding import (
    harm_probability,
    safe_set,
    shield_action,
    shield_policy,
)
from evidence import record

PEERS = ["gymnasium", "stormpy"]
SEEDS = 20


def measure() -> dict[str, Any]:
    mdp = MDP.from_gymnasium(gymnasium.make("FrozenLake-v1", map_name="8x8"), 0.99)
    goal = np.arange(64) == 63
    holes = (mdp.transition[np.arange(64), :, np.arange(64)] == 1).all(axis=1) & ~goal
    safe = safe_set(mdp, holes)
    policies: dict[str, list[np.ndarray]] = {
        "uniformly random": [np.full((64, 4), 0.25)] * SEEDS,
        "random, drawn once": [
            np.random.default_rng(s).integers(4, size=64) for s in range(SEEDS)
        ],
        "half-trained (100 steps)": [
            _trained(mdp, holes, safe, s, steps=100)[0] for s in range(SEEDS)
        ],
        "trained (1000 steps)": [
            _trained(mdp, holes, safe, s)[0] for s in range(SEEDS)
        ],
        "optimal at discount 0.99": [policy_iteration(mdp).policy] * SEEDS,
    }
    out: dict[str, Any] = {
        "seeds": SEEDS,
        "safe_states": int(safe.states.sum()),
        "policies": {},
    }
    for name, tables in policies.items():
        bare = [harm_probability(mdp, table, holes)[0] for table in tables]
        through = [shield_policy(table, safe) for table in tables]
        solved = [
            harm_probability(mdp, table, holes)[safe.states].max() for table in through
        ]
        arrives = [harm_probability(mdp, table, goal)[0] for table in through]
        runs = [
            _falls(mdp, table, holes, safe, np.random.default_rng(s))
            for s, table in enumerate(tables)
        ]
        if max(solved) > 0 or sum(v for v, _ in runs) > 0:
            raise AssertionError(f"{name}: harm behind the shield")
        out["policies"][name] = {
            "harm_bare": [float(h) for h in bare],
            "harm_bare_median": float(np.median(bare)),
            "harm_bare_low": float(min(bare)),
            "harm_bare_high": float(max(bare)),
            "harm_shielded_solved": float(max(solved)),
            "falls_simulated": int(sum(v for v, _ in runs)),
            "steps_simulated": int(sum(n for _, n in runs)),
            "arrival_shielded_median": float(np.median(arrives)),
            "arrival_shielded_low": float(min(arrives)),
        }
    out["learning"] = _learning(mdp, holes, safe)
    out["filter_ms"] = record.interleaved(
        {
            "shield_action, 1000 copies": lambda: shield_action(
                np.zeros(1000, int), np.zeros(1000, int), safe
            )
        }
    )
    out["storm"] = {
        "safe_sets": _same_safe_sets(200),
        "harm_exact": _same_harm(mdp, policies, holes, safe),
        "timing": [_timed(size, 0.97) for size in (8, 60)],
    }
    return out


def _storm(rows: Any, groups: int, harmful: np.ndarray, unit: int = 0) -> Any:
    """Storm's model of a transition matrix; `groups` rows a state, 0 for a Markov chain.

    With a unit the entries are whole numbers of 1 / unit, and Storm computes with rational numbers.
    """
    number = stormpy.Rational if unit else float
    matrix = sparse.csr_array(rows)
    matrix.sort_indices()
    entries, states = matrix.tocoo(), harmful.size
    values: list[Any] = entries.data.tolist()
    if unit:
        values = [number(v) / number(unit) for v in values]
    builder = stormpy.datastructures.SparseMatrixBuilder[number](
        rows=matrix.shape[0],
        columns=states,
        entries=matrix.nnz,
        has_custom_row_grouping=groups > 0,
        row_groups=states if groups else 0,
    )
    starts = list(range(0, matrix.shape[0], groups)) if groups else []
    builder.add_next_values(entries.row.tolist(), entries.col.tolist(), values, starts)
    labels = stormpy.models.StateLabeling(states)
    labels.add_label("init")
    labels.add_label_to_state("init", 0)
    labels.add_label("harm")
    for state in np.flatnonzero(harmful):
        labels.add_label_to_state("harm", int(state))
    parts = stormpy.models.SparseModelComponents[number](
        transition_matrix=builder.build(), state_labeling=labels
    )
    kind = stormpy.models.SparseMdp if groups else stormpy.models.SparseDtmc
    return kind[number](parts)


def _storm_safe(model: Any) -> np.ndarray:
    """The states from which harm can be avoided for ever, by Storm's graph analysis."""
    (least,) = stormpy.parse_properties('Pmin=? [F "harm"]')
    never, _ = stormpy.analysis.compute_prob01_states(model, least)
    safe = np.zeros(model.nr_states, bool)
    safe[list(never)] = True
    return safe


def _same_safe_sets(problems: int) -> dict[str, int]:
    """Sparse random processes: Storm's safe states are ours, also where there are none."""
    empty = 0
    for seed in range(problems):
        rng = np.random.default_rng(seed)
        states, actions = int(rng.integers(2, 60)), int(rng.integers(1, 4))
        shape = (states, actions, states)
        rows = rng.random(shape) * (rng.random(shape) < 1 / states)
        rows[np.arange(states), :, rng.integers(states, size=states)] += 0.1
        mdp = MDP(rows / rows.sum(axis=2, keepdims=True), np.zeros(shape[:2]), 0.9)
        harmful = rng.random(states) < 0.2
        harmful[0] = True
        theirs = _storm_safe(_storm(mdp.rows, actions, harmful))
        if not theirs.any():
            empty += 1
            try:
                safe_set(mdp, harmful)
            except ValueError:
                continue
            raise AssertionError(f"seed {seed}: Storm finds no safe state")
        if not np.array_equal(theirs, safe_set(mdp, harmful).states):
            raise AssertionError(f"seed {seed}: safe sets differ")
    return {"problems": problems, "without_safe_state": empty}


def _same_harm(
    mdp: MDP, policies: dict[str, list[np.ndarray]], holes: np.ndarray, safe: Any
) -> dict[str, float]:
    """Harm on the lake from Storm in rational arithmetic, bare and shielded, for every policy of one seed."""
    (harm,) = stormpy.parse_properties('P=? [F "harm"]')
    largest, chains = 0.0, 0
    for tables in policies.values():
        table = tables[0] if tables[0].ndim == 2 else np.eye(4)[tables[0]]
        for policy in (table, shield_policy(table, safe)):
            # Every probability of this chain is a twelfth or a third, rounded; the exact ones are meant.
            chain = np.einsum("sa,san->sn", policy, mdp.transition)
            twelfths = np.rint(12 * chain).astype(int)
            if (
                np.abs(twelfths / 12 - chain).max() > 1e-15
                or (twelfths.sum(1) != 12).any()
            ):
                raise AssertionError("the lake's probabilities are not twelfths")
            model = _storm(twelfths, 0, holes, unit=12)
            answer = stormpy.model_checking(
                model, harm, environment=stormpy.environments.exact()
            )
            theirs = [float(answer.get_value(s)) for s in range(64)]
            ours = harm_probability(mdp, policy, holes)
            largest, chains = max(largest, np.abs(ours - theirs).max()), chains + 1
    if largest > 1e-12:
        raise AssertionError(f"harm differs from Storm's exact value by {largest}")
    return {"chains": chains, "largest_difference": float(largest)}


def _lake(size: int, frozen: float) -> tuple[MDP, np.ndarray]:
    """A random lake, sparse, and its holes."""
    env: Any = gymnasium.make(
        "FrozenLake-v1", desc=generate_random_map(size, frozen, seed=0)
    ).unwrapped
    places = env.desc.ravel()
    end, states = np.isin(places, [b"H", b"G"]), size * size
    row, column, chance = [], [], []
    for state in range(states):
        for action in range(4):
            for p, after, *_ in env.P[state][action]:
                row.append(4 * state + action)
                column.append(state if end[state] else after)
                chance.append(p)
    rows = sparse.coo_array((chance, (row, column)), shape=(4 * states, states))
    return MDP(rows.tocsr(), np.zeros((states, 4)), 0.99), places == b"H"


def _timed(size: int, frozen: float) -> dict[str, Any]:
    """The same models, built beforehand on both sides; Storm stops at its default relative error, 1e-6."""
    mdp, holes = _lake(size, frozen)
    safe = safe_set(mdp, holes)
    states = holes.size
    whole = _storm(mdp.rows, 4, holes)
    (harm,) = stormpy.parse_properties('P=? [F "harm"]')
    if not np.array_equal(_storm_safe(whole), safe.states):
        raise AssertionError("safe sets differ")
    (least,) = stormpy.parse_properties('Pmin=? [F "harm"]')
    work: dict[str, Any] = {
        "safe set": (
            lambda: safe_set(mdp, holes),
            lambda: stormpy.analysis.compute_prob01_states(whole, least),
        )
    }
    differences = {"safe set": 0.0}
    random = np.full((states, 4), 0.25)
    for name, policy in (
        ("harm, bare", random),
        ("harm, shielded", shield_policy(random, safe)),
    ):
        mix = sparse.csr_array(
            (policy.ravel(), np.arange(4 * states), np.arange(0, 4 * states + 1, 4)),
            shape=(states, 4 * states),
        )
        chain = MDP(sparse.csr_array(mix @ mdp.rows), np.zeros((states, 1)), 0.0)
        model, only = _storm(chain.rows, 0, holes), np.zeros(states, int)
        answer = stormpy.model_checking(model, harm)
        theirs = np.array([answer.get_value(s) for s in range(states)])
        difference = np.abs(harm_probability(chain, only, holes) - theirs).max()
        if difference > 1e-6:
            raise AssertionError(f"{name}: Storm differs by {difference}")
        differences[name] = float(difference)
        work[name] = (
            lambda chain=chain, only=only: harm_probability(chain, only, holes),
            lambda model=model: stormpy.model_checking(model, harm),
        )
    out: dict[str, Any] = {
        "states": states,
        "safe_states": int(safe.states.sum()),
        "work": {},
    }
    for name, (ours, theirs) in work.items():
        times = record.interleaved({"ours": ours, "storm": theirs}, repeats=25)
        out["work"][name] = {
            "ours_ms": times["ours"]["median"],
            "storm_ms": times["storm"]["median"],
            "ratio": times["storm"]["median"] / times["ours"]["median"],
            "difference": differences[name],
        }
    return out


def _trained(
    mdp: MDP,
    holes: np.ndarray,
    safe: Any,
    seed: int,
    shielded: bool = False,
    fine: float = 0.0,
    steps: int = 1000,
) -> tuple[np.ndarray, int]:
    """Tabular Q-learning by 256 copies; whoever falls or arrives starts anew in the safe set, shielded or not."""
    rng = np.random.default_rng(seed)
    ends = holes | (np.arange(64) == 63)
    starts = np.flatnonzero(safe.states & ~ends)
    q, state, falls = np.zeros((64, 4)), rng.choice(starts, 256), 0
    for _ in range(steps):
        best = (q[state] + 1e-9 * rng.random((256, 4))).argmax(axis=1)
        action = np.where(rng.random(256) < 0.5, rng.integers(4, size=256), best)
        if shielded:
            action = shield_action(action, state, safe)
        after = sample_next(mdp, state, action, rng)
        reward = mdp.reward[state, action] - fine * holes[after]
        error = reward + 0.99 * q[after].max(axis=1) - q[state, action]
        q[state, action] += 0.1 * error
        falls += int(holes[after].sum())
        state = np.where(ends[after], rng.choice(starts, 256), after)
    return q.argmax(axis=1), falls


def _learning(mdp: MDP, holes: np.ndarray, safe: Any) -> dict[str, Any]:
    """Falls while learning and harm from the start afterwards, seed by seed, all from the same starting states."""
    out: dict[str, Any] = {"steps": 256 * 1000}
    kinds: dict[str, dict[str, Any]] = {
        "bare": {},
        "bare, fined 10": {"fine": 10.0},
        "bare, fined 100": {"fine": 100.0},
        "shielded": {"shielded": True},
    }
    for name, how in kinds.items():
        runs = [_trained(mdp, holes, safe, s, **how) for s in range(SEEDS)]
        used = [shield_policy(p, safe) if "shielded" in how else p for p, _ in runs]
        out[name] = {
            "falls": [falls for _, falls in runs],
            "harm": [float(harm_probability(mdp, p, holes)[0]) for p in used],
        }
    return out


def _falls(
    mdp: MDP, policy: np.ndarray, holes: np.ndarray, safe: Any, rng: np.random.Generator
) -> tuple[int, int]:
    """Count visits to holes in 100 000 shielded steps, begun anew at the goal."""
    table = policy if policy.ndim == 2 else np.eye(4)[policy]
    state, harm, steps = np.zeros(1000, int), 0, 0
    for _ in range(100):
        wanted = (
            (rng.random((1000, 1)) > np.cumsum(table[state], axis=1))
            .sum(axis=1)
            .clip(max=3)
        )
        state = sample_next(mdp, state, shield_action(wanted, state, safe), rng)
        harm, steps = harm + int(holes[state].sum()), steps + state.size
        state = np.where(state == 63, 0, state)
    return harm, steps
