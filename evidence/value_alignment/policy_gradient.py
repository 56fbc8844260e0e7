"""PPO beside Stable-Baselines3, beside rules that nobody trained, and with one part taken away at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from companion.environments import MDPVectorEnv
from companion.mdp import MDP, policy_iteration, policy_value
from companion.value_alignment.policy_gradient import (
    ActorCritic,
    Rollout,
    gae,
    ppo,
    ppo_update,
    reinforce,
    rollout,
)

PEERS = ["gymnasium", "stable-baselines3"]
COPIES, DISCOUNT, STEPS = 32, 0.98, 98_304
SEEDS = range(10)
FEWER = range(5)


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "untrained": untrained(),
        "learnt": learnt(),
        "peer": peer(),
        "ablation": ablation(),
        "no mask": no_mask(),
    }


def cart_pole(copies: int = COPIES, kind: str = "vector_entry_point") -> Any:
    return gymnasium.make_vec("CartPole-v1", copies, vectorization_mode=kind)


class DoneIsDone(gymnasium.vector.VectorWrapper):
    """The popular wrong form: the time limit is reported as an end of the process."""

    def step(self, actions: Any) -> Any:
        seen, reward, terminated, truncated, info = super().step(actions)
        return seen, reward, terminated | truncated, truncated & False, info


def episode_returns(
    env: Any, act: Callable[[Any], Any], seed: int, longest: int = 500
) -> Any:
    """What each copy's first episode pays."""
    seen, _ = env.reset(seed=seed)
    total, running = np.zeros(env.num_envs), np.ones(env.num_envs, dtype=bool)
    for _ in range(longest):
        seen, reward, terminated, truncated, _ = env.step(act(seen))
        total += np.where(running, reward, 0.0)
        running &= ~(terminated | truncated)
    if running.any():
        raise AssertionError(f"an episode is longer than {longest} steps")
    return total


def score(policy: Callable[[torch.Tensor], torch.Tensor], seed: int) -> list[float]:
    """Mean and least return of 100 episodes in which the most likely action is taken."""

    def act(seen: Any) -> Any:
        with torch.no_grad():
            return policy(torch.as_tensor(seen)).argmax(dim=1).numpy()

    returns = episode_returns(cart_pole(100), act, seed=10_000 + seed)
    return [float(returns.mean()), float(returns.min())]


def first_value(agent: ActorCritic) -> float:
    """The critic's mean opinion of a thousand first states."""
    seen, _ = cart_pole(1000).reset(seed=10_000)
    with torch.no_grad():
        return float(agent.critic(torch.as_tensor(seen)).mean())


def agreement() -> dict[str, Any]:
    """Advantages beside Stable-Baselines3's buffer, which is told of a truncation through the reward."""
    worst, steps, copies = 0.0, 200, 16
    box, two = gymnasium.spaces.Box(-1, 1, (1,)), gymnasium.spaces.Discrete(2)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        gamma, lam = rng.uniform(0.5, 1, 2)
        rewards, values, final = rng.normal(size=(3, steps, copies)).astype(np.float32)
        ended = rng.random((steps, copies)) < 0.1
        over = ended & (rng.random((steps, copies)) < 0.5)
        last = rng.normal(size=copies).astype(np.float32)
        after = np.where(ended, final, np.vstack([values[1:], last]))
        buffer = RolloutBuffer(
            steps, box, two, "cpu", gamma=gamma, gae_lambda=lam, n_envs=copies
        )
        start = np.ones(copies)
        for t in range(steps):
            paid = rewards[t] + gamma * np.where(ended[t] & ~over[t], final[t], 0)
            nothing = np.zeros((copies, 1)), np.zeros((copies, 1))
            told = torch.as_tensor(values[t])
            buffer.add(*nothing, paid, start, told, torch.zeros(copies))
            start = ended[t]
        buffer.compute_returns_and_advantage(torch.as_tensor(last), ended[-1])
        tensors = (torch.as_tensor(x) for x in (rewards, values, after, over, ended))
        ours = gae(*tensors, gamma, lam).numpy()
        worst = max(worst, float(np.abs(ours - buffer.advantages).max()))
    if worst > 1e-4:
        raise AssertionError(f"the advantages disagree: {worst}")
    return {"records": 20, "steps": steps, "largest difference": worst}


def untrained() -> dict[str, Any]:
    """A linear rule that was thought up, and rules drawn at random until one holds the pole."""
    rule = np.array([0.05, 0.2, 1.0, 1.0])
    fixed = episode_returns(cart_pole(1000), lambda x: (x @ rule > 0).astype(int), 0)
    searches, shares, held = [], [], []
    for seed in range(20):
        rules = np.random.default_rng(seed).uniform(-1, 1, (400, 4))
        repeated = rules.repeat(5, axis=0)

        def act(seen: Any, repeated: Any = repeated) -> Any:
            return ((seen * repeated).sum(axis=1) > 0).astype(int)

        returns = episode_returns(cart_pole(2000), act, seed).reshape(400, 5)
        perfect = (returns == 500).all(axis=1)
        shares.append(float(perfect.mean()))
        if not perfect.any():
            continue
        first = int(perfect.argmax())
        searches.append([first + 1, float(returns[: first + 1].sum())])
        found = rules[first]
        again = episode_returns(
            cart_pole(100), lambda x, w=found: (x @ w > 0).astype(int), 10_000 + seed
        )
        held.append(float(again.mean()))
    return {
        "fixed rule": {"episodes": 1000, "least": float(fixed.min())},
        "searches": 20,
        "rules": 400,
        "share perfect": shares,
        "rules until found, steps until found": searches,
        "found again, mean return": held,
    }


def learnt() -> dict[str, Any]:
    """PPO over ten seeds, and over five with the time limit taken for an end."""
    rows: dict[str, list[Any]] = {"right": [], "wrong end": []}
    for name, seeds in (("right", SEEDS), ("wrong end", FEWER)):
        for seed in seeds:
            env = cart_pole() if name == "right" else DoneIsDone(cart_pole())
            ratios: list[float] = []
            start = time.process_time()
            agent = ppo(env, DISCOUNT, seed, steps=STEPS, watch=moved(ratios))
            seconds = time.process_time() - start
            mean, least = score(agent, seed)
            rows[name].append(
                {
                    "mean": mean,
                    "least": least,
                    "seconds": seconds,
                    "value": first_value(agent),
                    "largest ratio": float(np.median(ratios)),
                }
            )
    return {"steps": STEPS, "copies": COPIES, "episodes": 100, **rows}


def moved(ratios: list[float]) -> Callable[[int, ActorCritic, Rollout], None]:
    """Notes after each update how far the probability of an action that was taken has grown."""
    before: list[Rollout] = []

    def watch(_: int, agent: ActorCritic, batch: Rollout) -> None:
        for old in before:
            with torch.no_grad():
                logs = agent(old.observations).log_softmax(dim=-1)
            now = logs.gather(-1, old.actions[..., None]).squeeze(-1)
            ratios.append(float((now - old.log_probs)[old.valid].exp().max()))
        before[:] = [batch]

    return watch


class Adapter(VecEnv):
    """Gymnasium's vectorised CartPole for Stable-Baselines3, which also learns from the steps that start anew."""

    def __init__(self, copies: int):
        self.env = cart_pole(copies)
        spaces = self.env.single_observation_space, self.env.single_action_space
        super().__init__(copies, *spaces)

    def reset(self) -> Any:
        return self.env.reset(seed=0)[0]

    def step_async(self, actions: Any) -> None:
        self.chosen = actions

    def step_wait(self) -> Any:
        seen, reward, terminated, truncated, _ = self.env.step(self.chosen)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(terminated | truncated):
            cut = bool(truncated[i] and not terminated[i])
            infos[i] = {"terminal_observation": seen[i], "TimeLimit.truncated": cut}
        return seen, reward, terminated | truncated, infos

    def close(self) -> None:
        self.env.close()

    def get_attr(self, *_: Any, **__: Any) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, *_: Any, **__: Any) -> None:
        return None

    def env_method(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def env_is_wrapped(self, *_: Any, **__: Any) -> list[bool]:
        return [False] * self.num_envs


def theirs(env: VecEnv, seed: int) -> PPO:
    """Stable-Baselines3's PPO with the hyper-parameters of ours."""
    nets = {"net_arch": {"pi": [64, 64], "vf": [64, 64]}}
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=lambda left: 2e-3 * left,
        n_steps=64,
        batch_size=256,
        n_epochs=8,
        gamma=DISCOUNT,
        gae_lambda=0.95,
        clip_range=0.2,
        ent_coef=0.0,
        vf_coef=0.5,
        max_grad_norm=0.5,
        seed=seed,
        device="cpu",
        policy_kwargs=nets,
    )


def separate(copies: int = COPIES) -> DummyVecEnv:
    return DummyVecEnv([lambda: gymnasium.make("CartPole-v1")] * copies)


def peer() -> dict[str, Any]:
    """Steps per CPU second, interleaved over five seeds, and the return that the peer reaches."""
    short = 32_768
    work: dict[str, Callable[[int, int], Any]] = {
        "ours, separate copies": lambda seed, steps: ppo(
            cart_pole(kind="sync"), DISCOUNT, seed, steps=min(steps, short)
        ),
        "theirs, separate copies": lambda seed, steps: theirs(separate(), seed).learn(
            steps
        ),
        "ours, vectorised": lambda seed, steps: ppo(
            cart_pole(), DISCOUNT, seed, steps=min(steps, short)
        ),
        "theirs, vectorised": lambda seed, steps: theirs(Adapter(COPIES), seed).learn(
            min(steps, short)
        ),
    }
    speed: dict[str, list[float]] = {name: [] for name in work}
    reached = []
    for run in work.values():
        run(0, 2048)  # a warm-up
    for seed in FEWER:
        for name, run in work.items():
            start = time.process_time()
            model = run(seed, STEPS)
            seconds = time.process_time() - start
            whole = name == "theirs, separate copies"
            speed[name].append((STEPS if whole else short) / seconds)
            if whole:
                reached.append(judged(model, seed))
    return {"steps per CPU second": speed, "reached": reached}


def judged(model: PPO, seed: int) -> dict[str, float]:
    """The peer's return and its critic's opinion, as ours are measured."""

    def logits(seen: torch.Tensor) -> torch.Tensor:
        return model.policy.get_distribution(seen).distribution.logits

    mean, least = score(logits, seed)
    seen, _ = cart_pole(1000).reset(seed=10_000)
    with torch.no_grad():
        value = float(model.policy.predict_values(torch.as_tensor(seen)).mean())
    return {"mean": mean, "least": least, "value": value}


# What is changed, in the arguments of ppo.
VARIANTS: dict[str, dict[str, Any]] = {
    "PPO": {},
    "no baseline": {"baseline": False},
    "no GAE": {"lam": 1.0},
    "no clip": {"clip": None},
    "one epoch": {"epochs": 1},
    "REINFORCE with baseline": {"baseline": True},
    "REINFORCE": {},
}
BUDGET = 32_768


def ablation() -> dict[str, Any]:
    """Every variant at equal steps, each with the best of the same six settings, chosen on seeds of their own."""
    settings = [(h, rate) for h in (16, 64) for rate in (1e-3, 3e-3, 1e-2)]
    results = {}
    for name, change in VARIANTS.items():
        learn = reinforce if name.startswith("REINFORCE") else ppo

        def run(
            seed: int,
            horizon: int,
            rate: float,
            learn: Any = learn,
            change: Any = change,
        ) -> float:
            agent = learn(
                cart_pole(),
                DISCOUNT,
                seed,
                steps=BUDGET,
                horizon=horizon,
                learning_rate=rate,
                **change,
            )
            return score(agent, seed)[0]

        tuning = [np.mean([run(seed, *s) for seed in (100, 101)]) for s in settings]
        best = settings[int(np.argmax(tuning))]
        results[name] = {
            "horizon": best[0],
            "learning rate": best[1],
            "tuning": [float(x) for x in tuning],
            "returns": [run(seed, *best) for seed in FEWER],
        }
    return {"steps": BUDGET, "settings": settings, "variants": results}


def no_mask() -> dict[str, Any]:
    """The machine that is worn out and mended, with and without the steps that only start anew."""
    wear = [[[0.5, 0.5], [1, 0]], [[0, 1], [1, 0]]]
    machine = MDP(wear, [[1, -1.5], [0, -1.5]], 0.9)
    optimum = policy_iteration(machine).value
    out: dict[str, Any] = {"optimum": optimum.tolist()}
    for name, masked in (("right", True), ("no mask", False)):
        out[name] = []
        for seed in FEWER:
            env = MDPVectorEnv(machine, np.eye(2), COPIES, horizon=4, start=[1, 0])
            agent = by_hand(env, seed, masked)
            with torch.no_grad():
                policy = agent(torch.eye(2)).argmax(dim=1).numpy()
                value = agent.critic(torch.eye(2)).squeeze(1).tolist()
            lost = float((optimum - policy_value(machine, policy)).max())
            out[name].append({"lost": lost, "value": value})
    return out


def by_hand(env: MDPVectorEnv, seed: int, masked: bool) -> ActorCritic:
    """The loop of ppo; where `masked` is False it learns from the steps that only start anew, too."""
    generator = torch.Generator().manual_seed(seed)
    agent = ActorCritic(2, 2, generator, hidden=(32,))
    adam = torch.optim.Adam(agent.parameters(), lr=3e-3)
    batch = None
    for _ in range(40):
        batch = rollout(env, agent, 32, generator, batch)
        values, after = batch.values[..., 0], batch.next_values[..., 0]
        flags = batch.terminated, batch.ended
        advantages = gae(batch.rewards, values, after, *flags, 0.9, lam=0.95)
        every = torch.ones_like(batch.valid)
        seen = batch if masked else batch._replace(valid=every)
        ppo_update(agent, adam, seen, advantages, advantages + values, generator)
    return agent
