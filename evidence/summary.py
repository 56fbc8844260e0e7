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
from statistics import mean, median
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
    over: str
    scale: str = "absolute"  # or "relative", or the unit
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
    results, read = record["results"], READERS.get(record["lesson"])
    found = read(results) if read else common(results, " and ".join(peers(record)))
    by_ratio = sorted(found.speed, key=lambda row: row.ratio)
    return Compared(by_ratio, found.differences, found.intended)


def peers(record: Results) -> list[str]:
    """Return the libraries that a record was measured with, beyond what every record has."""
    return [name for name in record["versions"] if name not in (*ALWAYS, *SUPPORT)]


# --- what most records have in common ---------------------------------------------


def common(results: Results, peer: str, **said: str) -> Compared:
    """Read `speed` and `agreement` as most programs write them; `said` goes to `differences`."""
    agreement = results.get("agreement", {})
    apart = differences(agreement, peer, **said)
    return Compared(speeds(results.get("speed", []), peer), apart)


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
    for theirs in times.values() if mine else ():
        if math.isclose(theirs["median"], ratio * mine["median"], rel_tol=1e-9):
            return Speed(work, peer, ratio, *spread(mine, theirs))
    return Speed(work, peer, ratio)


def spread(mine: Results, theirs: Results, runs: int = 1) -> tuple[float, float]:
    """Return the least and the largest ratio of so many runs of the peer to one of ours."""
    return runs * theirs["low"] / mine["high"], runs * theirs["high"] / mine["low"]


def differences(
    agreement: Results, peer: str, over: str = "", scale: str = "", what: str = "result"
) -> list[Difference]:
    """Read largest differences, one or several by name; what they are over is counted beside them."""
    key = next((key for key in agreement if key.startswith("largest")), None)
    if key is None:
        return []
    scale = scale or ("relative" if "relative" in key else "absolute")
    found = agreement[key]
    named = found if isinstance(found, Mapping) else {what: found}
    return [
        Difference(
            name.replace("_", " "), peer, value, over or counts(agreement), scale
        )
        for name, value in named.items()
    ]


def counts(agreement: Results) -> str:
    """Return what stands beside a difference as "100 processes, 40 states"."""
    found = {name: n for name, n in agreement.items() if isinstance(n, int)}
    return ", ".join(f"{n} {name}" for name, n in found.items())


def reads(lesson: str) -> Callable[[Callable[[Results], Compared]], Any]:
    """Register a function as the reader of a lesson's record."""

    def register(reader: Callable[[Results], Compared]) -> Any:
        READERS[lesson] = reader
        return reader

    return register


# --- value alignment --------------------------------------------------------------


@reads("value_alignment/constrained_optimum")
def _(r: Results) -> Compared:
    found = r["agreement"]["largest difference"]
    over = f"{r['agreement']['processes']} random processes"
    dual = "scipy.optimize.minimize_scalar"
    rows = [
        Difference("value", "cvxpy", found["cvxpy"], over),
        Difference("multiplier", "cvxpy", found["multiplier"], over),
        Difference("least of the dual", dual, found["dual"], over),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("value_alignment/constrained_reinforcement_learning")
def _(r: Results) -> Compared:
    return Compared()


@reads("value_alignment/direct_preference_optimization")
def _(r: Results) -> Compared:
    found = Compared()
    for row in r["trl"]["rows"]:
        work = f"{row['loss']} loss, {row['pairs']} pairs of {row['tokens']} tokens"
        over, largest = f"{row['batches']} random batches", row["largest difference"]
        found.speed.append(timed(work, "TRL", row["ratio"], row["ms"]))
        found.differences.append(Difference(work, "TRL", largest, over, "relative"))
    return found


@reads("value_alignment/empowerment")
def _(r: Results) -> Compared:
    n, key = r["agreement"], "largest difference"
    shapes = ", ".join(f"{rows} by {columns}" for rows, columns in n["shapes"])
    over = f"{n['seeds']} random channels each of {shapes}"
    rows = [Difference("capacity", "cvxpy", n[key], over, "bits")]
    for name, value in r["closed forms"].items():
        what, over = f"{name} channel", "99 probabilities"
        rows.append(Difference(what, "its formula", value, over, "bits"))
    for row in r["certain"]:
        what, over = row["map"], f"{row['states']} states, up to {row['steps']} steps"
        rows.append(Difference(what, "the count of states", row[key], over, "bits"))
    return Compared(speeds(r["speed"]), rows)


@reads("value_alignment/intrinsic_motivation")
def _(r: Results) -> Compared:
    found, peer = r["agreement"]["largest difference"], "stable-baselines3"
    gain, sums = found["information gain, torch"], found["discounted sums"]
    tables = "200 tables of counts, 8 outcomes each"
    rows = [
        Difference("information gain", "torch.distributions", gain, tables),
        Difference("mean", peer, found["mean"], "50 batches"),
        Difference("variance", peer, found["variance"], "50 batches"),
        Difference("discounted sums", peer, sums, "200 steps of 8 copies"),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("value_alignment/kl_estimators")
def _(r: Results) -> Compared:
    return common(r, "TRL")


@reads("value_alignment/optimistic_exploration")
def _(r: Results) -> Compared:
    return common(r, "bsuite", what="rewards and moves")


@reads("value_alignment/policy_gradient")
def _(r: Results) -> Compared:
    steps, peer, rows = r["peer"]["steps per CPU second"], "Stable-Baselines3", []
    for kind in ("separate copies", "vectorised"):
        ours, theirs = steps[f"ours, {kind}"], steps[f"theirs, {kind}"]
        work, ratio = f"a step on CartPole, {kind}", median(ours) / median(theirs)
        ends = min(ours) / max(theirs), max(ours) / min(theirs)
        rows.append(Speed(work, peer, ratio, *ends))
    said = {"scale": "absolute, float32", "what": "advantages"}
    return Compared(rows, differences(r["agreement"], peer, **said))


@reads("value_alignment/preference_aggregation")
def _(r: Results) -> Compared:
    return common(r, "cvxpy", what="lottery")


@reads("value_alignment/preference_learning")
def _(r: Results) -> Compared:
    scores, loss, key = r["scores"]["rows"], r["loss"], "largest difference"
    rows = [Difference("scores", s["peer"], s[key], s["name"]) for s in scores]
    peer = "imitation.CrossEntropyRewardLoss"
    over = f"{loss['pairs']} pairs of {loss['steps']} steps"
    for what in ("loss", "gradient"):
        value, scale = loss[f"difference of the {what}"], "absolute, float32"
        rows.append(Difference(what, peer, value, over, scale))
    one = timed(f"loss and gradient, {over}", peer, loss["ratio"], loss["ms"])
    return Compared([*speeds(scores), one], rows)


@reads("value_alignment/reward_equivalence")
def _(r: Results) -> Compared:
    said = differences(r["agreement"], "scipy.stats.pearsonr", what="distance")
    return Compared(speeds(r["speed"], "plain NumPy"), said)


@reads("value_alignment/reward_shaping")
def _(r: Results) -> Compared:
    processes, twin = r["agreement"]["processes"], r["imitation"]
    plain = f"{processes} random processes, plain and shaped"
    paid, over = twin["largest difference"], f"{twin['transitions']} transitions"
    rows = [
        Difference("optimal policy", "cvxpy", None, plain, "equal"),
        Difference("shaped rewards", "imitation", paid, over),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("value_alignment/rlhf")
def _(r: Results) -> Compared:
    n, peer = r["peer"], "TRL's RLOOTrainer"
    pairs = zip(n["distances"]["ours"], n["distances"]["theirs"], strict=True)
    largest = max(abs(ours - theirs) for ours, theirs in pairs)
    what = "distance of the trained policy from the Gibbs policy"
    over = f"{n['seeds']} seeds of {n['steps']} steps"
    far = Difference(what, peer, largest, over, "total variation")
    row = timed("40 steps of 128 strings", peer, n["ratio"], n["ms"])
    return Compared([row], [far])


@reads("value_alignment/value_based_design")
def _(r: Results) -> Compared:
    n = r["agreement"]
    over = f"{n['discounts']} discounts; all {n['moves']} moves equal"
    return common(r, "mo-gymnasium", over=over, what="points of the front")


# --- safety -----------------------------------------------------------------------


@reads("safety/adversarial_examples")
def _(r: Results) -> Compared:
    rows = []
    for row in r["agreement"]:
        what, largest = f"{row['attack']}, {row['net']}", row["difference"]
        scale = "length" if "length" in what else "pixel"
        rows.append(Difference(what, row["peer"], largest, "64 images", scale))
    # What keeping the best point costs is no peer's time.
    others = [row for row in r["speed"] if not row["peer"].startswith("ours")]
    return Compared(speeds(others), rows)


@reads("safety/adversarial_training")
def _(r: Results) -> Compared:
    rows = []
    for name, value in r["agreement"]["largest relative difference"].items():
        what, peer = name.split(", ")
        over = "gradient of one batch"
        rows.append(Difference(what, peer, value, over, "relative"))
    return Compared(speeds(r["speed"]), rows)


@reads("safety/distributionally_robust_optimization")
def _(r: Results) -> Compared:
    rows = []
    for row in r["agreement"]["rows"]:
        for what in ("value", "weights"):
            over = f"{row['samples']} problems"
            over += ", those without ties" * (what == "weights")
            if what in row:
                name = f"{row['set']}, {what}"
                rows.append(Difference(name, "cvxpy, Clarabel", row[what], over))
    return Compared(speeds(r["speed"]), rows)


@reads("safety/fault_trees")
def _(r: Results) -> Compared:
    added, drawn = r["enumeration"], r["simulation"]
    largest, over = (
        added["largest relative difference"],
        f"{added['trees']} random trees",
    )
    by = "sum over all states, NumPy"
    rows = [Difference("top event", by, largest, over, "relative")]
    for name, row in r["published"].items():
        gap = abs(row["ours"] / row["published"] - 1)
        rows.append(Difference(name, "published value", gap, "one tree", "relative"))
    gap = abs(drawn["simulated"] - drawn["exact"]) / drawn["standard error"]
    over, scale = f"{drawn['samples']} samples", "standard errors of the sample"
    rows.append(Difference("perception stack", "OpenTURNS", gap, over, scale))
    return Compared(speeds(r["speed"]), rows)


@reads("safety/generative_adversarial_networks")
def _(r: Results) -> Compared:
    n, entropy = r["agreement"], "torch, binary cross-entropy"
    root, frechet = "scipy.linalg.sqrtm", n["frechet, relative"]
    weights, five = "weights after five steps", n["five steps"]
    rows = [
        Difference("losses", entropy, n["losses"], "1000 random logits"),
        Difference("Fréchet distance", root, frechet, "pixels, features", "relative"),
        Difference(weights, "plain PyTorch loop", five, "one seed"),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("safety/generative_adversarial_training")
def _(r: Results) -> Compared:
    rows, time, peer = [], r["time"], "plain PyTorch program"
    for name, value in r["agreement"].items():
        if name != "fgsm":
            rows.append(Difference(name, peer, value, "all weights"))
    for library, value in r["agreement"]["fgsm"].items():
        rows.append(Difference("FGSM", library, value, "all test images", "pixel"))
    ratio, same = time["plain program over ours"], time["ms"]["same work"]
    return Compared([timed("two epochs of an attacker", peer, ratio, same)], rows)


@reads("safety/group_robustness")
def _(r: Results) -> Compared:
    gap, over = abs(r["convex"]["excess"]), "the linear model of one data set"
    row = Difference("loss of the worst group", "cvxpy, Clarabel", gap, over, "nats")
    return Compared(speeds(r["speed"]), [row])


@reads("safety/rare_events")
def _(r: Results) -> Compared:
    rows, apart, peer = [], [], "OpenTURNS, subset sampling"
    for row in r["speed"]:
        for key, ours, runs in (("one run", "ours", 1), ("twenty runs", "twenty", 20)):
            ends = spread(row["ms"][ours], row["ms"]["peer"], runs)
            rows.append(Speed(f"{row['name']}, {key}", peer, row[key], *ends))
    for row in r["problems"]:
        gap = abs(mean(row["ours"]) - mean(row["openturns"])) / row["truth"]
        what, over = f"{row['name']}, mean estimate", f"{len(row['ours'])} runs each"
        apart.append(Difference(what, peer, gap, over, "of the true probability"))
    return Compared(rows, apart)


@reads("safety/risk_assessment")
def _(r: Results) -> Compared:
    fit, program = r["fit"], r["portfolio"]
    samples = f"{fit['samples']} samples"
    what, below = "likelihood above the book's", "peer's likelihood above ours, at most"
    rows = [Difference(what, "scipy and OpenTURNS", fit[below], samples)]
    shapes = fit["largest difference of regular shapes, 100 or 1000 excesses"]
    for peer, value in shapes.items():
        rows.append(Difference("shape", peer, value, f"{samples}, regular fits"))
    largest, over = program["largest difference"], f"{program['problems']} portfolios"
    rows.append(Difference("least CVaR", "cvxpy", largest, over))
    return Compared(speeds(r["speed"]), rows)


@reads("safety/robust_optimization")
def _(r: Results) -> Compared:
    return common(r, "cvxpy", scale="relative")


@reads("safety/robustness_evaluation")
def _(r: Results) -> Compared:
    rows, apart = [], []
    times = {row["attack"]: row["ms"] for row in r["speed"] if "ms" in row}
    for row in r["speed"]:
        attack = row["attack"]
        rows.append(timed(attack, row["peer"], row["ratio"], times[attack]))
    for row in r["agreement"]:
        what, largest = f"APGD, {row['loss']}", row["largest difference"]
        over = f"{row['equal']} of {row['images']} images, where both end at one point"
        apart.append(Difference(what, "torchattacks", largest, over, "pixel"))
    return Compared(rows, apart)


@reads("safety/sharpness_aware_minimization")
def _(r: Results) -> Compared:
    speed, rows = r["speed"], []
    for name, ratio in speed["ratio"].items():
        if name != "ours":
            peer = f"a step in PyTorch, {name}"
            rows.append(timed("training step", peer, ratio, speed["ms"]))
    over = "all weights after 50 steps"
    found = r["agreement"].items()
    return Compared(rows, [Difference(k, "plain PyTorch", v, over) for k, v in found])


# --- robustness -------------------------------------------------------------------


@reads("robustness/anomaly_detection")
def _(r: Results) -> Compared:
    rows, apart, peer = [], [], "scikit-learn"
    for name, row in r["speed"].items():
        if "times_faster" in row:
            rows.append(timed(name, peer, row["times_faster"], row["ms"]))
        else:
            ratio = row["fit_and_score_times_faster"]
            ends = spread(together(row["ms"], ""), together(row["ms"], " sklearn"))
            rows.append(Speed(f"{name}, fit and score", peer, ratio, *ends))
    for name, ways in r["agreement"].items():
        meant = name.startswith(("equal rows", "digits"))
        for way in ("kd_tree", "brute"):
            largest, by = ways[way]["factor"], f"{peer}, {way}"
            row = Difference("outlier factor", by, largest, name, "relative", meant)
            apart.append(row)
    return Compared(rows, apart)


def together(times: Results, who: str) -> dict[str, float]:
    """Return the shortest and longest time to fit and score."""
    fit, score = times[f"fit{who}"], times[f"score{who}"]
    return {end: fit[end] + score[end] for end in ("low", "high")}


@reads("robustness/calibrated_alarms")
def _(r: Results) -> Compared:
    rows = []
    for name, row in r["speed"].items():
        work = f"{name.replace('_', ' ')}, {row['rows']} scores"
        rows.append(timed(work, "scikit-learn", row["times_faster"], row["ms"]))
    return Compared(rows, differences(r["agreement"], "scikit-learn"))


@reads("robustness/deep_q_learning")
def _(r: Results) -> Compared:
    return Compared()


@reads("robustness/error_correction")
def _(r: Results) -> Compared:
    times, ratios, crc = r["speed"]["times_ms"], r["speed"]["ratios"], r["crc32"]
    hamming, check = ratios["hamming_galois_over_ours"], ratios["crc32_zlib_over_ours"]
    words, ours = "Hamming (7, 4), 2000 words", "hamming_decode_ours_2000_words"
    rows = [
        timed(words, "galois", hamming, times, ours),
        timed("CRC-32 of 1 MB", "zlib", check, times, "crc32_ours_1_MB"),
    ]
    apart = []
    for row in r["linear_codes"]:
        what, over = f"code words, BCH {row['code']}", f"{row['words']} words"
        bits = row["bits_that_differ"]
        apart.append(Difference(what, "galois", bits, over, "bits that differ"))
    over, sums = (
        f"{crc['messages']} messages of {crc['lengths']}",
        crc["sums_that_differ"],
    )
    apart.append(Difference("CRC-32", "zlib", sums, over, "sums that differ"))
    return Compared(rows, apart)


@reads("robustness/fault_tolerance")
def _(r: Results) -> Compared:
    rows, n = [], r["agreement"]
    for problem in (r["machine"], *r["random"], *r["slow"]):
        for method, ratio in problem["ratios"].items():
            kind, _, best = method.partition(",")
            if best and ratio == problem["ratios"][kind]:
                continue  # its best solver is the one above
            work, ours = f"{problem['name']}: {kind}", f"ours, {kind}"
            peer = "QuantEcon's best solver" if best else "QuantEcon"
            rows.append(timed(work, peer, ratio, problem["solvers"], ours))
    over = f"{n['processes']} processes of {n['states']} states"
    found, what = n["largest difference"].items(), "value of policy iteration"
    return Compared(rows, [Difference(what, peer, v, over) for peer, v in found])


@reads("robustness/iterative_decoding")
def _(r: Results) -> Compared:
    rows, apart = [], []
    for name, row in r["speed"].items():
        for ratio, ours, how in (
            ("ldpc_over_ours", "ours", "graph built once"),
            ("ldpc_over_ours_with_building", "ours_with_building", "graph built anew"),
        ):
            times = row["times_ms"]
            rows.append(timed(f"{name}, {how}", "ldpc", row[ratio], times, ours))
    for row in r["agreement_with_ldpc"]:
        what = (
            f"blocks decoded otherwise, {row['n']} bits, crossover {row['crossover']}"
        )
        over, share = (
            f"{row['blocks']} blocks, {row['codes']} codes",
            row["identical_blocks"],
        )
        apart.append(Difference(what, "ldpc", 1 - share, over, "share"))
    return Compared(rows, apart)


@reads("robustness/output_codes")
def _(r: Results) -> Compared:
    rows, times, n = [], r["speed"]["times_ms"], r["agreement"]
    for work, ratio in r["speed"]["sklearn_over_ours"].items():
        rows.append(timed(work, "scikit-learn", ratio, times, f"{work}_ours"))
    over, differ = f"{n['decisions']} without a tie", n["decisions_that_differ"]
    row = Difference("decisions", "scikit-learn", differ, over, "that differ")
    return Compared(rows, [row])


@reads("robustness/reconstruction_error")
def _(r: Results) -> Compared:
    over = f"{', '.join(map(str, r['agreement']['components']))} components"
    what = "error of the plane"
    return common(r, "scikit-learn", over=over, scale="relative", what=what)


@reads("robustness/redundancy")
def _(r: Results) -> Compared:
    n, chains = r["agreement"], r["elimination"]
    systems = ", ".join(f"{k} of {many}" for k, many in n["systems"])
    over, gap = f"{systems}; {n['values of r']} values of r", n["largest difference"]
    life = chains["largest error"]["elimination"]
    many = f"{chains['chains']} chains of {chains['states']} states"
    rows = [
        Difference("reliability", "scipy.stats.binom", gap, over, "relative"),
        Difference("mean life", "mpmath, 60 digits", life, many, "relative"),
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("robustness/reed_solomon")
def _(r: Results) -> Compared:
    rows, apart, times = [], [], r["speed"]["times_ms"]
    for name, ratio in r["speed"]["ratios"].items():
        verb, *one, peer = name.removesuffix("_over_ours").split("_")
        if one:
            ours, theirs, words = f"{verb}_ours_1_word", f"{verb}_{peer}_1_word", 1
        else:
            ours, theirs, words = f"{verb}_ours", f"{verb}_{peer}", 1000
        runs = 1 if theirs in times else 100  # it was timed on ten words of a thousand
        mine, other = times[ours], times.get(theirs) or times[f"{theirs}_10_words"]
        work = f"{verb} {words} word{'s' * (words > 1)}"
        rows.append(Speed(work, peer, ratio, *spread(mine, other, runs)))
    for row in r["code_words"]:
        for what in ("symbols", "corrections"):
            name, over = f"{row['code']}, {what}", f"{row['words']} words"
            differ, peer = row[f"{what}_that_differ"], "galois and reedsolo"
            apart.append(Difference(name, peer, differ, over, "that differ"))
    return Compared(rows, apart)


@reads("robustness/robust_planning")
def _(r: Results) -> Compared:
    rows, apart = [], []
    for key, name, peer in (
        ("l1_against_linear_program", "L1", "scipy, HiGHS"),
        ("kl_against_conic_program", "entropy", "cvxpy, Clarabel"),
        ("interval_against_linear_program", "intervals", "scipy, HiGHS"),
    ):
        largest, over = r[key]["largest_difference"], f"{r[key]['rows']} rows"
        apart.append(Difference(f"worst row, {name}", peer, largest, over))
        for size, part in r[key].items():
            for many in ("one row", "20 rows"):
                ratio = f"ratio_{many.replace(' ', '_')}"
                if size.startswith("n=") and ratio in part:
                    work = f"{name}, {size[2:]} states, {many}"
                    ours = f"ours, {many}"
                    rows.append(timed(work, peer, part[ratio], part["ms"], ours))
    for name, solver in r["robust_solver_against_sweeps"].items():
        for ratio, peer in (
            ("ratio_to_sweeps", "sweeps to the largest change"),
            ("ratio_to_centred", "centred sweeps to 1e-6"),
            ("ratio_at_equal_gap", "centred sweeps to the book's gap"),
        ):
            rows.append(timed(name, peer, solver[ratio], solver["ms"]))
    return Compared(rows, apart)


@reads("robustness/shielding")
def _(r: Results) -> Compared:
    storm, rows = r["storm"], []
    sets, exact = storm["safe_sets"], storm["harm_exact"]
    over, gap = f"{sets['problems']} random processes", exact["largest_difference"]
    chains, fractions = f"{exact['chains']} policies", "Storm, exact fractions"
    apart = [
        Difference("safe states", "Storm", None, over, "equal"),
        Difference("harm", fractions, gap, chains),
    ]
    for lake in storm["timing"]:
        for name, row in lake["work"].items():
            rows.append(
                Speed(f"{lake['states']} fields, {name}", "Storm", row["ratio"])
            )
    return Compared(rows, apart)


# --- explainability ---------------------------------------------------------------


@reads("explainability/activation_patching")
def _(r: Results) -> Compared:
    rows = []
    for kind in ("float32", "float64"):
        for name, value in r["agreement"][kind].items():
            what, _, scale = name.partition(", ")
            over = "64 sequences" if scale else "the whole map"
            scale = f"{scale or 'absolute'}, {kind}"
            rows.append(Difference(what, "TransformerLens", value, over, scale))
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/additive_models")
def _(r: Results) -> Compared:
    n = r["agreement"]
    gap, over = (
        max(n["distance"]["each other"]),
        f"{n['seeds']} seeds of {n['rows']} rows",
    )
    far = Difference("curves", "InterpretML", gap, over, "root mean square")
    return Compared(speeds(r["speed"]), [far])


@reads("explainability/counterfactual_explanations")
def _(r: Results) -> Compared:
    n, rows = r["agreement"], []
    over = f"{n['models']} models of {n['features']} features"
    for norm, value in n["largest relative difference"].items():
        peer = "scipy.optimize." + ("minimize, SLSQP" if norm == "2" else "linprog")
        what = f"distance, {norm}-norm"
        rows.append(Difference(what, peer, value, over, "relative"))
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/feature_attribution")
def _(r: Results) -> Compared:
    scale, over = "of the largest value", "the same images"
    rows = [
        Difference(row["map"], "captum", row["difference"], over, scale)
        for row in r["agreement"]
    ]
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/feature_effects")
def _(r: Results) -> Compared:
    n, rows = r["agreement"], []
    over = f"{'; '.join(n['works'])}; {n['features']} features each"
    for what, value in n["largest difference"].items():
        peer = "PyALE" if what == "ALE" else "scikit-learn"
        rows.append(Difference(what, peer, value, over, "of the scores"))
    return Compared(speeds(r["speed"]), rows, [n["intended"]])


@reads("explainability/integrated_gradients")
def _(r: Results) -> Compared:
    n, rows = r["agreement"], []
    for rule, value in n["largest difference"].items():
        over = "an MLP and a convnet; 2, 7 and 50 steps"
        rows.append(Difference(f"{rule} rule", "captum", value, over, "logits"))
    for steps, value in n["conductance"]["difference"].items():
        what, over = f"conductance, {steps} steps", f"{n['conductance']['seeds']} seeds"
        rows.append(Difference(what, "captum", value, over, "logits", intended=True))
    return Compared(speeds(r["speed"]), rows)


@reads("explainability/local_surrogates")
def _(r: Results) -> Compared:
    n, scale = r["agreement"], "of the largest coefficient"
    over = f"{n['cases']} cases, lime's own {n['samples']} draws"
    return common(r, "lime", over=over, scale=scale, what="coefficients")


@reads("explainability/mechanistic_interpretability")
def _(r: Results) -> Compared:
    over = f"{r['agreement']['sequences']} sequences"
    return common(r, "TransformerLens", over=over, scale="absolute, float32")


@reads("explainability/permutation_importance")
def _(r: Results) -> Compared:
    over, scale = "; ".join(r["agreement"]["works"]), "of the loss"
    return common(r, "scikit-learn", over=over, scale=scale, what="importances")


@reads("explainability/shapley_values")
def _(r: Results) -> Compared:
    n, rows = r["agreement"], []
    for row in r["speed"]:
        work = f"{row['model']}, {row['work']}"
        rows.append(timed(work, "shap", row["ratio"], row["ms"]))
    over = (
        f"{n['models']} models, {n['cases']} cases, {n['background']} background rows"
    )
    return Compared(rows, differences(n, "shap", over=over))


@reads("explainability/tree_shap")
def _(r: Results) -> Compared:
    rows, n, scale = [], r["enumeration"], "of the largest value"
    for row in r["speed"]:
        model, _, enumerated = row["model"].partition(", ")
        cases = f"{row['cases']} case{'s' * (row['cases'] > 1)}"
        work = f"{model}, {cases}, {row['background']} background rows"
        peer = "all coalitions, in Python" if enumerated else "shap"
        rows.append(timed(work, peer, row["ratio"], row["ms"]))
    largest, over = n["largest difference"], f"{n['models']} models, {n['cases']} cases"
    apart = [Difference("values", "all coalitions", largest, over, scale)]
    over = "50 cases, 100 background rows"
    for row in r["agreement"]:
        for kind in ("ranks", "as they are"):
            what, meant = f"{row['model']}, columns {kind}", kind != "ranks"
            what = what.replace("columns ranks", "columns of ranks")
            apart.append(Difference(what, "shap", row[kind], over, scale, meant))
    return Compared(rows, apart)
