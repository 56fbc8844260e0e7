"""Output codes on digits: scikit-learn's decisions, and ways to name ten classes with some learners broken."""

from itertools import combinations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OutputCodeClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from companion.robustness.output_codes import (
    ErrorCorrectingOutputCode,
    bch_15_5,
    choose_words,
    minimum_distance,
    nearest_word,
)
from evidence.record import interleaved

PEERS = ["scikit-learn"]
SEEDS = range(10)
BROKEN = range(5)
CHOICES = 1500  # all choices of broken learners where there are no more, so many at random else
DIGITS = np.eye(10, dtype=int)


def measure():
    return {
        "agreement": _agreement(),
        "yes_no": _over_seeds(_yes_no),
        "naming": _over_seeds(_naming),
        "copies": _over_seeds(_copies),
        "harder_questions": _over_seeds(_harder_questions),
        "random_books": _random_books(),
        "speed": _speed(),
    }


# --- Accuracy with broken learners


def _over_seeds(experiment):
    """Mean, least and most of every row of an experiment, by number of broken learners."""
    tables = [experiment(seed, *_split(seed)) for seed in SEEDS]
    return {
        "seeds": len(tables),
        "broken": list(BROKEN),
        "choices": CHOICES,
        "accuracy": {
            name: {
                "learners": tables[0][name]["learners"],
                "distance": [table[name]["distance"] for table in tables],
                "seeds": [table[name]["accuracy"] for table in tables],
                **_spread([table[name]["accuracy"] for table in tables]),
            }
            for name in tables[0]
        },
    }


def _yes_no(seed, train, test, y, truth):
    """Learners that only say yes or no: support vector machines with a Gaussian kernel."""
    rng = np.random.default_rng(seed)
    every_word = np.arange(2**15)[:, None] >> np.arange(15) & 1

    def coded(code):
        model = ErrorCorrectingOutputCode(lambda bit: SVC(), code).fit(train, y)
        return _coded(model.bits(test), code, truth, rng)

    return {
        "BCH words": coded(choose_words(bch_15_5(), 10, rng)),
        "random words": coded(choose_words(every_word, 10, rng)),
        "one versus rest": coded(DIGITS),
        "one versus rest, three times": _coded(
            _copied("rows drawn anew", seed, train, test, y, lambda s: SVC()),
            np.repeat(DIGITS, 3, axis=1),
            truth,
            rng,
        ),
        "one versus rest, by score": _by_score(train, test, y, truth, rng),
        "one versus one": _one_versus_one(train, test, y, truth, rng),
    }


def _naming(seed, train, test, y, truth):
    """Learners that can name the class: decision trees, alone, voting, and as yes-or-no learners of a code.

    A broken voter names the next digit instead of the one it means.
    """
    rng = np.random.default_rng(seed)
    code = choose_words(bch_15_5(), 10, rng)
    trees = ErrorCorrectingOutputCode(
        lambda bit: DecisionTreeClassifier(random_state=100 * seed + bit), code
    ).fit(train, y)
    same, drawn = [], []
    for j in range(15):
        rows = np.random.default_rng([seed, j]).integers(0, len(y), len(y))
        for votes, some in ((same, slice(None)), (drawn, rows)):
            tree = DecisionTreeClassifier(random_state=100 * seed + j)
            votes.append(tree.fit(train[some], y[some]).predict(test))
    return {
        "one tree": _row(1, None, [float((same[0] == truth).mean())]),
        "plain vote": _voting(np.column_stack(drawn), truth, rng),
        "plain vote, same rows": _voting(np.column_stack(same), truth, rng),
        "BCH words": _coded(trees.bits(test), code, truth, rng),
    }


def _copies(seed, train, test, y, truth):
    """One versus rest, every learner three times: the same copy, another seed, other rows."""
    rng = np.random.default_rng(seed)

    def tree(s):
        return DecisionTreeClassifier(random_state=s)

    code = np.repeat(DIGITS, 3, axis=1)
    rows = {
        how: _coded(_copied(how, seed, train, test, y, tree), code, truth, rng, most=1)
        for how in ("same seed", "other seeds", "rows drawn anew")
    }
    once = np.column_stack(
        [tree(100 * seed).fit(train, y == d).predict(test) for d in range(10)]
    )
    return {"once": _coded(once.astype(int), DIGITS, truth, rng, most=1), **rows}


def _harder_questions(seed, train, test, y, truth):
    """A learner that draws straight borders only: the questions of a code are too hard for it."""
    rng = np.random.default_rng(seed)
    code = choose_words(bch_15_5(), 10, rng)
    direct = LogisticRegression(max_iter=2000).fit(train, y)
    coded = ErrorCorrectingOutputCode(
        lambda bit: LogisticRegression(max_iter=2000), code
    ).fit(train, y)
    return {
        "direct": _row(1, None, [float(direct.score(test, truth))]),
        "BCH words": _row(15, 7, [float((coded.predict(test) == truth).mean())]),
    }


def _split(seed):
    X, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.3, random_state=seed, stratify=y
    )
    return train, test, y_train, y_test


def _copied(how, seed, train, test, y, make):
    """Answers of thirty one-versus-rest learners, three for each digit, side by side."""
    answers = []
    for digit in range(10):
        for copy in range(3):
            rows = slice(None)
            if how == "rows drawn anew":
                rng = np.random.default_rng([seed, digit, copy])
                rows = rng.integers(0, len(y), len(y))
            learner = make(100 * seed + (0 if how == "same seed" else copy))
            learner.fit(train[rows], y[rows] == digit)
            answers.append(learner.predict(test))
    return np.column_stack(answers).astype(int)


def _coded(bits, code, truth, rng, most=BROKEN[-1]):
    """Accuracy of a code, by number of inverted learners."""

    def right(broken):
        turned = bits.copy()
        turned[:, broken] ^= 1
        return float((nearest_word(turned, code) == truth).mean())

    return _row(
        bits.shape[1],
        minimum_distance(code),
        _by_broken(right, bits.shape[1], rng, most),
    )


def _voting(votes, truth, rng):
    """Accuracy of a vote over classes, the first of the most named; broken voters name the next digit."""
    counts = DIGITS[votes].sum(axis=1)
    change = DIGITS[(votes + 1) % 10] - DIGITS[votes]  # (row, voter, digit)

    def right(broken):
        turned = counts + change[:, broken].sum(axis=1)
        return float((turned.argmax(axis=1) == truth).mean())

    return _row(votes.shape[1], votes.shape[1], _by_broken(right, 15, rng))


def _one_versus_one(train, test, y, truth, rng):
    """Accuracy of a vote over all pairs of digits, by number of inverted learners."""
    pairs = np.array(list(combinations(range(10), 2)))
    answers = []
    for first, second in pairs:
        rows = (y == first) | (y == second)
        answers.append(SVC().fit(train[rows], y[rows] == second).predict(test))
    answers = np.column_stack(answers).astype(int)
    swing = DIGITS[pairs[:, 1]] - DIGITS[pairs[:, 0]]
    base = DIGITS[pairs[:, 0]].sum(axis=0)

    def right(broken):
        turned = answers.copy()
        turned[:, broken] ^= 1
        return float(((base + turned @ swing).argmax(axis=1) == truth).mean())

    return _row(len(pairs), None, _by_broken(right, len(pairs), rng))


def _by_score(train, test, y, truth, rng):
    """Accuracy of one versus rest by the highest score; a broken learner turns the sign of its score."""
    scores = np.column_stack(
        [SVC().fit(train, y == d).decision_function(test) for d in range(10)]
    )

    def right(broken):
        turned = scores.copy()
        turned[:, broken] *= -1
        return float((turned.argmax(axis=1) == truth).mean())

    return _row(10, None, _by_broken(right, 10, rng))


def _by_broken(right, learners, rng, most=BROKEN[-1]):
    """Mean of `right` over the choices of 0, 1, ... broken learners."""
    means = []
    for count in range(most + 1):
        choices = list(combinations(range(learners), count))
        if len(choices) > CHOICES:
            some = rng.choice(len(choices), CHOICES, replace=False)
            choices = [choices[i] for i in some]
        means.append(float(np.mean([right(list(broken)) for broken in choices])))
    return means


def _row(learners, distance, accuracy):
    return {"learners": learners, "distance": distance, "accuracy": accuracy}


def _spread(table):
    table = np.array(table)
    return {
        "mean": table.mean(axis=0).tolist(),
        "low": table.min(axis=0).tolist(),
        "high": table.max(axis=0).tolist(),
    }


# --- Beside scikit-learn


def _agreement(seeds=10):
    """scikit-learn's own code book and trees: its decisions and ours, where no two words are equally near."""
    clear_rows = ties = differ = books = 0
    for seed in range(seeds):
        train, test, y, _ = _split(seed)
        peer, ours = _pair(seed, train, y)
        if ours is None:
            continue
        books += 1
        bits = ours.bits(test)
        distance = np.sort((bits[:, None] != ours.code).sum(axis=2), axis=1)
        clear = distance[:, 0] < distance[:, 1]
        other = ours.predict(test)[clear] != peer.predict(test)[clear]
        differ += int(other.sum())
        clear_rows, ties = clear_rows + int(clear.sum()), ties + int((~clear).sum())
    if differ:
        raise AssertionError(
            f"{differ} decisions differ from scikit-learn's without a tie"
        )
    return {
        "books": books,
        "decisions": clear_rows,
        "decisions_that_differ": differ,
        "ties_not_compared": ties,
    }


def _pair(seed, train, y):
    """scikit-learn's classifier and ours with its words and learners; None where two classes share a word."""
    tree = DecisionTreeClassifier(random_state=seed)
    peer = OutputCodeClassifier(tree, code_size=1.5, random_state=seed).fit(train, y)
    code = peer.code_book_ > 0
    if minimum_distance(code) == 0 or (code == code[0]).all(axis=0).any():
        return peer, None
    ours = ErrorCorrectingOutputCode(
        lambda bit: DecisionTreeClassifier(random_state=seed), code
    )
    return peer, ours.fit(train, y)


def _random_books(books=20_000):
    """Least distance of scikit-learn's random code books of 15 bits for 10 classes, drawn as it draws them."""
    X, y = np.repeat(np.arange(10.0), 2)[:, None], np.repeat(np.arange(10), 2)
    distance = np.empty(books, int)
    for seed in range(books):
        book = np.random.RandomState(seed).uniform(size=(10, 15)) > 0.5
        distance[seed] = minimum_distance(book)
        if seed < 20:
            stump = DecisionTreeClassifier(max_depth=1, random_state=0)
            peer = OutputCodeClassifier(stump, code_size=1.5, random_state=seed)
            if ((peer.fit(X, y).code_book_ > 0) != book).any():
                raise AssertionError(f"scikit-learn draws another book, seed {seed}")
    return {"books": books, "by_distance": np.bincount(distance).tolist()}


def _speed():
    train, test, y, truth = _split(0)
    peer, ours = _pair(0, train, y)
    times = interleaved(
        {
            "fit_ours": lambda: ours.fit(train, y),
            "fit_sklearn": lambda: peer.fit(train, y),
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
            "ours": float((ours.predict(test) == truth).mean()),
            "sklearn": float((peer.predict(test) == truth).mean()),
        },
    }
