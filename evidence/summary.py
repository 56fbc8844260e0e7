"""Every record in one form: how quick the book is beside its peers, and how far apart their answers are.

The programs record what their lessons show, each in the form that suits it.  `compared` reads what most have in
common, `speed` (rows with a ratio and times) and `agreement` (largest differences); where a record differs, a
small function below says how it is read.  A ratio is the peer's time over the book's, so below one the book is
slower.  A difference of None was asserted by the program, which would have raised, and no number was recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Results = Mapping[str, Any]
# Recorded with every lesson; SciPy and torch are peers only where a row names them.
ALWAYS = ("numpy", "scipy", "torch")
# What a program needs beside its peers: environments, and what a peer is built on.
SUPPORT = ("gymnasium", "clarabel", "numba", "transformers")


@dataclass(frozen=True)
class Speed:
    """One piece of work, done by the book and by a peer."""

    work: str
    peer: str
    ratio: float  # the peer's median time over the book's
    low: float | None = None  # the peer's shortest over the book's longest
    high: float | None = None  # the peer's longest over the book's shortest


@dataclass(frozen=True)
class Difference:
    """How far the answers of the book and of a peer lie apart."""

    what: str
    peer: str
    largest: float | None  # None: asserted, not recorded
    scale: str  # "absolute", "relative", or the unit
    over: str
    intended: bool = False  # the lesson says why


@dataclass(frozen=True)
class Compared:
    """What a record says about the book and its peers."""

    speed: list[Speed] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    intended: list[str] = field(default_factory=list)


READERS: dict[str, Callable[[Results], Compared]] = {}


def compared(record: Results) -> Compared:
    """Return a record's comparisons; those in which the book is slower come first, the slowest before all."""
    read = READERS.get(record["lesson"])
    found = (
        read(record["results"])
        if read
        else common(record["results"], " and ".join(peers(record)))
    )
    by_ratio = sorted(found.speed, key=lambda row: row.ratio)
    return Compared(by_ratio, found.differences, found.intended)


def peers(record: Results) -> list[str]:
    """Return the libraries that a record was measured with, beyond what every record has."""
    return [name for name in record["versions"] if name not in (*ALWAYS, *SUPPORT)]


# --- what most records have in common ---------------------------------------------


def common(results: Results, peer: str, **said: str) -> Compared:
    """Read `speed` and `agreement` as most programs write them; `said` goes to `differences`."""
    agreement = results.get("agreement", {})
    return Compared(
        speeds(results.get("speed", []), peer),
        differences(agreement, peer, **said),
        [agreement["intended"]] if "intended" in agreement else [],
    )


def speeds(rows: Iterable[Results], peer: str = "") -> list[Speed]:
    """Read rows with a ratio, a name of the work, the peer's name if not given, and times."""
    return [
        timed(
            row["name"],
            row.get("peer", peer),
            row["ratio"],
            row.get("ms", row.get("times")),
        )
        for row in rows
        if "ratio" in row
    ]


def timed(work: str, peer: str, ratio: float, times: Any, ours: str = "ours") -> Speed:
    """Return a row, with the spread of its ratio if the times that it was made of are known."""
    mine = times.get(ours) if isinstance(times, Mapping) else None
    if mine:
        for theirs in times.values():
            if math.isclose(theirs["median"], ratio * mine["median"], rel_tol=1e-9):
                low, high = theirs["low"] / mine["high"], theirs["high"] / mine["low"]
                return Speed(work, peer, ratio, low, high)
    return Speed(work, peer, ratio)


def differences(
    agreement: Results, peer: str, scale: str = "", over: str = "", what: str = "result"
) -> list[Difference]:
    """Read largest differences, one or several by name; what they are over is counted beside them."""
    key = next((k for k in agreement if k.startswith("largest")), None)
    if key is None:
        return []
    scale = scale or ("relative" if "relative" in key else "absolute")
    return several(agreement[key], peer, scale, over or counts(agreement), what)


def several(
    found: Any, peer: str, scale: str, over: str, what: str = "result"
) -> list[Difference]:
    """Return the differences of a table by name, or of a single number."""
    named = found if isinstance(found, Mapping) else {what: found}
    return [
        Difference(name.replace("_", " "), peer, value, scale, over)
        for name, value in named.items()
    ]


def counts(agreement: Results) -> str:
    """Return what stands beside a difference as "100 processes, 40 states"."""
    found = [
        f"{value} {name}" if isinstance(value, int) else "; ".join(value)
        for name, value in agreement.items()
        if isinstance(value, int)
        or (isinstance(value, list) and all(isinstance(v, str) for v in value))
    ]
    return ", ".join(found)


def reads(lesson: str) -> Callable[[Callable[[Results], Compared]], Any]:
    """Register a function as the reader of a lesson's record."""

    def register(reader: Callable[[Results], Compared]) -> Any:
        READERS[lesson] = reader
        return reader

    return register


# --- value alignment --------------------------------------------------------------


@reads("value_alignment/constrained_optimum")
def _(r: Results) -> Compared:
    found, over = r["agreement"]["largest difference"], f"{r['agreement']['processes']}"
    over += " random processes"
    return Compared(
        speeds(r["speed"]),
        [
            Difference("value", "cvxpy", found["cvxpy"], "absolute", over),
            Difference("multiplier", "cvxpy", found["multiplier"], "absolute", over),
            Difference(
                "least of the dual",
                "scipy.optimize.minimize_scalar",
                found["dual"],
                "absolute",
                over,
            ),
        ],
    )


@reads("value_alignment/constrained_reinforcement_learning")
def _(r: Results) -> Compared:
    return Compared()


@reads("value_alignment/direct_preference_optimization")
def _(r: Results) -> Compared:
    found = Compared()
    for row in r["trl"]["rows"]:
        work = f"{row['loss']} loss, {row['pairs']} pairs of {row['tokens']} tokens"
        found.speed.append(timed(work, "TRL", row["ratio"], row["ms"]))
        over, largest = f"{row['batches']} random batches", row["largest difference"]
        found.differences.append(Difference(work, "TRL", largest, "relative", over))
    return found


@reads("value_alignment/empowerment")
def _(r: Results) -> Compared:
    agreement = r["agreement"]
    shapes = ", ".join(f"{n} by {m}" for n, m in agreement["shapes"])
    over = f"{agreement['seeds']} random channels each of {shapes}"
    rows = [
        Difference("capacity", "cvxpy", agreement["largest difference"], "bits", over),
    ]
    for name, largest in r["closed forms"].items():
        over = "99 probabilities"
        rows.append(Difference(f"{name} channel", "its formula", largest, "bits", over))
    for row in r["certain"]:
        over = f"{row['states']} states, up to {row['steps']} steps"
        largest = row["largest difference"]
        rows.append(
            Difference(row["map"], "the count of states", largest, "bits", over)
        )
    return Compared(speeds(r["speed"]), rows)


@reads("value_alignment/intrinsic_motivation")
def _(r: Results) -> Compared:
    found = {
        name: ("torch.distributions" if "torch" in name else "stable-baselines3", value)
        for name, value in r["agreement"]["largest difference"].items()
    }
    over = {
        "information gain, torch": "200 tables of counts, 8 outcomes each",
        "discounted sums": "200 steps of 8 copies",
    }
    rows = [
        Difference(
            name.removesuffix(", torch"),
            peer,
            value,
            "absolute",
            over.get(name, "50 batches"),
        )
        for name, (peer, value) in found.items()
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("value_alignment/kl_estimators")
def _(r: Results) -> Compared:
    n = r["agreement"]
    over = f"{n['batches']} batches of {n['strings']} strings of {n['letters']} letters"
    return common(r, "TRL", over=over)


@reads("value_alignment/optimistic_exploration")
def _(r: Results) -> Compared:
    return common(r, "bsuite", what="rewards and moves")


@reads("value_alignment/policy_gradient")
def _(r: Results) -> Compared:
    steps = r["peer"]["steps per CPU second"]
    rows = []
    for kind in ("separate copies", "vectorised"):
        ours, theirs = steps[f"ours, {kind}"], steps[f"theirs, {kind}"]
        rows.append(
            Speed(
                f"training on CartPole, {kind}, CPU seconds per step",
                "Stable-Baselines3",
                median(ours) / median(theirs),
                min(ours) / max(theirs),
                max(ours) / min(theirs),
            )
        )
    said = differences(
        r["agreement"], "Stable-Baselines3", "absolute, float32", what="advantages"
    )
    return Compared(rows, said)


@reads("value_alignment/preference_aggregation")
def _(r: Results) -> Compared:
    return common(r, "cvxpy", what="lottery")


@reads("value_alignment/preference_learning")
def _(r: Results) -> Compared:
    rows, loss = r["scores"]["rows"], r["loss"]
    name = f"loss and gradient, {loss['pairs']} pairs of {loss['steps']} steps"
    peer = "imitation.CrossEntropyRewardLoss"
    found = [
        Difference(
            "scores", row["peer"], row["largest difference"], "absolute", row["name"]
        )
        for row in rows
    ]
    found += [
        Difference(what, peer, loss[f"difference of the {what}"], "float32", name)
        for what in ("loss", "gradient")
    ]
    return Compared(
        [*speeds(rows), timed(name, peer, loss["ratio"], loss["ms"])], found
    )


@reads("value_alignment/reward_equivalence")
def _(r: Results) -> Compared:
    said = differences(r["agreement"], "scipy.stats.pearsonr", what="distance")
    return Compared(speeds(r["speed"], "plain NumPy"), said)


@reads("value_alignment/reward_shaping")
def _(r: Results) -> Compared:
    processes, twin = r["agreement"]["processes"], r["imitation"]
    over = f"{processes} random processes, plain and shaped"
    asserted = Difference("optimal policy", "cvxpy", None, "equal", over)
    over = f"{twin['transitions']} transitions"
    paid = twin["largest difference"]
    shaped = Difference("shaped rewards", "imitation", paid, "absolute", over)
    return Compared(speeds(r["speed"]), [asserted, shaped])


@reads("value_alignment/rlhf")
def _(r: Results) -> Compared:
    peer = r["peer"]
    pairs = zip(peer["distances"]["ours"], peer["distances"]["theirs"], strict=True)
    far = Difference(
        "distance of the trained policy from the Gibbs policy",
        "TRL's RLOOTrainer",
        max(abs(ours - theirs) for ours, theirs in pairs),
        "total variation",
        f"{peer['seeds']} seeds of {peer['steps']} steps",
    )
    work = "40 steps of 128 strings"
    row = timed(work, "TRL's RLOOTrainer", peer["ratio"], peer["ms"])
    return Compared([row], [far])


@reads("value_alignment/value_based_design")
def _(r: Results) -> Compared:
    n = r["agreement"]
    over = f"{n['discounts']} discounts; all {n['moves']} moves equal"
    return common(r, "mo-gymnasium", over=over, what="points of the front")


# --- safety -----------------------------------------------------------------------


@reads("safety/adversarial_examples")
def _(r: Results) -> Compared:
    rows = [
        Difference(
            f"{row['attack']}, {row['net']}",
            row["peer"],
            row["difference"],
            "pixel or length",
            "64 images",
        )
        for row in r["agreement"]
    ]
    # What keeping the best point costs is no peer's time.
    others = [row for row in r["speed"] if not row["peer"].startswith("ours")]
    return Compared(speeds(others), rows)


@reads("safety/adversarial_training")
def _(r: Results) -> Compared:
    rows = [
        Difference(what, peer, value, "relative", "one batch")
        for (what, peer), value in (
            (name.split(", ", 1), value)
            for name, value in r["agreement"]["largest relative difference"].items()
        )
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("safety/distributionally_robust_optimization")
def _(r: Results) -> Compared:
    rows = [
        Difference(
            f"{row['set']}, {what}",
            "cvxpy, Clarabel",
            row[what],
            "absolute",
            f"{row['samples']} problems" + ", those without ties" * (what == "weights"),
        )
        for row in r["agreement"]["rows"]
        for what in ("value", "weights")
        if what in row
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("safety/fault_trees")
def _(r: Results) -> Compared:
    summed, drawn = r["enumeration"], r["simulation"]
    rows = [
        Difference(
            "top event",
            "sum over all states, NumPy",
            summed["largest relative difference"],
            "relative",
            f"{summed['trees']} random trees",
        )
    ]
    rows += [
        Difference(
            name,
            "published value",
            abs(row["ours"] / row["published"] - 1),
            "relative",
            "one tree",
        )
        for name, row in r["published"].items()
    ]
    rows.append(
        Difference(
            "perception stack",
            "OpenTURNS, sampled",
            abs(drawn["simulated"] - drawn["exact"]) / drawn["standard error"],
            "standard errors of the sample",
            f"{drawn['samples']} samples",
        )
    )
    return Compared(speeds(r["speed"]), rows)


@reads("safety/generative_adversarial_networks")
def _(r: Results) -> Compared:
    found = r["agreement"]
    rows = [
        Difference(
            "losses",
            "torch, binary cross-entropy",
            found["losses"],
            "absolute",
            "1000 random logits",
        ),
        Difference(
            "Fréchet distance",
            "scipy.linalg.sqrtm",
            found["frechet, relative"],
            "relative",
            "pixels and features",
        ),
        Difference(
            "weights after five steps",
            "plain PyTorch loop",
            found["five steps"],
            "absolute",
            "one seed",
        ),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("safety/generative_adversarial_training")
def _(r: Results) -> Compared:
    found, time = r["agreement"], r["time"]
    peer = "plain PyTorch program"
    rows = [
        Difference(name, peer, value, "absolute", "all weights")
        for name, value in found.items()
        if name != "fgsm"
    ]
    rows += [
        Difference("FGSM", library, value, "pixel", "all test images")
        for library, value in found["fgsm"].items()
    ]
    ratio, same = time["plain program over ours"], time["ms"]["same work"]
    return Compared([timed("two epochs of an attacker", peer, ratio, same)], rows)


@reads("safety/group_robustness")
def _(r: Results) -> Compared:
    apart = abs(r["convex"]["excess"])
    over = "the linear model of one data set"
    row = Difference("loss of the worst group", "cvxpy, Clarabel", apart, "nats", over)
    return Compared(speeds(r["speed"]), [row])


@reads("safety/rare_events")
def _(r: Results) -> Compared:
    rows, found = [], []
    for row in r["speed"]:
        for key, ours in (("one run", "ours"), ("twenty runs", "twenty")):
            work = f"{row['name']}, {key}"
            spread = spread_of(row["ms"], ours, 20 if ours == "twenty" else 1)
            rows.append(Speed(work, "OpenTURNS, subset sampling", row[key], *spread))
    for row in r["problems"]:
        ours, theirs = (sum(row[who]) / len(row[who]) for who in ("ours", "openturns"))
        found.append(
            Difference(
                f"{row['name']}, mean estimate",
                "OpenTURNS, subset sampling",
                abs(ours - theirs) / row["truth"],
                "of the true probability",
                f"{len(row['ours'])} runs each",
            )
        )
    return Compared(rows, found)


def spread_of(times: Results, ours: str, runs: int) -> tuple[float, float]:
    """Return the least and the largest ratio of so many runs of the peer to one of ours."""
    mine, theirs = times[ours], times["peer"]
    return runs * theirs["low"] / mine["high"], runs * theirs["high"] / mine["low"]


@reads("safety/risk_assessment")
def _(r: Results) -> Compared:
    fit, program = r["fit"], r["portfolio"]
    samples = f"{fit['samples']} samples"
    shapes = fit["largest difference of regular shapes, 100 or 1000 excesses"]
    rows = [
        Difference(
            "likelihood of the peer above the book's",
            "scipy and OpenTURNS",
            fit["peer's likelihood above ours, at most"],
            "absolute",
            samples,
        ),
        *(
            Difference("shape", peer, value, "absolute", f"{samples}, regular fits")
            for peer, value in shapes.items()
        ),
        Difference(
            "least CVaR",
            "cvxpy",
            program["largest difference"],
            "absolute",
            f"{program['problems']} portfolios",
        ),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("safety/robust_optimization")
def _(r: Results) -> Compared:
    return common(r, "cvxpy", scale="relative")


@reads("safety/robustness_evaluation")
def _(r: Results) -> Compared:
    times = {row["attack"]: row["ms"] for row in r["speed"] if "ms" in row}
    rows = [
        timed(row["attack"], row["peer"], row["ratio"], times[row["attack"]])
        for row in r["speed"]
    ]
    found = [
        Difference(
            f"APGD, {row['loss']}",
            "torchattacks",
            row["largest difference"],
            "pixel",
            f"{row['equal']} of {row['images']} images, where both end at one point",
        )
        for row in r["agreement"]
    ]
    return Compared(rows, found)


@reads("safety/sharpness_aware_minimization")
def _(r: Results) -> Compared:
    speed = r["speed"]
    rows = [
        timed("training step", f"{name}, in plain PyTorch", ratio, speed["ms"])
        for name, ratio in speed["ratio"].items()
        if name != "ours"
    ]
    said = several(
        r["agreement"], "plain PyTorch", "absolute", "all weights after 50 steps"
    )
    return Compared(rows, said)


# --- robustness -------------------------------------------------------------------


@reads("robustness/anomaly_detection")
def _(r: Results) -> Compared:
    rows, found = [], []
    for name, row in r["speed"].items():
        if "times_faster" in row:
            rows.append(timed(name, "scikit-learn", row["times_faster"], row["ms"]))
        else:
            work = f"{name}, fit and score"
            both = row["fit_and_score_times_faster"]
            rows.append(Speed(work, "scikit-learn", both, *both_parts(row["ms"])))
    for name, ways in r["agreement"].items():
        meant = name.startswith(("equal rows", "digits"))
        for way in ("kd_tree", "brute"):
            peer, largest = f"scikit-learn, {way}", ways[way]["factor"]
            what = "local outlier factor"
            found.append(Difference(what, peer, largest, "relative", name, meant))
    return Compared(rows, found)


def both_parts(times: Results) -> tuple[float, float]:
    """Return the least and the largest ratio of fitting and scoring together."""
    low, high = (
        {who: times[f"fit{who}"][end] + times[f"score{who}"][end] for who in WHO}
        for end in ("low", "high")
    )
    return low[" sklearn"] / high[""], high[" sklearn"] / low[""]


WHO = ("", " sklearn")


@reads("robustness/calibrated_alarms")
def _(r: Results) -> Compared:
    rows = [
        timed(
            f"{name.replace('_', ' ')}, {row['rows']} scores",
            "scikit-learn",
            row["times_faster"],
            row["ms"],
        )
        for name, row in r["speed"].items()
    ]
    return Compared(rows, differences(r["agreement"], "scikit-learn"))


@reads("robustness/deep_q_learning")
def _(r: Results) -> Compared:
    return Compared()


@reads("robustness/error_correction")
def _(r: Results) -> Compared:
    times, ratios = r["speed"]["times_ms"], r["speed"]["ratios"]
    rows = [
        timed(work, peer, ratios[ratio], times, ours)
        for work, peer, ratio, ours in (
            (
                "Hamming (7, 4), 2000 words",
                "galois",
                "hamming_galois_over_ours",
                "hamming_decode_ours_2000_words",
            ),
            ("CRC-32 of 1 MB", "zlib", "crc32_zlib_over_ours", "crc32_ours_1_MB"),
        )
    ]
    found = [
        Difference(
            f"code words, BCH {row['code']}",
            "galois",
            row["bits_that_differ"],
            "bits that differ",
            f"{row['words']} words",
        )
        for row in r["linear_codes"]
    ]
    crc = r["crc32"]
    found.append(
        Difference(
            "CRC-32",
            "zlib",
            crc["sums_that_differ"],
            "sums that differ",
            f"{crc['messages']} messages of {crc['lengths']}",
        )
    )
    return Compared(rows, found)


@reads("robustness/fault_tolerance")
def _(r: Results) -> Compared:
    problems = [r["machine"], *r["random"], *r["slow"]]
    rows = []
    for problem in problems:
        for method, ratio in problem["ratios"].items():
            kind, _, best = method.partition(",")
            if best and ratio == problem["ratios"][kind]:
                continue  # its best solver is the one above
            work = f"{problem['name']}: {kind}"
            peer = "QuantEcon's best solver" if best else "QuantEcon"
            rows.append(timed(work, peer, ratio, problem["solvers"], f"ours, {kind}"))
    n = r["agreement"]
    over = f"{n['processes']} processes of {n['states']} states"
    found = [
        Difference("value of policy iteration", peer, value, "absolute", over)
        for peer, value in n["largest difference"].items()
    ]
    return Compared(rows, found)


@reads("robustness/iterative_decoding")
def _(r: Results) -> Compared:
    rows = []
    for name, row in r["speed"].items():
        for key, ours, how in (
            ("ldpc_over_ours", "ours", "graph built once"),
            ("ldpc_over_ours_with_building", "ours_with_building", "graph built anew"),
        ):
            work = f"{name}, {how}"
            rows.append(timed(work, "ldpc", row[key], row["times_ms"], ours))
    found = [
        Difference(
            f"{row['n']} bits, crossover {row['crossover']}",
            "ldpc",
            1 - row["identical_blocks"],
            "share of blocks decoded otherwise",
            f"{row['blocks']} blocks, {row['codes']} codes",
        )
        for row in r["agreement_with_ldpc"]
    ]
    return Compared(rows, found)


@reads("robustness/output_codes")
def _(r: Results) -> Compared:
    times, n = r["speed"]["times_ms"], r["agreement"]
    rows = [
        timed(work, "scikit-learn", ratio, times, f"{work}_ours")
        for work, ratio in r["speed"]["sklearn_over_ours"].items()
    ]
    over = f"{n['decisions']} decisions without a tie"
    found = Difference(
        "decisions", "scikit-learn", n["decisions_that_differ"], "that differ", over
    )
    return Compared(rows, [found])


@reads("robustness/reconstruction_error")
def _(r: Results) -> Compared:
    said = {"over": f"{', '.join(map(str, r['agreement']['components']))} components"}
    said |= {"scale": "relative", "what": "error of the plane"}
    return common(r, "scikit-learn", **said)


@reads("robustness/redundancy")
def _(r: Results) -> Compared:
    systems = ", ".join(f"{k} of {n}" for k, n in r["agreement"]["systems"])
    over = f"{systems}; {r['agreement']['values of r']} values of r"
    largest, chains = r["agreement"]["largest difference"], r["elimination"]
    rows = [
        Difference("reliability", "scipy.stats.binom", largest, "relative", over),
        Difference(
            "mean life",
            "mpmath, 60 digits",
            chains["largest error"]["elimination"],
            "relative",
            f"{chains['chains']} chains of {chains['states']} states",
        ),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("robustness/reed_solomon")
def _(r: Results) -> Compared:
    times, rows = r["speed"]["times_ms"], []
    for name, ratio in r["speed"]["ratios"].items():
        verb, *middle = name.removesuffix("_over_ours").split("_")
        peer, one = middle[-1], "one" in middle
        work = f"{verb} {'one word' if one else '1000 words'}"
        ours = f"{verb}_ours_1_word" if one else f"{verb}_ours"
        rows.append(timed(work, peer, ratio, times, ours))
        if rows[-1].low is None:  # timed on ten words, and the ratio is of a thousand
            mine, theirs = times[ours], times[f"{verb}_{peer}_10_words"]
            low, high = (
                100 * theirs[a] / mine[b] for a, b in (("low", "high"), ("high", "low"))
            )
            rows[-1] = Speed(work, peer, ratio, low, high)
    found = [
        Difference(
            f"{row['code']}, {what}",
            "galois and reedsolo",
            row[f"{what}_that_differ"],
            "that differ",
            f"{row['words']} words",
        )
        for row in r["code_words"]
        for what in ("symbols", "corrections")
    ]
    return Compared(rows, found)


@reads("robustness/robust_planning")
def _(r: Results) -> Compared:
    rows, found = [], []
    for key, name, peer in (
        ("l1_against_linear_program", "L1", "scipy, HiGHS"),
        ("kl_against_conic_program", "entropy", "cvxpy, Clarabel"),
        ("interval_against_linear_program", "intervals", "scipy, HiGHS"),
    ):
        part = r[key]
        for size in (k for k in part if k.startswith("n=")):
            for ratio, ours in (
                ("ratio_one_row", "ours, one row"),
                ("ratio_20_rows", "ours, 20 rows"),
            ):
                if ratio in part[size]:
                    work = f"{name}, {size[2:]} states{ours.removeprefix('ours')}"
                    value, ms = part[size][ratio], part[size]["ms"]
                    rows.append(timed(work, peer, value, ms, ours))
        largest, over = part["largest_difference"], f"{part['rows']} rows"
        found.append(Difference(f"worst row, {name}", peer, largest, "absolute", over))
    for name, solver in r["robust_solver_against_sweeps"].items():
        for ratio, peer in (
            ("ratio_to_sweeps", "sweeps to the largest change"),
            ("ratio_to_centred", "centred sweeps to 1e-6"),
            ("ratio_at_equal_gap", "centred sweeps to the book's gap"),
        ):
            rows.append(timed(name, peer, solver[ratio], solver["ms"]))
    return Compared(rows, found)


@reads("robustness/shielding")
def _(r: Results) -> Compared:
    storm, rows, found = r["storm"], [], []
    sets, exact = storm["safe_sets"], storm["harm_exact"]
    over = f"{sets['problems']} random processes"
    found = [
        Difference("safe states", "Storm", None, "equal", over),
        Difference(
            "harm",
            "Storm, exact fractions",
            exact["largest_difference"],
            "absolute",
            f"{exact['chains']} policies",
        ),
    ]
    for lake in storm["timing"]:
        for name, row in lake["work"].items():
            work = f"{lake['states']} fields, {name}"
            rows.append(Speed(work, "Storm", row["ratio"]))
    return Compared(rows, found)


# --- explainability ---------------------------------------------------------------


@reads("explainability/activation_patching")
def _(r: Results) -> Compared:
    rows = [
        Difference(
            f"{name.removesuffix(', relative')}, {kind}",
            "TransformerLens",
            value,
            "relative" if "relative" in name else "absolute",
            "64 sequences, each head" if "logits" in name else "the whole map",
        )
        for kind in ("float32", "float64")
        for name, value in r["agreement"][kind].items()
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/additive_models")
def _(r: Results) -> Compared:
    n = r["agreement"]
    far = Difference(
        "curves",
        "InterpretML",
        max(n["distance"]["each other"]),
        "root mean square",
        f"{n['seeds']} seeds of {n['rows']} rows",
    )
    return Compared(speeds(r["speed"]), [far])


@reads("explainability/counterfactual_explanations")
def _(r: Results) -> Compared:
    n = r["agreement"]
    over = f"{n['models']} models of {n['features']} features"
    peer = {"2": "scipy.optimize.minimize, SLSQP"}
    rows = [
        Difference(
            f"distance, {norm}-norm",
            peer.get(norm, "scipy.optimize.linprog"),
            value,
            "relative",
            over,
        )
        for norm, value in n["largest relative difference"].items()
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/feature_attribution")
def _(r: Results) -> Compared:
    rows = [
        Difference(
            row["map"], "captum", row["difference"], "of the largest value", "one map"
        )
        for row in r["agreement"]
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/feature_effects")
def _(r: Results) -> Compared:
    found = common(r, "", scale="of the scores")
    works, features = r["agreement"]["works"], r["agreement"]["features"]
    over = f"{'; '.join(works)}; {features} features each"
    rows = [
        Difference(
            row.what,
            "PyALE" if row.what == "ALE" else "scikit-learn",
            row.largest,
            row.scale,
            over,
        )
        for row in found.differences
    ]
    return Compared(found.speed, rows, found.intended)


@reads("explainability/integrated_gradients")
def _(r: Results) -> Compared:
    n = r["agreement"]
    over = "an MLP and a convnet, 2, 7 and 50 steps"
    rows = [
        Difference(f"{rule} rule", "captum", value, "logits", over)
        for rule, value in n["largest difference"].items()
    ]
    rows += [
        Difference(
            f"conductance beside captum's of {steps} steps",
            "captum",
            value,
            "logits",
            f"{n['conductance']['seeds']} seeds",
            intended=True,
        )
        for steps, value in n["conductance"]["difference"].items()
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/local_surrogates")
def _(r: Results) -> Compared:
    n = r["agreement"]
    over = f"{n['cases']} cases, lime's own {n['samples']} draws"
    scale = "of the largest coefficient"
    return common(r, "lime", over=over, scale=scale, what="coefficients")


@reads("explainability/mechanistic_interpretability")
def _(r: Results) -> Compared:
    over = f"{r['agreement']['sequences']} sequences"
    return common(r, "TransformerLens", over=over, scale="absolute, float32")


@reads("explainability/permutation_importance")
def _(r: Results) -> Compared:
    return common(r, "scikit-learn", scale="of the loss", what="importances")


@reads("explainability/shapley_values")
def _(r: Results) -> Compared:
    rows = [
        timed(f"{row['model']}, {row['work']}", "shap", row["ratio"], row["ms"])
        for row in r["speed"]
    ]
    n = r["agreement"]
    over = (
        f"{n['models']} models, {n['cases']} cases, {n['background']} background rows"
    )
    return Compared(rows, differences(n, "shap", over=over))


@reads("explainability/tree_shap")
def _(r: Results) -> Compared:
    rows = []
    for row in r["speed"]:
        model, _, way = row["model"].partition(", ")
        cases = f"{row['cases']} case{'s' * (row['cases'] > 1)}"
        work = f"{model}, {cases}, {row['background']} background rows"
        peer = "all coalitions, in Python" if way else "shap"
        rows.append(timed(work, peer, row["ratio"], row["ms"]))
    summed = r["enumeration"]
    scale = "of the largest value"
    over = f"{summed['models']} models of {summed['cases']} cases"
    largest = summed["largest difference"]
    found = [Difference("values", "all coalitions", largest, scale, over)]
    found += [
        Difference(
            f"{row['model']}, {'columns of ranks' if kind == 'ranks' else kind}",
            "shap",
            row[kind],
            scale,
            "50 cases, 100 background rows",
            intended=kind != "ranks",
        )
        for row in r["agreement"]
        for kind in ("ranks", "as they are")
    ]
    return Compared(rows, found)
