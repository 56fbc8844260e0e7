"""Message passing against the decoder of ldpc, published thresholds, and the waterfall over many codes."""

import numpy as np
from ldpc import BpDecoder

from companion.robustness.iterative_decoding import (
    TannerGraph,
    bec_threshold,
    gallager_a_threshold,
    peel,
    regular_ldpc,
    sum_product,
)
from evidence import record

PEERS = ["ldpc"]

# Richardson and Urbanke's tables, as printed; the one of algorithm A is cut off, not rounded.
PUBLISHED = {
    (3, 6): 0.4294,
    (3, 4): 0.6474,
    (3, 5): 0.5176,
    (4, 8): 0.3834,
    (5, 10): 0.3416,
}
PUBLISHED_A = 0.0394


def measure():
    return {
        "thresholds": _thresholds(),
        "waterfall": _waterfall(),
        "elimination": _elimination(),
        "agreement_with_ldpc": _agreement(),
        "speed": _speed(),
    }


def _thresholds():
    rows = []
    for (l, r), published in PUBLISHED.items():  # noqa: E741
        computed = bec_threshold(l, r)
        if round(computed, 4) != published:
            raise AssertionError(
                f"threshold of ({l}, {r}) is {computed}, published {published}"
            )
        rows.append(
            {
                "code": f"({l}, {r})",
                "computed": computed,
                "published": published,
                "shannon": l / r,
            }
        )
    gallager = gallager_a_threshold(3, 6)
    if np.floor(gallager * 1e4) / 1e4 != PUBLISHED_A:
        raise AssertionError(
            f"Gallager A's threshold is {gallager}, published {PUBLISHED_A}"
        )
    return {
        "erasures": rows,
        "gallager_a": {
            "code": "(3, 6)",
            "computed": gallager,
            "published": PUBLISHED_A,
        },
    }


def _waterfall(codes=10, blocks=300):
    """Peeling (3, 6) codes: the share of blocks that is not recovered, mean and spread over the codes."""
    rates = [0.30, 0.34, 0.36, 0.38, 0.40, 0.41, 0.42, 0.43, 0.44, 0.46, 0.48, 0.50]
    rows = {}
    for n in (96, 300, 1200):
        failed, left = np.zeros((2, codes, len(rates)))
        for seed in range(codes):
            rng = np.random.default_rng(seed)
            H = TannerGraph(regular_ldpc(n, 3, 6, rng))
            u = rng.random(
                (blocks, n)
            )  # the same draws at every rate: more erasures never help
            for i, rate in enumerate(rates):
                unknown = peel(H, np.zeros((blocks, n), dtype=int), u < rate)[1]
                failed[seed, i], left[seed, i] = (
                    unknown.any(axis=1).mean(),
                    unknown.mean(),
                )
        if (np.diff(failed) < 0).any():
            raise AssertionError(
                "a block was lost with fewer erasures and recovered with more"
            )
        half = [float(np.interp(0.5, row, rates)) for row in failed]
        rows[str(n)] = {
            "block_failure": failed.mean(axis=0).tolist(),
            "lowest_code": failed.min(axis=0).tolist(),
            "highest_code": failed.max(axis=0).tolist(),
            "bits_left": left.mean(axis=0).tolist(),
            "rate_of_half_failure": float(np.mean(half)),
            "rate_of_half_failure_sd": float(np.std(half, ddof=1)),
            # From one block in ten lost to nine in ten: the width of the fall.
            "width": float(
                np.mean(
                    [
                        np.interp(0.9, row, rates) - np.interp(0.1, row, rates)
                        for row in failed
                    ]
                )
            ),
        }
    widths = [row["width"] for row in rows.values()]
    distance = [
        abs(row["rate_of_half_failure"] - bec_threshold(3, 6)) for row in rows.values()
    ]
    if (
        sorted(widths, reverse=True) != widths
        or sorted(distance, reverse=True) != distance
    ):
        raise AssertionError(
            f"the waterfall does not close on its threshold: widths {widths}, distances {distance}"
        )
    return {
        "code": "(3, 6)",
        "codes": codes,
        "blocks": blocks,
        "erasure_rate": rates,
        "n": rows,
    }


def _independent(columns):
    """Whether some columns, given as integers, are linearly independent modulo 2."""
    pivots = {}
    for column in columns:
        while column:
            top = column.bit_length()
            if top not in pivots:
                pivots[top] = column
                break
            column ^= pivots[top]
        else:
            return False
    return True


def _elimination(codes=10, blocks=100, n=120):
    """Blocks lost by peeling and by elimination, the best that any decoder can do, for equal rates."""
    rows = []
    for erasure in (0.40, 0.44):
        for l, r in ((3, 6), (5, 10)):  # noqa: E741
            peeled, best = [], []
            for seed in range(codes):
                rng = np.random.default_rng(seed)
                H = regular_ldpc(n, l, r, rng)
                lost = np.random.default_rng([seed, 1]).random((blocks, n)) < erasure
                columns = [
                    int("".join(map(str, column)), 2) for column in H.toarray().T
                ]
                left = peel(H, np.zeros((blocks, n), dtype=int), lost)[1].any(axis=1)
                stuck = np.array(
                    [
                        not _independent([columns[b] for b in np.flatnonzero(row)])
                        for row in lost
                    ]
                )
                if (stuck & ~left).any():
                    raise AssertionError("peeling filled in what is not determined")
                peeled.append(int(left.sum()))
                best.append(int(stuck.sum()))
            rows.append(
                {
                    "code": f"({l}, {r})",
                    "erasure_rate": erasure,
                    "n": n,
                    "codes": codes,
                    "blocks_per_code": blocks,
                    "peeling_lost": peeled,
                    "elimination_lost": best,
                }
            )
    return rows


def _problem(n, p, blocks, seed):
    rng = np.random.default_rng(seed)
    H = regular_ldpc(n, 3, 6, rng)
    errors = (rng.random((blocks, n)) < p).astype(np.uint8)
    peer = BpDecoder(
        H.toarray(),
        error_rate=p,
        max_iter=50,
        bp_method="product_sum",
        schedule="parallel",
        input_vector_type="syndrome",
    )
    return H, errors, peer


def _theirs(H, errors, peer):
    """Decode: ldpc estimates the error from its syndrome; the all-zero word was sent."""
    estimates, converged = np.zeros_like(errors), np.zeros(len(errors), dtype=bool)
    for i, syndrome in enumerate(((errors @ H.T) % 2).astype(np.uint8)):
        estimates[i] = peer.decode(syndrome)
        converged[i] = peer.converge
    return errors ^ estimates, converged


def _ours(H, errors, p):
    return sum_product(H, (1.0 - 2.0 * errors) * np.log((1 - p) / p), 50)


def _agreement(codes=5, blocks=60):
    rows = []
    for n in (96, 300, 1200):
        for p in (0.05, 0.07, 0.08):
            same = lost = lost_peer = same_fate = 0
            for seed in range(codes):
                H, errors, peer = _problem(n, p, blocks, seed)
                ours, (words, converged) = _ours(H, errors, p), _theirs(H, errors, peer)
                same += int((ours.bits == words).all(axis=1).sum())
                same_fate += int((ours.converged == converged).sum())
                lost += int(ours.bits.any(axis=1).sum())
                lost_peer += int(words.any(axis=1).sum())
                both = ours.converged & converged
                if (ours.bits[both] != words[both]).any(axis=1).mean() > 0.01:
                    raise AssertionError(f"decoded words differ at n = {n}, p = {p}")
            total = codes * blocks
            rows.append(
                {
                    "n": n,
                    "crossover": p,
                    "blocks": total,
                    "codes": codes,
                    "identical_blocks": same / total,
                    "same_convergence": same_fate / total,
                    "ours_block_failure": lost / total,
                    "ldpc_block_failure": lost_peer / total,
                }
            )
            if same_fate / total < 0.98 or abs(lost - lost_peer) > 0.02 * total:
                raise AssertionError(f"ours and ldpc decide differently: {rows[-1]}")
    return rows


def _speed():
    """A batch and a single block of n = 1200, 50 rounds at most, at two crossover probabilities.

    ldpc builds its decoder for a code once, outside the clock; so do we, and once more inside it.
    """
    result = {}
    for p in (0.06, 0.08):
        for blocks in (100, 1):
            H, errors, peer = _problem(1200, p, blocks, 0)
            graph = TannerGraph(H)
            ours, theirs = _ours(graph, errors, p), _theirs(H, errors, peer)
            times = record.interleaved(
                {
                    "ours": lambda: _ours(graph, errors, p),
                    "ours_with_building": lambda: _ours(H, errors, p),
                    "ldpc": lambda: _theirs(H, errors, peer),
                },
                repeats=9 if blocks > 1 else 51,
            )
            median = {name: t["median"] for name, t in times.items()}
            result[f"crossover {p}, blocks {blocks}"] = {
                "times_ms": times,
                "ldpc_over_ours": median["ldpc"] / median["ours"],
                "ldpc_over_ours_with_building": median["ldpc"]
                / median["ours_with_building"],
                "ours_block_failure": float(ours.bits.any(axis=1).mean()),
                "ldpc_block_failure": float(theirs[0].any(axis=1).mean()),
            }
            if median["ldpc"] < 0.8 * median["ours"]:
                raise AssertionError(f"clearly slower than ldpc: {result}")
    return result
