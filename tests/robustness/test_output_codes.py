"""Output codes: what wrong learners cannot change, and what they can."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OutputCodeClassifier
from sklearn.tree import DecisionTreeClassifier

from companion.robustness.output_codes import (
    ErrorCorrectingOutputCode,
    bch_15_5,
    choose_words,
    minimum_distance,
    nearest_word,
)


class _Oracle:
    """A learner that knows: the input is the class, and the answer its bit."""

    def fit(self, X, y):
        self.answer = dict(zip(X[:, 0].tolist(), y.tolist(), strict=True))

    def predict(self, X):
        return np.array([self.answer[x] for x in X[:, 0].tolist()])


def _oracle(_bit):
    return _Oracle()


def _tree(seed):
    return lambda bit: DecisionTreeClassifier(random_state=1000 * seed + bit)


def _perfect(code):
    X = np.arange(len(code))[:, None] * 1.0
    model = ErrorCorrectingOutputCode(_oracle, code)
    return model.fit(X, 10 * np.arange(len(code))), X


def _ten_words(seed=0):
    return choose_words(bch_15_5(), 10, np.random.default_rng(seed))


def _all_words(length):
    return np.arange(2**length)[:, None] >> np.arange(length) & 1


def _inverted(bits, weight):
    """The bits with every choice of `weight` columns turned over, one choice after another."""
    for columns in combinations(range(bits.shape[1]), weight):
        turned = bits.copy()
        turned[:, columns] ^= 1
        yield turned


def _least(rows):
    return min(
        sum(a != b for a, b in zip(x, y, strict=True)) for x, y in combinations(rows, 2)
    )


# --- Words


def test_the_bch_code_is_linear_and_cyclic_with_the_published_weights():
    words = bch_15_5()
    rows = {tuple(word) for word in words.tolist()}
    assert len(rows) == 32
    assert {tuple(word) for word in np.roll(words, 1, axis=1).tolist()} == rows
    assert {tuple(a ^ b) for a in words for b in words} == rows
    weights = np.bincount(words.sum(axis=1, dtype=int))
    assert {w: int(c) for w, c in enumerate(weights) if c} == {
        0: 1,
        7: 15,
        8: 15,
        15: 1,
    }
    assert minimum_distance(words) == 7


def test_each_bch_word_is_the_multiple_its_row_says():
    generator = 0b10100110111  # x^10 + x^8 + x^5 + x^4 + x^2 + x + 1
    for i, word in enumerate(bch_15_5()):
        product_ = 0
        for shift in range(5):
            product_ ^= (generator << shift) * (i >> shift & 1)
        assert int("".join(map(str, word)), 2) == product_


@pytest.mark.parametrize("seed", range(20))
def test_the_distance_is_the_least_over_all_pairs(seed):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2, (rng.integers(2, 9), rng.integers(1, 12)))
    assert minimum_distance(words) == _least(words.tolist())


def test_the_distance_is_found_among_thousands_of_words():
    """All words with a parity bit differ in two places, and one changed bit brings two of them together."""
    words = _all_words(11)
    words = np.hstack([words, words.sum(axis=1, keepdims=True) % 2])
    assert minimum_distance(words) == 2
    words[-1, 0] ^= 1
    assert minimum_distance(words) == 1
    words[-1] = words[0]
    assert minimum_distance(words) == 0


def _separation(code):
    """How different the columns are as questions, by comparing them one by one."""
    columns = np.hstack([code, np.zeros((len(code), 1), dtype=np.uint8)]).T
    apart = [np.count_nonzero(x != y) for x, y in combinations(columns, 2)]
    return min(min(d, len(code) - d) for d in apart)


def _merit(code):
    return _least(code.tolist()), _separation(code)


@pytest.mark.parametrize("seed", range(3))
def test_chosen_columns_are_not_constant_not_equal_and_not_opposite(seed):
    code = _ten_words(seed)
    assert minimum_distance(code) >= 7
    columns = np.hstack([code, np.zeros((10, 1), dtype=np.uint8)]).T
    apart = [np.count_nonzero(a != b) for a, b in combinations(columns, 2)]
    assert min(min(d, 10 - d) for d in apart) >= 2
    rows = {tuple(word) for word in bch_15_5().tolist()}
    assert all(tuple(word) in rows for word in code.tolist())


@pytest.mark.parametrize("length", [7, 15])
@pytest.mark.parametrize("seed", range(3))
def test_the_chosen_words_are_the_first_best_of_all_tries(seed, length):
    """Most distance first, then most different columns: recomputed pair by pair."""
    words = bch_15_5() if length == 15 else _all_words(length)
    draws = np.random.default_rng(seed)
    picks = [words[draws.choice(len(words), 12, replace=False)] for _ in range(200)]
    usable = [pick for pick in picks if _separation(pick) > 0]
    best = max(usable, key=_merit)  # the first of equals
    chosen = choose_words(words, 12, np.random.default_rng(seed), 200)
    np.testing.assert_array_equal(chosen, best)
    found = [
        _merit(choose_words(words, 12, np.random.default_rng(seed), tries))
        for tries in (20, 50, 100, 200)
    ]
    assert found == sorted(found)


# --- Decoding


def _naive_nearest(bits, code):
    """The equation, one pair of rows after another."""
    return [
        min(
            range(len(code)),
            key=lambda k: sum(b != c for b, c in zip(row, code[k], strict=True)),
        )
        for row in bits
    ]


@pytest.mark.parametrize("seed", range(20))
def test_decoding_is_the_equation_with_ties_to_the_first_word(seed):
    rng = np.random.default_rng(seed)
    bits, code = (rng.integers(0, 2, (n, 5)) for n in (40, 6))
    assert nearest_word(bits, code).tolist() == _naive_nearest(
        bits.tolist(), code.tolist()
    )


def test_up_to_t_wrong_answers_never_change_a_decision_and_t_plus_one_may():
    """Every pattern of errors, for a code whose distance is 5."""
    code = np.array([[0] * 8, [1] * 5 + [0] * 3, [0] * 3 + [1] * 5])
    assert minimum_distance(code) == 5
    patterns = np.array(list(product([0, 1], repeat=8)))
    for errors in range(9):
        some = patterns[patterns.sum(axis=1) == errors]
        decided = [nearest_word(word ^ some, code) for word in code]
        hit = [(d == k).all() for k, d in enumerate(decided)]
        assert all(hit) == (errors <= 2)


def test_any_three_inverted_perfect_learners_change_no_decision():
    model, X = _perfect(_ten_words())
    bits, checked = model.bits(X), 0
    for weight in range(4):
        for turned in _inverted(bits, weight):
            assert (nearest_word(turned, model.code) == np.arange(10)).all()
            checked += 1
    assert checked == 1 + 15 + 105 + 455
    assert any(
        (nearest_word(turned, model.code) != np.arange(10)).any()
        for turned in _inverted(bits, 4)
    )


def _naive_one_versus_rest(classes):
    """The usual reduction: one learner per class. Its words differ in two places only."""
    return np.eye(classes, dtype=int)


def test_naive_one_versus_rest_does_not_survive_a_single_inverted_learner():
    model, X = _perfect(_naive_one_versus_rest(10))
    assert minimum_distance(model.code) == 2
    wrong = [
        (nearest_word(turned, model.code) != np.arange(10)).mean()
        for turned in _inverted(model.bits(X), 1)
    ]
    # The first column's faults happen to be hidden by ties that go to class 0.
    assert min(wrong[1:]) > 0
    assert np.mean(wrong) > 0.3


def test_a_plain_vote_of_n_is_a_repetition_code_of_distance_n():
    """Written as a code over digits: any 7 of 15 votes may be wrong, whatever they say."""
    rng = np.random.default_rng(0)
    for wrong in range(16):
        votes = np.full(15, 3)
        votes[:wrong] = 4  # the worst: all faults agree
        counts = np.bincount(votes, minlength=10)
        assert (counts.argmax() == 3) == (wrong <= 7)
        votes[:wrong] = rng.choice([0, 1, 2, 4, 5], wrong)
        assert wrong > 7 or np.bincount(votes, minlength=10).argmax() == 3


def test_words_of_thousands_of_bits_do_not_wrap():
    code = np.zeros((2, 3000), np.uint8)
    code[1] = 1
    bits = np.zeros((2, 3000), np.uint8)
    bits[0, :1499] = bits[1, :1501] = 1
    assert nearest_word(bits, code).tolist() == [0, 1]
    assert minimum_distance(code) == 3000


KINDS = [bool, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64]
KINDS += [np.float16, np.float32, np.float64]


@pytest.mark.parametrize("kind", KINDS)
def test_bits_of_every_type_decode_alike(kind):
    code = _ten_words()
    bits = np.random.default_rng(0).integers(0, 2, (50, 15))
    want = nearest_word(bits, code)
    np.testing.assert_array_equal(
        nearest_word(bits.astype(kind), code.astype(kind)), want
    )
    assert minimum_distance(code.astype(kind)) == 7
    words = bch_15_5().astype(kind)
    np.testing.assert_array_equal(
        choose_words(words, 10, np.random.default_rng(0)), code
    )


# --- The classifier


def test_decisions_are_those_of_scikit_learn_with_its_own_code_on_digits():
    X, y = load_digits(return_X_y=True)
    train, test, y_train, _ = train_test_split(X, y, random_state=0)
    tree = DecisionTreeClassifier(random_state=0)
    peer = OutputCodeClassifier(tree, code_size=1.5, random_state=0).fit(train, y_train)
    ours = ErrorCorrectingOutputCode(
        lambda bit: DecisionTreeClassifier(random_state=0), peer.code_book_ > 0
    ).fit(train, y_train)
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
        accuracy = {}
        for name, code in {
            "bch": _ten_words(seed),
            "rest": _naive_one_versus_rest(10),
        }.items():
            model = ErrorCorrectingOutputCode(_tree(seed), code).fit(train, y_train)
            bits = model.bits(test)
            broken = [
                (nearest_word(turned, code) == y_test).mean()
                for turned in _inverted(bits, 1)
            ]
            accuracy[name] = (model.predict(test) == y_test).mean(), np.mean(broken)
        assert accuracy["bch"][0] > accuracy["rest"][0] + 0.05
        assert accuracy["bch"][1] > 0.85
        assert accuracy["rest"][1] < 0.6


def test_learners_get_the_number_of_their_bit_and_its_column():
    code, asked = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 1]]), []

    class Recorder(_Oracle):
        def fit(self, X, y):
            self.seen = y.tolist()
            super().fit(X, y)

    def make(bit):
        asked.append(bit)
        return Recorder()

    X = np.array([[5.0], [6.0], [7.0]])
    model = ErrorCorrectingOutputCode(make, code).fit(X, ["b", "c", "a"])
    assert asked == [0, 1, 2]
    assert [learner.seen for learner in model.learners] == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 1, 1],
    ]
    assert model.bits(X).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]


LABELS = [
    ["c", "a", "b"],
    [30, -10, 20],
    np.array([3, 1, 2], np.int8),
    np.array([3.5, 1.0, 2.0]),
    np.array(["c", "a", "b"], object),
    torch.tensor([3, 1, 2]),
]


@pytest.mark.parametrize("labels", LABELS)
def test_labels_of_every_kind_come_back(labels):
    code = [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]]
    X = np.array([[0], [1], [2]])
    model = ErrorCorrectingOutputCode(_oracle, code).fit(X, labels)
    assert model.predict(X).tolist() == list(np.asarray(labels))
    assert model.classes.tolist() == sorted(np.asarray(labels).tolist())
    assert len(model.predict(X[:0] + 0.0)) == 0


def test_nothing_of_the_callers_is_changed_or_kept():
    code, X = np.eye(3), np.eye(3)
    for array in (code, X):
        array.flags.writeable = False
    model = ErrorCorrectingOutputCode(_tree(0), code).fit(X, [0, 1, 2])
    bits = model.bits(X)
    before = bits.copy()
    nearest_word(bits, code)
    np.testing.assert_array_equal(bits, before)
    editable = np.eye(3)
    model = ErrorCorrectingOutputCode(_tree(0), editable)
    editable[:] = 1
    np.testing.assert_array_equal(model.code, np.eye(3))
    words = bch_15_5()
    words.flags.writeable = False
    choose_words(words, 5, np.random.default_rng(0), 50)


def test_an_error_while_fitting_leaves_the_old_learners():
    model = ErrorCorrectingOutputCode(_tree(0), np.eye(3)).fit(np.eye(3), [0, 1, 2])
    old = model.learners
    with pytest.raises(ValueError, match="y must have 3 classes"):
        model.fit(np.eye(3), [0, 1, 1])
    assert model.learners is old


# --- Bad input


def _fitted():
    return ErrorCorrectingOutputCode(_tree(0), np.eye(3)).fit(np.eye(3), [0, 1, 2])


def _unfitted():
    return ErrorCorrectingOutputCode(_tree(0), np.eye(3))


class _Answers(_Oracle):
    """A learner whose answers are given."""

    def __init__(self, answers):
        self.answers = answers

    def predict(self, X):
        return np.asarray(self.answers)


def _answering(answers):
    model = ErrorCorrectingOutputCode(lambda bit: _Answers(answers), [[0, 1], [1, 0]])
    return model.fit([[0], [1]], [0, 1])


ONE = DecisionTreeClassifier()
GRADIENT = torch.eye(3, requires_grad=True)
SPARSE = sparse.csr_array(np.eye(3))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _unfitted().predict(np.eye(3)), RuntimeError, "call fit first"),
        (lambda: _unfitted().bits(np.eye(3)), RuntimeError, "call fit first"),
        (
            lambda: _unfitted().fit(np.eye(3), [0, 1]),
            ValueError,
            "y must hold one label for each of 3",
        ),
        (
            lambda: _unfitted().fit(np.eye(3), [[0, 1, 2]]),
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
            lambda: _unfitted().fit(np.eye(3), [0, 1, np.inf]),
            ValueError,
            "y must be finite",
        ),
        (
            lambda: _unfitted().fit(np.eye(3), np.array([0, 1, np.nan], object)),
            ValueError,
            "y must be finite",
        ),
        (
            lambda: _unfitted().fit(np.eye(3), np.array(["a", 1, None], object)),
            TypeError,
            "y must hold labels that can be sorted",
        ),
        (
            lambda: _unfitted().fit(np.eye(3), GRADIENT[0]),
            TypeError,
            "y must hold labels",
        ),
        (
            lambda: _unfitted().fit(np.eye(3), None),
            ValueError,
            "y must hold one label",
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
        (lambda: _unfitted().fit(SPARSE, [0, 1, 2]), TypeError, "X must hold real"),
        (lambda: _unfitted().fit(GRADIENT, [0, 1, 2]), TypeError, "^X must"),
        (lambda: _fitted().predict(np.zeros((2, 4))), ValueError, "X must have shape"),
        (
            lambda: _fitted().predict(np.full((2, 3), np.inf)),
            ValueError,
            "X must be finite",
        ),
        (lambda: _fitted().predict(GRADIENT), TypeError, "^X must"),
        (
            lambda: _answering([0, 0, 0]).predict([[0], [1]]),
            ValueError,
            "a learner must give 2 answers",
        ),
        (
            lambda: _answering([0, 7]).predict([[0], [1]]),
            ValueError,
            "the learners' answers must hold 0 and 1",
        ),
        (
            lambda: _answering(["a", "b"]).predict([[0], [1]]),
            TypeError,
            "the learners' answers must hold real",
        ),
        (
            lambda: nearest_word(np.zeros((2, 4), dtype=int), np.eye(3)),
            ValueError,
            "bits must have shape",
        ),
        (
            lambda: nearest_word(np.full((2, 3), 2), np.eye(3)),
            ValueError,
            "bits must hold 0 and 1 only",
        ),
        (
            lambda: nearest_word(np.full((2, 3), np.nan), np.eye(3)),
            ValueError,
            "bits must be finite",
        ),
        (
            lambda: nearest_word(np.full((2, 3), -1, np.int8), np.eye(3)),
            ValueError,
            "bits must hold 0 and 1 only",
        ),
        (
            lambda: nearest_word([[0, 1]], np.zeros((0, 2))),
            ValueError,
            "code must hold at least one word",
        ),
        (lambda: nearest_word(SPARSE, np.eye(3)), TypeError, "bits must hold real"),
        (lambda: nearest_word(np.eye(3), GRADIENT), TypeError, "^code must"),
        (
            lambda: ErrorCorrectingOutputCode(ONE, np.eye(3)),
            TypeError,
            "make_learner must be a function",
        ),
        (
            lambda: ErrorCorrectingOutputCode(lambda bit: ONE, np.eye(3)).fit(
                np.eye(3), [0, 1, 2]
            ),
            ValueError,
            "make_learner must return a new classifier",
        ),
        (
            lambda: ErrorCorrectingOutputCode(lambda bit: [bit], np.eye(3)).fit(
                np.eye(3), [0, 1, 2]
            ),
            TypeError,
            "make_learner must return classifiers with fit and predict",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_oracle, [[0, 1], [0, 1]]),
            ValueError,
            "no two of them equal",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_oracle, [[0, 1]]),
            ValueError,
            "^code must hold at least two rows",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_oracle, [[0, 1], [0, 0]]),
            ValueError,
            "column 0 is one",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_oracle, [0, 1]),
            ValueError,
            "code must have shape",
        ),
        (
            lambda: ErrorCorrectingOutputCode(_oracle, [["a"]]),
            TypeError,
            "code must hold real",
        ),
        (lambda: ErrorCorrectingOutputCode(_oracle, None), TypeError, "code must hold"),
        (lambda: minimum_distance([[0, 1]]), ValueError, "at least two rows"),
        (
            lambda: minimum_distance([[0.5, 1], [0, 1]]),
            ValueError,
            "words must hold 0 and 1",
        ),
        (
            lambda: choose_words(bch_15_5(), 33, RNG),
            ValueError,
            "classes must be between",
        ),
        (
            lambda: choose_words(bch_15_5(), 1, RNG),
            ValueError,
            "classes must be between",
        ),
        (
            lambda: choose_words(bch_15_5(), 2, RNG),
            ValueError,
            "words must allow 2 rows",
        ),
        (
            lambda: choose_words(bch_15_5(), 5, RNG, 0),
            ValueError,
            "tries must be at least 1",
        ),
        (lambda: choose_words(bch_15_5(), 5.0, RNG), TypeError, "classes must be an"),
        (lambda: choose_words(bch_15_5(), 5, RNG, True), TypeError, "tries must be an"),
        (
            lambda: choose_words(bch_15_5(), 5, 0),
            TypeError,
            "rng must be a numpy.random.Generator",
        ),
        (
            lambda: choose_words(bch_15_5(), 5, np.random.RandomState(0)),
            TypeError,
            "rng must be a numpy.random.Generator",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
