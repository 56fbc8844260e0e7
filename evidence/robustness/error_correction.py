"""Binary codes against galois, check sums against zlib: the same words, the same corrections, and the clock."""

import zlib

import galois
import numpy as np

from companion.robustness.error_correction import LinearCode, crc32, hamming, secded
from evidence import record

PEERS = ["galois"]


def measure():
    return {
        "linear_codes": _linear_codes(),
        "crc32": _crc32(),
        "speed": _speed(),
    }


def _spoil(words, errors, rng):
    """Change exactly so many bits of every word."""
    places = rng.permuted(np.tile(np.arange(words.shape[1]), (len(words), 1)), axis=1)
    received = words.copy()
    received[np.arange(len(words))[:, None], places[:, :errors]] ^= 1
    return received


def _linear_codes():
    rows = []
    for n, k in [(7, 4), (15, 11), (15, 7), (15, 5), (31, 21)]:
        theirs = galois.BCH(n, k)
        # Reversed, galois's check bits stand in front, where the leftmost pivots are.
        ours = LinearCode(np.asarray(theirs.H)[:, ::-1], theirs.t)
        rng = np.random.default_rng(n + k)
        message = rng.integers(0, 2, (500, k)).astype(np.uint8)
        words = ours.encode(message[:, ::-1])[:, ::-1]
        differ = np.count_nonzero(
            words != np.asarray(theirs.encode(galois.GF2(message)))
        )
        for errors in range(theirs.t + 1):
            received = _spoil(words, errors, rng)
            decoded, corrected = ours.decode(received[:, ::-1])
            same, counted = theirs.decode(galois.GF2(received), errors=True)
            differ += np.count_nonzero(decoded[:, ::-1] != np.asarray(same))
            differ += np.count_nonzero(corrected != counted)
        if differ:
            raise AssertionError(f"BCH({n}, {k}): {differ} entries differ from galois")
        rows.append(
            {
                "code": f"({n}, {k})",
                "corrects": int(theirs.t),
                "words": 500,
                "bits_that_differ": int(differ),
            }
        )
    # Our Hamming code is galois's with the columns in another order.
    ours, theirs = hamming(3), galois.BCH(7, 4)
    position = np.asarray(theirs.H).T @ [1, 2, 4]
    messages = np.arange(16)[:, None] >> np.arange(4) & 1
    moved = np.zeros((16, 7), dtype=int)
    moved[:, position - 1] = np.asarray(theirs.encode(galois.GF2(messages)))
    if {tuple(w) for w in moved.tolist()} != {
        tuple(w) for w in ours.encode(messages).tolist()
    }:
        raise AssertionError("Hamming (7, 4) is another code than galois's")
    return rows


def _crc32():
    rng = np.random.default_rng(1)
    differ = sum(
        crc32(data) != zlib.crc32(data) for data in map(rng.bytes, range(2000))
    )
    if differ:
        raise AssertionError(f"{differ} of 2000 check sums differ from zlib's")
    return {"messages": 2000, "lengths": "0 to 1999 bytes", "sums_that_differ": differ}


def _speed():
    """galois decodes its BCH (7, 4), the same code with its places in another order."""
    rng = np.random.default_rng(3)
    code, bch = hamming(3), galois.BCH(7, 4)
    bits = rng.integers(0, 2, (100_000, 7)).astype(np.uint8)
    their_bits = galois.GF2(bits[:2000])
    data = rng.bytes(1_000_000)
    memory = secded(64)
    words = _spoil(memory.encode(rng.integers(0, 2, (20_000, 64))), 1, rng)
    times = record.interleaved(
        {
            "hamming_decode_ours_100000_words": lambda: code.decode(bits),
            "hamming_decode_ours_2000_words": lambda: code.decode(bits[:2000]),
            "hamming_decode_galois_2000_words": lambda: bch.decode(
                their_bits, errors=True
            ),
            "secded_decode_ours_20000_words": lambda: memory.decode(words),
            "crc32_ours_1_MB": lambda: crc32(data),
            "crc32_zlib_1_MB": lambda: zlib.crc32(data),
        },
        repeats=5,
    )
    median = {name: t["median"] for name, t in times.items()}
    ratios = {
        "hamming_galois_over_ours": median["hamming_decode_galois_2000_words"]
        / median["hamming_decode_ours_2000_words"],
        "crc32_zlib_over_ours": median["crc32_zlib_1_MB"] / median["crc32_ours_1_MB"],
    }
    # zlib is compiled and wins by far: the lesson says so.
    if ratios["hamming_galois_over_ours"] < 0.8:
        raise AssertionError(f"clearly slower than galois: {ratios}")
    return {"times_ms": times, "ratios": ratios}
