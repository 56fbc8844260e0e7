"""Output codes: what wrong learners cannot change, and what they can."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OutputCodeClassifier
from sklearn.tree import DecisionTreeClassifier

from companion.robustness.output_codes import (
    ErrorCorrectingOutputCode,
    bch_15_5,
    choose_words,
    minimum_distance,
)


class _Oracle:
    """A learner that knows: the input is the class, and the answer its bit."""

    def fit(self, X, y):
        self.answer = dict(zip(X[:, 0].tolist(), y.tolist(), strict=True))

    def predict(self, X):
        return np.array([self.answer[x] for x in X[:, 0].tolist()])


def _perfect(code):
    X = np.arange(len(code))[:, None] * 1.0
    return ErrorCorrectingOutputCode(_Oracle(), code).fit(
        X, 10 * np.arange(len(code))
    ), X


def _ten_words(seed=0):
    return choose_words(bch_15_5(), 10, np.random.default_rng(seed))


def _inverted(bits, weight):
    """The bits with every choice of `weight` columns turned over, one choice after another."""
    for columns in combinations(range(bits.shape[1]), weight):
        turned = bits.copy()
        turned[:, columns] ^= 1
        yield turned


def test_the_bch_code_is_linear_and_cyclic_with_the_published_weights():
    words = bch_15_5()
    rows = {tuple(word) for word in words.tolist()}
    assert len(rows) == 32
    assert {tuple(word) for word in np.roll(words, 1, axis=1).tolist()} == rows
    assert {tuple(a ^ b) for a in words for b in words} == rows
    weights = np.bincount(words.sum(axis=1))
    assert {w: int(c) for w, c in enumerate(weights) if c} == {
        0: 1,
        7: 15,
        8: 15,
        15: 1,
    }
    assert minimum_distance(words) == 7


def test_any_three_inverted_perfect_learners_change_no_decision():
    model, X = _perfect(_ten_words())
    bits, checked = model.bits(X), 0
    for weight in range(4):
        for turned in _inverted(bits, weight):
            assert (model.decode(turned) == 10 * np.arange(10)).all()
            checked += 1
    assert checked == 1 + 15 + 105 + 455
    assert any(
        (model.decode(turned) != 10 * np.arange(10)).any()
        for turned in _inverted(bits, 4)
    )


def _naive_one_versus_rest(classes):
    """The usual reduction: one learner per class. Its words differ in two places only."""
    return np.eye(classes, dtype=int)


def test_naive_one_versus_rest_does_not_survive_a_single_inverted_learner():
    model, X = _perfect(_naive_one_versus_rest(10))
    assert minimum_distance(model.code) == 2
    wrong = [
        (model.decode(turned) != 10 * np.arange(10)).mean()
        for turned in _inverted(model.bits(X), 1)
    ]
    assert (
        min(wrong[1:]) > 0
    )  # the first column's faults happen to be hidden by ties that go to class 0
    assert np.mean(wrong) > 0.3


@pytest.mark.parametrize("seed", range(3))
def test_chosen_columns_are_not_constant_not_equal_and_not_opposite(seed):
    code = _ten_words(seed)
    assert minimum_distance(code) >= 7
    columns = np.hstack([code, np.zeros((10, 1), dtype=np.uint8)]).T
    apart = [np.count_nonzero(a != b) for a, b in combinations(columns, 2)]
    assert min(min(d, 10 - d) for d in apart) >= 2
    rows = {tuple(word) for word in bch_15_5().tolist()}
    assert all(tuple(word) in rows for word in code.tolist())


def _separation(code):
    columns = np.hstack([code, np.zeros((len(code), 1), dtype=np.uint8)]).T
    apart = [np.count_nonzero(x != y) for x, y in combinations(columns, 2)]
    return min(min(d, len(code) - d) for d in apart)


@pytest.mark.parametrize("seed", range(5))
def test_more_tries_never_choose_a_worse_code(seed):
    words = bch_15_5()
    found = [
        _separation(choose_words(words, 12, np.random.default_rng(seed), t))
        for t in (50, 51, 60, 200, 500)
    ]
    assert found == sorted(found)
    draws = np.random.default_rng(seed)
    assert found[-1] == max(
        _separation(words[draws.permutation(32)[:12]]) for _ in range(500)
    )


def test_decisions_are_those_of_scikit_learn_with_its_own_code_on_digits():
    X, y = load_digits(return_X_y=True)
    train, test, y_train, _ = train_test_split(X, y, random_state=0)
    tree = DecisionTreeClassifier(random_state=0)
    peer = OutputCodeClassifier(tree, code_size=1.5, random_state=0).fit(train, y_train)
    ours = ErrorCorrectingOutputCode(tree, (peer.code_book_ > 0).astype(int)).fit(
        train, y_train
    )
    bits = ours.bits(test)
    np.testing.assert_array_equal(
        bits, np.column_stack([e.predict(test) for e in peer.estimators_])
    )
    distance = np.sort((bits[:, None] != ours.code).sum(axis=2), axis=1)
    clear = distance[:, 0] < distance[:, 1]  # ties are broken as one likes
    np.testing.assert_array_equal(ours.predict(test)[clear], peer.predict(test)[clear])
    assert clear.mean() > 0.9


def test_on_digits_the_code_keeps_its_accuracy_where_one_versus_rest_loses_it():
    X, y = load_digits(return_X_y=True)
    for seed in range(5):
        train, test, y_train, y_test = train_test_split(
            X, y, test_size=0.3, random_state=seed
        )
        tree = DecisionTreeClassifier(random_state=seed)
        accuracy = {}
        for name, code in {
            "bch": _ten_words(seed),
            "rest": _naive_one_versus_rest(10),
        }.items():
            model = ErrorCorrectingOutputCode(tree, code).fit(train, y_train)
            bits = model.bits(test)
            broken = [
                (model.decode(turned) == y_test).mean() for turned in _inverted(bits, 1)
            ]
            accuracy[name] = (model.decode(bits) == y_test).mean(), np.mean(broken)
        assert accuracy["bch"][0] > accuracy["rest"][0] + 0.05
        assert accuracy["bch"][1] > 0.85
        assert accuracy["rest"][1] < 0.6


def test_labels_may_be_strings_and_the_learner_given_stays_untrained():
    tree = DecisionTreeClassifier(random_state=0)
    model = ErrorCorrectingOutputCode(tree, [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]])
    X = np.array([[0.0], [1.0], [2.0]])
    assert model.fit(X, ["c", "a", "b"]).predict(X).tolist() == ["c", "a", "b"]
    assert not hasattr(tree, "tree_")
    bits = model.bits(X)
    before = bits.copy()
    model.decode(bits)
    np.testing.assert_array_equal(bits, before)
    assert len(model.decode(bits[:0])) == 0


def _fitted():
    return ErrorCorrectingOutputCode(
        DecisionTreeClassifier(), np.eye(3, dtype=int)
    ).fit(np.eye(3), [0, 1, 2])


def _unfitted():
    return ErrorCorrectingOutputCode(DecisionTreeClassifier(), np.eye(3, dtype=int))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _unfitted().predict(np.eye(3)), ValueError, "must be fitted"),
        (lambda: _unfitted().decode(np.eye(3)), ValueError, "must be fitted"),
        (
            lambda: _unfitted().fit(np.eye(3), [0, 1]),
            ValueError,
            "y must hold one label for each of 3",
        ),
        (
            lambda: _unfitted().fit(np.eye(3), [0, 1, 1]),
            ValueError,
            "y must have 3 classes",
        ),
        (
            lambda: _unfitted().fit(np.eye(3), [0, 1, np.nan]),
            ValueError,
            "y must be finite",
        ),
        (
            lambda: _unfitted().fit(np.full((3, 1), np.nan), [0, 1, 2]),
            ValueError,
            "X must be finite",
        ),
        (
            lambda: _unfitted().fit(np.zeros(3), [0, 1, 2]),
            ValueError,
            "X must have shape",
        ),
        (lambda: _fitted().predict(np.zeros((2, 4))), ValueError, "X must have shape"),
        (
            lambda: _fitted().predict(np.full((2, 3), np.inf)),
            ValueError,
            "X must be finite",
        ),
        (
            lambda: _fitted().decode(np.zeros((2, 4), dtype=int)),
            ValueError,
            "bits must have rows of length 3",
        ),
        (
            lambda: _fitted().decode(np.full((2, 3), 2)),
            ValueError,
            "bits must hold 0 and 1 only",
        ),
        (
            lambda: _fitted().decode(np.full((2, 3), np.nan)),
            ValueError,
            "bits must hold 0 and 1 only",
        ),
        (
            lambda: ErrorCorrectingOutputCode(3, np.eye(3)),
            TypeError,
            "learner must have fit and predict",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_Oracle(), [[0, 1], [0, 1]]),
            ValueError,
            "no two of them equal",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_Oracle(), [[0, 1]]),
            ValueError,
            "at least two rows",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_Oracle(), [[0, 1], [0, 0]]),
            ValueError,
            "column 0 is one",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_Oracle(), [0, 1]),
            ValueError,
            "code must be a table of bits",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_Oracle(), [["a"]]),
            TypeError,
            "code must hold bits",
        ),
        (lambda: minimum_distance([[0, 1]]), ValueError, "at least two rows"),
        (
            lambda: choose_words(bch_15_5(), 33, np.random.default_rng(0)),
            ValueError,
            "classes must be between",
        ),
        (
            lambda: choose_words(bch_15_5(), 1, np.random.default_rng(0)),
            ValueError,
            "classes must be between",
        ),
        (
            lambda: choose_words(bch_15_5(), 2, np.random.default_rng(0)),
            ValueError,
            "words must allow 2 rows",
        ),
        (
            lambda: choose_words(bch_15_5(), 5, np.random.default_rng(0), 0),
            ValueError,
            "tries must be at least 1",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
