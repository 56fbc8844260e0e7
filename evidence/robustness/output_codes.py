"""Output codes on digits: scikit-learn's decisions, and accuracy with inverted learners over ten seeds."""

from itertools import combinations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OutputCodeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from companion.robustness.output_codes import (
    ErrorCorrectingOutputCode,
    bch_15_5,
    choose_words,
    minimum_distance,
)
from evidence import record

PEERS = ["scikit-learn"]


def measure():
    return {
        "agreement": _agreement(),
        "inverted_bits": _inverted_bits(),
        "logistic_regression": _logistic(),
        "random_codes": _random_codes(),
        "speed": _speed(),
    }


def _split(seed):
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y)


def _agreement(seeds=10):
    """scikit-learn's own code book and trees: its decisions and ours, where no two words are equally near."""
    clear_rows = ties = 0
    for seed in range(seeds):
        train, test, y_train, _ = _split(seed)
        tree = DecisionTreeClassifier(random_state=seed)
        peer = OutputCodeClassifier(tree, code_size=1.5, random_state=seed).fit(
            train, y_train
        )
        code = (peer.code_book_ > 0).astype(int)
        if minimum_distance(code) == 0 or (code == code[0]).all(axis=0).any():
            continue
        ours = ErrorCorrectingOutputCode(tree, code).fit(train, y_train)
        distance = np.sort((ours.bits(test)[:, None] != ours.code).sum(axis=2), axis=1)
        clear = distance[:, 0] < distance[:, 1]
        if (ours.predict(test)[clear] != peer.predict(test)[clear]).any():
            raise AssertionError(
                f"decisions differ from scikit-learn's without a tie, seed {seed}"
            )
        clear_rows, ties = clear_rows + int(clear.sum()), ties + int((~clear).sum())
    return {
        "seeds": seeds,
        "decisions": clear_rows,
        "decisions_that_differ": 0,
        "ties_not_compared": ties,
    }


def _inverted_bits(seeds=10, most=4):
    """Mean accuracy over every choice of that many inverted learners; one split, tree and code per seed."""
    accuracy = {"bch": [], "random": [], "one_versus_rest": []}
    direct, distances = [], []
    for seed in range(seeds):
        train, test, y_train, y_test = _split(seed)
        tree, rng = (
            DecisionTreeClassifier(random_state=seed),
            np.random.default_rng(seed),
        )
        direct.append(tree.fit(train, y_train).score(test, y_test))
        codes = {
            "bch": choose_words(bch_15_5(), 10, rng),
            "random": _random_code(rng),
            "one_versus_rest": np.eye(10, dtype=int),
        }
        distances.append(minimum_distance(codes["random"]))
        for name, code in codes.items():
            model = ErrorCorrectingOutputCode(
                DecisionTreeClassifier(random_state=seed), code
            )
            bits = model.fit(train, y_train).bits(test)
            accuracy[name].append(
                [_mean_accuracy(model, bits, y_test, k) for k in range(most + 1)]
            )
    rows = {"direct_tree": _spread([[a] for a in direct])}
    rows |= {name: _spread(table) for name, table in accuracy.items()}
    return {
        "seeds": seeds,
        "inverted": list(range(most + 1)),
        "test_rows": len(y_test),
        "accuracy": rows,
        "random_code_distance": {"low": min(distances), "high": max(distances)},
    }


def _random_code(rng):
    """Fifteen random bits per class, no two rows equal and no column constant."""
    while True:
        code = rng.integers(0, 2, (10, 15))
        if minimum_distance(code) and not (code == code[0]).all(axis=0).any():
            return code


def _mean_accuracy(model, bits, labels, inverted):
    hits = []
    for columns in combinations(range(bits.shape[1]), inverted):
        turned = bits.copy()
        turned[:, columns] ^= 1
        hits.append((model.decode(turned) == labels).mean())
    return float(np.mean(hits))


def _spread(table):
    table = np.array(table)
    return {
        "mean": table.mean(axis=0).tolist(),
        "low": table.min(axis=0).tolist(),
        "high": table.max(axis=0).tolist(),
    }


def _logistic(seeds=5):
    """Where the direct classifier is good and a bit of the code is a harder problem than a class."""
    direct, coded = [], []
    for seed in range(seeds):
        train, test, y_train, y_test = _split(seed)
        learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        direct.append([learner.fit(train, y_train).score(test, y_test)])
        code = choose_words(bch_15_5(), 10, np.random.default_rng(seed))
        model = ErrorCorrectingOutputCode(learner, code).fit(train, y_train)
        coded.append([float((model.predict(test) == y_test).mean())])
    return {"seeds": seeds, "direct": _spread(direct), "bch": _spread(coded)}


def _random_codes(seeds=200):
    """Least distance of scikit-learn's random code books of 15 bits for 10 classes."""
    X, y = np.repeat(np.arange(10.0), 2)[:, None], np.repeat(np.arange(10), 2)
    distance = []
    for seed in range(seeds):
        stump = DecisionTreeClassifier(max_depth=1, random_state=0)
        book = (
            OutputCodeClassifier(stump, code_size=1.5, random_state=seed)
            .fit(X, y)
            .code_book_
        )
        distance.append(minimum_distance((book > 0).astype(int)))
    return {
        "seeds": seeds,
        "codes_by_distance": np.bincount(distance).tolist(),
        "bch_distance": 7,
    }


def _speed():
    train, test, y_train, y_test = _split(0)
    tree = DecisionTreeClassifier(random_state=0)
    peer = OutputCodeClassifier(tree, code_size=1.5, random_state=0).fit(train, y_train)
    ours = ErrorCorrectingOutputCode(tree, (peer.code_book_ > 0).astype(int)).fit(
        train, y_train
    )
    times = record.interleaved(
        {
            "fit_ours": lambda: ours.fit(train, y_train),
            "fit_sklearn": lambda: peer.fit(train, y_train),
            "predict_ours": lambda: ours.predict(test),
            "predict_sklearn": lambda: peer.predict(test),
        }
    )
    ratios = {
        name: times[f"{name}_sklearn"]["median"] / times[f"{name}_ours"]["median"]
        for name in ("fit", "predict")
    }
    if min(ratios.values()) < 0.8:
        raise AssertionError(f"clearly slower than scikit-learn: {ratios}")
    return {
        "times_ms": times,
        "sklearn_over_ours": ratios,
        "accuracy": {
            "ours": float((ours.predict(test) == y_test).mean()),
            "sklearn": float((peer.predict(test) == y_test).mean()),
        },
    }
