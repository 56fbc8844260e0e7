"""Shaping beside an independent solver, without the discount, and twelve learners over twenty seeds."""

from __future__ import annotations

from typing import Any

import cvxpy
import gymnasium
import numpy as np
import torch
from imitation.rewards.reward_nets import RewardNet, ShapedRewardNet

from companion.mdp import MDP, policy_iteration
from companion.value_alignment.reward_shaping import (
    ShapedEnv,
    ShapedVectorEnv,
    q_learning,
    shape,
)
from evidence.record import interleaved

PEERS = ["gymnasium", "cvxpy", "imitation"]
SEEDS = range(20)
DISCOUNT = 0.99
DISTANCE = np.array([3 - s // 12 + 11 - s % 12 for s in range(48)], dtype=float)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "imitation": imitation(),
        "forgotten discount": forgotten(),
        "learners": learners(),
        "initialisation": initialisation(),
        "speed": speed(),
    }


def random_mdp(seed: int, discount: float) -> tuple[MDP, np.random.Generator]:
    """Eight states, three actions, normal rewards; the generator goes on to the potential."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(8), (8, 3))
    return MDP(transition, rng.standard_normal((8, 3)), discount), rng


def best_by_cvxpy(mdp: MDP) -> np.ndarray:
    """The optimal policy by a linear program of cvxpy, which shares no code with the package."""
    v = cvxpy.Variable(mdp.states)
    q = [mdp.reward[:, a] + mdp.discount * mdp.transition[:, a] @ v for a in range(3)]
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(v)), [v >= x for x in q]).solve(
        solver=cvxpy.CLARABEL
    )
    return np.array([x.value for x in q]).argmax(axis=0)


def agreement() -> dict[str, Any]:
    """Plain and shaped processes have one optimal policy, by our solver and by another."""
    for seed in range(100):
        mdp, rng = random_mdp(seed, 0.9)
        shaped = shape(mdp, 3 * rng.standard_normal(8))
        wanted = policy_iteration(mdp).policy
        for policy in (best_by_cvxpy(mdp), best_by_cvxpy(shaped)):
            if (policy != wanted).any():
                raise AssertionError(f"seed {seed}: {policy} instead of {wanted}")
    return {"processes": 100, "states": 8, "actions": 3, "discount": 0.9}


class Nothing(RewardNet):
    """A reward of zero, for imitation to shape."""

    def forward(self, state: Any, action: Any, next_state: Any, done: Any) -> Any:
        return torch.zeros(len(state), dtype=state.dtype)


def imitation() -> dict[str, Any]:
    """Our payments beside imitation's on the same transitions, whose one flag must mean termination."""
    plain = gymnasium.make_vec(
        "CartPole-v1", 32, vectorization_mode="vector_entry_point", max_episode_steps=20
    )
    env = ShapedVectorEnv(plain, lambda x: x[:, 2], 0.9)
    space = plain.single_observation_space
    net = ShapedRewardNet(
        Nothing(space, plain.single_action_space), lambda x: x[:, 2], 0.9
    )
    rng, (before, _) = np.random.default_rng(0), env.reset(seed=0)
    fresh = np.zeros(32, dtype=bool)
    counts, largest, ends = {"transitions": 0, "ends": 0, "cuts": 0}, 0.0, []
    for _ in range(500):
        before = before.copy()
        after, paid, over, cut, _ = env.step(rng.integers(2, size=32))
        state, following = (
            torch.as_tensor(x, dtype=torch.float64) for x in (before, after)
        )
        for flag, differences in ((over, None), (over | cut, ends)):
            theirs = net(state, None, following, torch.as_tensor(flag)).numpy()
            # The cart's own reward is 1 in every step.
            difference = np.abs(paid - 1 - theirs)
            if differences is None:
                largest = max(largest, float(difference[~fresh].max()))
            else:
                differences += difference[~fresh & cut & ~over].tolist()
        counts["transitions"] += int((~fresh).sum())
        counts["ends"] += int((over & ~fresh).sum())
        counts["cuts"] += int((cut & ~over & ~fresh).sum())
        before, fresh = after, over | cut
    if largest > 1e-6 or min(counts.values()) == 0:
        raise AssertionError(f"imitation pays otherwise: {largest}, {counts}")
    return {
        **counts,
        "largest difference": largest,
        "mean difference at a cut that is called done": float(np.mean(ends)),
    }


def forgotten() -> dict[str, Any]:
    """Share of random processes whose optimal policy changes if the bonus leaves the discount out."""
    discounts, scales = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995], [0.1, 1.0, 10.0]
    count = 1000
    shares = {"without": {}, "with": {}}
    for scale in scales:
        for name in shares:
            shares[name][str(scale)] = []
        for discount in discounts:
            changed = dict.fromkeys(shares, 0)
            for seed in range(count):
                mdp, rng = random_mdp(seed, discount)
                phi = scale * rng.standard_normal(8)
                bonus = mdp.transition @ phi - phi[:, None]
                wrong = MDP(mdp.transition, mdp.reward + bonus, discount)
                best = policy_iteration(mdp).policy
                for name, other in (("without", wrong), ("with", shape(mdp, phi))):
                    changed[name] += bool(
                        (policy_iteration(other).policy != best).any()
                    )
            for name in shares:
                shares[name][str(scale)].append(changed[name] / count)
    if any(any(row) for row in shares["with"].values()):
        raise AssertionError("shaping with the discount changed an optimal policy")
    return {
        "processes": count,
        "discounts": discounts,
        "scales": scales,
        "share": shares["without"],
    }


class Closer(gymnasium.Wrapper):
    """A bonus for every step that brings the walker closer to the goal."""

    def __init__(self, env: gymnasium.Env, bonus: float):
        super().__init__(env)
        self.bonus = bonus

    def reset(self, **options: Any) -> Any:
        state, info = self.env.reset(**options)
        self.left = DISTANCE[state]
        return state, info

    def step(self, action: Any) -> Any:
        state, reward, *rest = self.env.step(action)
        closer, self.left = DISTANCE[state] < self.left, DISTANCE[state]
        return state, reward + self.bonus * closer, *rest


def cliff(rng: np.random.Generator | None = None) -> gymnasium.Env:
    """The cliff; with `rng`, each cell and direction costs a little more, so that no two actions tie."""
    env = gymnasium.make("CliffWalking-v1")
    if rng is not None:
        for moves in env.unwrapped.P.values():
            for action, outcomes in moves.items():
                extra = 0.1 * rng.random()
                moves[action] = [(p, s, r - extra, end) for p, s, r, end in outcomes]
    return env


def start(values: Any) -> np.ndarray:
    """A table that gives every action what its state is worth."""
    return np.repeat(np.asarray(values, dtype=float)[:, None], 4, axis=1)


def learners() -> dict[str, Any]:
    """How often each learner has reached the goal after so many steps, twenty seeds."""
    phi = -DISTANCE
    kinds: dict[str, Any] = {
        "plain": lambda: (cliff(), None),
        "potential": lambda: (ShapedEnv(cliff(), phi.__getitem__, DISCOUNT), None),
        "start at the potential": lambda: (cliff(), start(phi)),
        "start at +10 everywhere": lambda: (cliff(), np.full((48, 4), 10.0)),
        "start at -50 everywhere": lambda: (cliff(), np.full((48, 4), -50.0)),
        "potential reversed": lambda: (cliff(), start(-phi)),
        "a tenth of the potential": lambda: (cliff(), start(0.1 * phi)),
        "ten times the potential": lambda: (cliff(), start(10 * phi)),
        "80 below the potential": lambda: (cliff(), start(phi - 80)),
        "100 below the potential": lambda: (cliff(), start(phi - 100)),
        "closer bonus 1": lambda: (Closer(cliff(), 1.0), None),
        "closer bonus 2.5": lambda: (Closer(cliff(), 2.5), None),
    }
    steps = list(range(0, 10_001, 250))
    curves: dict[str, Any] = {}
    for name, make in kinds.items():
        curves[name] = []
        for seed in SEEDS:
            env, initial = make()
            ended = q_learning(env, DISCOUNT, steps[-1], seed, initial=initial).ended
            goals = np.concatenate([[0], np.cumsum(ended)])
            curves[name].append(goals[steps].tolist())
    return {"seeds": len(SEEDS), "steps": steps, "goals": curves}


def initialisation() -> dict[str, Any]:
    """Shaped, and started at the potential: where do they part, on uneven ground and on the even cliff?"""
    found: dict[str, Any] = {}
    for name, scale, uneven in (
        ("uneven, distance", 1.0, True),
        ("uneven, 0.37 distance", 0.37, True),
        ("even, distance", 1.0, False),
        ("even, 0.37 distance", 0.37, False),
    ):
        phi, parted, largest = -scale * DISTANCE, [], 0.0
        for seed in SEEDS:
            ground = [
                cliff(np.random.default_rng(seed) if uneven else None) for _ in range(2)
            ]
            a = q_learning(ground[0], DISCOUNT, 20_000, seed, initial=start(phi))
            shaped = ShapedEnv(ground[1], phi.__getitem__, DISCOUNT)
            b = q_learning(shaped, DISCOUNT, 20_000, seed)
            other = np.flatnonzero(a.action != b.action)
            parted.append(int(other[0]) if other.size else None)
            if not other.size:
                largest = max(largest, float(np.abs(a.error - b.error).max()))
        found[name] = {"parted at step": parted, "largest difference": largest}
    for name in ("uneven, distance", "uneven, 0.37 distance"):
        if any(step is not None for step in found[name]["parted at step"]):
            raise AssertionError(f"two learners that are one have parted: {name}")
    return {"seeds": len(SEEDS), "steps": 20_000, **found}


def numpy_q_learning(env: Any, steps: int, seed: int) -> np.ndarray:
    """The loop that tutorials print: a NumPy table, one random number at a time."""
    rng, q = np.random.default_rng(seed), np.zeros((48, 4))
    state, _ = env.reset(seed=seed)
    for _ in range(steps):
        explore, pick = rng.random(2)
        row = q[state]
        choice = np.arange(4) if explore < 0.1 else np.flatnonzero(row == row.max())
        action = choice[int(pick * len(choice))]
        after, reward, terminated, truncated, _ = env.step(action)
        follows = 0.0 if terminated else DISCOUNT * np.max(q[after])
        q[state, action] += 0.5 * (reward + follows - q[state, action])
        state = env.reset()[0] if terminated or truncated else after
    return q


def walk(env: Any, steps: int = 5000) -> None:
    """Step through an environment at random."""
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for action in rng.integers(env.action_space.n, size=steps).tolist():
        if any(env.step(action)[2:4]):
            env.reset()


def walk_all(env: Any, steps: int = 1000) -> None:
    """Step through a vector environment, always the same way."""
    env.reset(seed=0)
    actions = np.zeros(env.num_envs, dtype=int)
    for _ in range(steps):
        env.step(actions)


def many_poles() -> Any:
    """32 carts with poles as one vector environment."""
    return gymnasium.make_vec(
        "CartPole-v1", 32, vectorization_mode="vector_entry_point"
    )


def speed() -> list[dict[str, Any]]:
    """The other's time over ours on the same work."""
    same = numpy_q_learning(cliff(), 5000, 0)
    if (q_learning(cliff(), DISCOUNT, 5000, 0).table != same).any():
        raise AssertionError("the two loops disagree")

    plain, poles = cliff(), many_poles()
    shaped = ShapedEnv(cliff(), (-DISTANCE).__getitem__, DISCOUNT)
    shaped_poles = ShapedVectorEnv(many_poles(), lambda x: x[:, 2], DISCOUNT)
    work: dict[str, tuple[str, Any, Any]] = {
        "5000 steps of Q-learning": (
            "the same loop on a NumPy table",
            lambda: q_learning(plain, DISCOUNT, 5000, 0),
            lambda: numpy_q_learning(plain, 5000, 0),
        ),
        "5000 shaped steps": (
            "the same steps without shaping",
            lambda: walk(shaped),
            lambda: walk(plain),
        ),
        "1000 shaped steps of 32 poles": (
            "the same steps without shaping",
            lambda: walk_all(shaped_poles),
            lambda: walk_all(poles),
        ),
    }
    rows = []
    for name, (peer, ours, theirs) in work.items():
        times = interleaved({"ours": ours, "peer": theirs}, repeats=9)
        ratio = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": name, "peer": peer, "ratio": ratio, "ms": times})
    return rows
