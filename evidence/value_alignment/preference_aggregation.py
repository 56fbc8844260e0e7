"""Voting rules over thousands of populations: how often winners differ, lies that pay, and intervals that hold."""

from __future__ import annotations

from functools import partial
from typing import Any

import cvxpy
import numpy as np
from scipy.special import expit

from companion.value_alignment.preference_aggregation import (
    borda,
    pooled_preferences,
    von_neumann_winner,
)
from companion.value_alignment.preference_learning import bradley_terry
from evidence.record import interleaved

PEERS = ["cvxpy"]
POPULATIONS = 5000
REPEATS = 9


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {
        "agreement": agreement(),
        "speed": speed(),
        "winners": winners(),
        "lies": lies(),
        "coverage": coverage(),
    }


def population(seed: int) -> Any:
    """Utilities of five people for seven options; some people are surer than others."""
    rng = np.random.default_rng(seed)
    sharpness = rng.uniform(0.5, 4, (5, 1))
    return sharpness * rng.standard_normal((5, 7))


def by_cvxpy(wins: Any) -> Any:
    """The same linear program."""
    n = len(wins)
    shares = wins / (wins + wins.T + np.eye(n)) + np.eye(n) / 2
    p, v = cvxpy.Variable(n), cvxpy.Variable()
    rules = [p >= 0, cvxpy.sum(p) == 1, shares.T @ p >= v]
    cvxpy.Problem(cvxpy.Maximize(v), rules).solve(solver=cvxpy.HIGHS)
    return p.value


def agreement() -> dict[str, Any]:
    """Largest difference from cvxpy's lottery; margins without ties have one lottery only."""
    worst = 0.0
    for seed in range(100):
        wins = pooled_preferences(population(seed))
        apart = np.abs(von_neumann_winner(wins).probabilities - by_cvxpy(wins)).max()
        worst = max(worst, float(apart))
    if worst > 1e-6:
        raise AssertionError(f"cvxpy disagrees by {worst}")
    return {"tables": 100, "largest difference": worst}


def speed() -> list[dict[str, Any]]:
    """The peer's time over ours on the same table."""
    rows = []
    for n in (7, 50):
        upper = np.triu(np.random.default_rng(0).random((n, n)), 1)
        wins = upper + np.tril(1 - upper.T, -1)
        times = interleaved(
            {
                "ours": partial(von_neumann_winner, wins),
                "peer": partial(by_cvxpy, wins),
            },
            REPEATS,
        )
        ratio = times["peer"]["median"] / times["ours"]["median"]
        rows.append({"name": f"{n} options", "ratio": ratio, "ms": times})
    return rows


def winners() -> dict[str, Any]:
    """In how many random populations do the rules' winners differ?"""
    count = dict.fromkeys(
        [
            "same order",
            "unequal design",
            "cycle",
            "Borda, mean utility",
            "Borda, majority",
            "majority, mean utility",
            "three winners",
        ],
        0,
    )
    loses, example = [], None
    for seed in range(POPULATIONS):
        utilities = population(seed)
        shares = pooled_preferences(utilities)
        scores, points = bradley_terry(shares).scores, borda(shares)
        first, mean = int(points.argmax()), int(utilities.mean(axis=0).argmax())
        count["same order"] += bool((np.argsort(scores) == np.argsort(points)).all())
        rng = np.random.default_rng([seed, 1])
        met = np.triu(rng.integers(1, 21, shares.shape), 1)
        unequal = bradley_terry(shares * (met + met.T)).scores
        count["unequal design"] += int(unequal.argmax()) != first
        loses.append(float((shares[:, first] - np.eye(7)[first]).max()))
        count["Borda, mean utility"] += first != mean
        lottery = von_neumann_winner(shares).probabilities
        if lottery.max() < 1 - 1e-6:
            count["cycle"] += 1
            continue
        majority = int(lottery.argmax())
        count["Borda, majority"] += first != majority
        count["majority, mean utility"] += majority != mean
        if len({first, majority, mean}) == 3:
            count["three winners"] += 1
            example = seed if example is None else example
    return {
        "populations": POPULATIONS,
        "people": 5,
        "options": 7,
        "first with three winners": example,
        "largest share against the winner": max(loses),
        **count,
    }


def reported(shares: Any, wanted: int, rival: int) -> Any:
    """One person's answers with the wanted option always best and the rival always worst."""
    lie = shares.copy()
    lie[rival], lie[:, rival] = 0, 1
    lie[wanted], lie[:, wanted] = 1, 0
    np.fill_diagonal(lie, 0)
    return lie


def lies() -> dict[str, Any]:
    """How often can one of five people get an option that they like better, by answering untruthfully?"""
    rules = {
        "pooled Bradley-Terry": lambda s: int(bradley_terry(s).scores.argmax()),
        "von Neumann winner": certain,
    }
    gains, sure = dict.fromkeys(rules, 0), 0
    searched = 500
    for seed in range(searched):
        utilities = population(seed)
        answers = [pooled_preferences(u[None]) for u in utilities]
        honest = sum(answers) / 5
        sure += certain(honest) >= 0
        for name, rule in rules.items():
            gains[name] += pays(rule, utilities, answers, honest)
    return {"populations": searched, "with a certain winner": sure, **gains}


def certain(shares: Any) -> int:
    """The option that is drawn for certain; -1 where none is."""
    lottery = von_neumann_winner(shares).probabilities
    return int(lottery.argmax()) if lottery.max() > 1 - 1e-6 else -1


def pays(rule: Any, utilities: Any, answers: Any, honest: Any) -> bool:
    """Whether some person has a lie after which an option wins that they prefer to the honest winner."""
    before = rule(honest)
    if before < 0:
        return False
    for k, u in enumerate(utilities):
        for wanted in np.flatnonzero(u > u[before]).tolist():
            lie = reported(answers[k], wanted, before)
            after = rule(honest + (lie - answers[k]) / 5)
            if after >= 0 and u[after] > u[before]:
                return True
    return False


def coverage() -> dict[str, Any]:
    """How often 95 % intervals hold the pool's scores: 1800 answers about six options, by three designs."""
    kinds = np.random.default_rng(7).standard_normal((5, 6)) * 2
    pool = pooled_preferences(kinds)
    truth = bradley_terry(pool).scores
    alike = truth[None]  # one kind of person, who has the pool's scores
    designs = {
        "60 people of five kinds, 30 answers each": (kinds, 60, 30),
        "1800 people of five kinds, one answer each": (kinds, 1800, 1),
        "60 people who are alike, 30 answers each": (alike, 60, 30),
    }
    experiments = 1000
    rows = {}
    for name, (utilities, people, each) in designs.items():
        rng = np.random.default_rng(0)
        held = np.zeros((2, 6))
        for _ in range(experiments):
            tables = survey(utilities, people, each, rng)
            fit = bradley_terry(tables.sum(axis=0) if each == 1 else tables)
            miss = np.abs(fit.scores - truth)
            held[0] += miss < 1.96 * fit.standard_errors
            held[1] += miss < 1.96 * fit.robust_errors
        rows[name] = (held.mean(axis=1) / experiments).tolist()
    return {"experiments": experiments, "Hessian, sandwich": rows}


def survey(utilities: Any, people: int, each: int, rng: np.random.Generator) -> Any:
    """Answers (people, n, n) about random pairs, each person of a random kind."""
    n = utilities.shape[1]
    u = utilities[rng.integers(len(utilities), size=people)]
    who = np.repeat(np.arange(people), each)
    i = rng.integers(n, size=len(who))
    j = (i + rng.integers(1, n, size=len(who))) % n
    first = rng.random(len(who)) < expit(u[who, i] - u[who, j])
    tables = np.zeros((people, n, n))
    np.add.at(tables, (who, np.where(first, i, j), np.where(first, j, i)), 1)
    return tables
