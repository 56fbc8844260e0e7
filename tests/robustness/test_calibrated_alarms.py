"""Metrics against their definitions and scikit-learn, thresholds against the exact finite-sample laws."""

from fractions import Fraction
from itertools import permutations
from math import ceil, floor, inf

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn import metrics

from companion.robustness.anomaly_detection import Mahalanobis
from companion.robustness.calibrated_alarms import (
    auroc,
    average_precision,
    conformal_p_values,
    conformal_threshold,
    fpr_at_tpr,
)

# Few different scores: ties everywhere.
labelled = st.lists(
    st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30
)
decimals = st.integers(1, 999).map(lambda i: Fraction(i, 1000))


def _two_classes(pairs):
    scores, positive = (
        np.array([s for s, _ in pairs], float),
        np.array([p for _, p in pairs]),
    )
    assume(positive.any() and not positive.all())
    return scores, positive


@settings(derandomize=True, deadline=None)
@given(labelled)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_as_halves(pairs):
    scores, positive = _two_classes(pairs)
    difference = scores[positive][:, None] - scores[~positive]
    assert auroc(scores, positive) == pytest.approx(
        np.heaviside(difference, 0.5).mean(), abs=1e-14
    )
    assert auroc(scores, positive) == pytest.approx(
        metrics.roc_auc_score(positive, scores), abs=1e-14
    )


@settings(derandomize=True, deadline=None)
@given(labelled)
def test_auroc_ignores_monotone_maps_and_knows_which_class_is_positive(pairs):
    scores, positive = _two_classes(pairs)
    area = auroc(scores, positive)
    assert auroc(np.exp(scores), positive) == area
    assert auroc(-scores, ~positive) == pytest.approx(area, abs=1e-14)
    assert auroc(scores, ~positive) == pytest.approx(1 - area, abs=1e-14)


@settings(derandomize=True, deadline=None)
@given(labelled)
def test_average_precision_equals_scikit_learn_with_ties(pairs):
    scores, positive = _two_classes(pairs)
    expected = metrics.average_precision_score(positive, scores)
    assert average_precision(scores, positive) == pytest.approx(expected, abs=1e-14)


def _naive_average_precision(scores, positive):
    """One step per sample: within a tie, the order of the rows decides."""
    hits = positive[np.argsort(-scores, kind="stable")]
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()


def test_average_precision_does_not_depend_on_the_order_of_rows_within_a_tie():
    scores, positive = np.array([1.0, 1, 1, 0]), np.array([True, False, False, False])
    backwards = np.array([1.0, 1, 1, 0]), np.array([False, False, True, False])
    assert average_precision(scores, positive) == average_precision(*backwards)
    assert _naive_average_precision(scores, positive) == 1
    assert _naive_average_precision(*backwards) == pytest.approx(1 / 3, abs=1e-14)


def test_precision_depends_on_how_rare_the_positive_class_is_and_auroc_does_not():
    rng = np.random.default_rng(0)
    scores, positive = (
        np.append(rng.normal(size=100), rng.normal(1, 1, 100)),
        np.arange(200) >= 100,
    )
    many = np.append(np.tile(scores[:100], 10), scores[100:]), np.arange(1100) >= 1000
    assert auroc(*many) == pytest.approx(auroc(scores, positive), abs=1e-14)
    assert average_precision(*many) < average_precision(scores, positive) - 0.2


@settings(derandomize=True, deadline=None)
@given(labelled, decimals)
def test_fpr_at_tpr_is_the_smallest_over_all_thresholds_that_catch_enough(pairs, share):
    scores, positive = _two_classes(pairs)
    count = int(positive.sum())
    flagged = [
        np.mean(scores[~positive] >= t)
        for t in scores
        if Fraction(int((scores[positive] >= t).sum()), count) >= share
    ]
    assert fpr_at_tpr(scores, positive, float(share)) == min(flagged)
    fpr, tpr, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    assert fpr_at_tpr(scores, positive, float(share)) == pytest.approx(
        fpr[tpr >= float(share)][0], abs=1e-14
    )


def test_rounding_does_not_ask_for_one_positive_more():
    scores, positive = (
        np.arange(200.0),
        np.arange(200) % 2 == 0,
    )  # a negative just above each positive
    assert ceil(0.07 * 100) == 8  # the naive count
    assert fpr_at_tpr(scores, positive, 0.07) == 0.07


def test_the_two_conventions_of_fpr_at_95_disagree():
    rng = np.random.default_rng(0)
    scores, anomalous = (
        np.append(rng.normal(0, 1, 4000), rng.normal(2, 3, 4000)),
        np.arange(8000) >= 4000,
    )
    catching = fpr_at_tpr(
        scores, anomalous, 0.95
    )  # 95 % of the anomalies caught: normal samples flagged
    keeping = fpr_at_tpr(
        -scores, ~anomalous, 0.95
    )  # 95 % of the normal samples kept: anomalies missed
    assert catching == pytest.approx(
        stats.norm.sf(2 + 3 * stats.norm.ppf(0.05)), abs=0.01
    )
    assert keeping == pytest.approx(
        stats.norm.cdf(stats.norm.ppf(0.95), 2, 3), abs=0.03
    )
    assert catching - keeping > 0.4


# --- Conformal thresholds


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 250), decimals)
def test_over_all_ranks_exactly_floor_of_level_times_n_plus_1_alarms_are_raised(
    n, level
):
    everything, m = np.arange(n + 1.0), floor(level * (n + 1))
    assert conformal_threshold(everything[1:], float(level)) == (
        n + 1 - m if m else inf
    )
    if n <= 40:  # each of the n + 1 scores is the new one in turn
        rest = [
            conformal_threshold(np.delete(everything, i), float(level))
            for i in range(n + 1)
        ]
        assert (everything > rest).sum() == m


def test_a_calibration_sample_too_small_for_its_level_never_alarms():
    for n in range(1, 99):
        assert conformal_threshold(np.arange(n), 0.01) == inf
    assert conformal_threshold(np.arange(99), 0.01) == 98
    assert floor(0.29 * 100) == 28  # the naive count
    assert conformal_threshold(np.arange(99), 0.29) == 70


def _naive_threshold(scores, level):
    return np.quantile(scores, 1 - level)


def test_a_plain_quantile_of_the_calibration_scores_alarms_too_often():
    def alarms(threshold):
        everything = np.arange(30.0)
        return (
            sum(
                everything[i] > threshold(np.delete(everything, i), 0.1)
                for i in range(30)
            )
            / 30
        )

    assert alarms(conformal_threshold) == 0.1
    assert alarms(_naive_threshold) > 0.1


calibrations = st.lists(st.integers(-5, 5), min_size=1, max_size=40)


@settings(derandomize=True, deadline=None)
@given(calibrations, st.lists(st.integers(-6, 6), min_size=1), decimals)
def test_a_p_value_at_most_the_level_is_a_score_above_the_threshold(
    calibration, new, level
):
    small = conformal_p_values(calibration, new) <= float(level)
    assert (
        small == (np.array(new) > conformal_threshold(calibration, float(level)))
    ).all()


@pytest.mark.parametrize(
    "scores", [(1, 2, 3, 4, 5, 6), (1, 1, 2, 2, 2, 3), (0, 0, 0, 0, 0, 0)]
)
def test_p_values_are_super_uniform_over_all_orders_and_uniform_without_ties(scores):
    p = np.array(
        [
            conformal_p_values(order[:-1], order[-1:])[0]
            for order in permutations(scores)
        ]
    )
    for k in range(1, 7):
        share = np.mean(p <= k / 6)
        assert share <= k / 6 + 1e-12
        assert share == pytest.approx(k / 6, abs=1e-14) or len(set(scores)) < 6


def test_p_values_count_the_new_sample_itself():
    assert conformal_p_values([1, 2, 3], [10])[0] == 0.25  # never zero
    assert conformal_p_values([1, 2, 3], [0])[0] == 1


def test_false_alarms_follow_the_exact_law_and_a_training_quantile_fails():
    n, d, level, runs, fresh = 100, 30, 0.05, 1000, 200
    rng = np.random.default_rng(0)
    alarms, naive = np.empty(runs, int), np.empty(runs)
    for i in range(runs):
        X = rng.normal(size=(n, d))
        detector = Mahalanobis().fit(X)
        calibration, new = (
            detector.score(rng.normal(size=(n, d))),
            detector.score(rng.normal(size=(fresh, d))),
        )
        alarms[i] = (new > conformal_threshold(calibration, level)).sum()
        naive[i] = (new > _naive_threshold(detector.score(X), level)).mean()
    m = floor(level * (n + 1))
    law = stats.betabinom(fresh, m, n + 1 - m)
    assert abs(alarms.mean() - fresh * m / (n + 1)) < 4 * law.std() / runs**0.5
    edges = np.array([-1, 3, 5, 7, 9, 11, 13, 16, 20, fresh])
    observed = np.histogram(alarms, edges + 0.5)[0]
    assert stats.chisquare(observed, runs * np.diff(law.cdf(edges))).pvalue > 0.01
    # It can fail: calibration samples differ, so the alarms are not those of one fixed rate.
    assert (
        stats.chisquare(
            observed, runs * np.diff(stats.binom(fresh, m / (n + 1)).cdf(edges))
        ).pvalue
        < 1e-6
    )
    assert 0.54 < naive.mean() < 0.58


# --- Scores of every kind

METRICS = {
    "auroc": auroc,
    "average_precision": average_precision,
    "fpr_at_tpr": lambda s, p: fpr_at_tpr(s, p, 0.6),
}
INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64]
INTEGERS += [np.uint64]
SCORES = np.array([0, 7, 100, 100, 3, 127, 1, 50])
POSITIVE = np.array([0, 1, 1, 0, 0, 1, 1, 0], bool)


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_integer_scores_of_every_width_rank_as_the_same_floats(metric, kind):
    assert metric(SCORES.astype(kind), POSITIVE) == metric(SCORES * 1.0, POSITIVE)


@pytest.mark.parametrize("kind", INTEGERS)
def test_integer_calibration_scores_give_the_same_threshold_and_p_values(kind):
    s, f = SCORES.astype(kind), SCORES * 1.0
    assert conformal_threshold(s, 0.3) == conformal_threshold(f, 0.3)
    np.testing.assert_array_equal(conformal_p_values(s, s), conformal_p_values(f, f))


@pytest.mark.parametrize("scale", [5e-324, 1e-170, 1.0, 1e170, 1e306])
@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_no_metric_depends_on_the_scale_of_the_scores(metric, scale):
    assert metric(SCORES * scale, POSITIVE) == metric(SCORES, POSITIVE)


def test_scores_at_both_ends_of_float64_are_ranked_without_a_warning():
    big = np.finfo(np.float64).max
    scores, positive = [-big, big, 0.0, big], [False, True, False, False]
    assert auroc(scores, positive) == pytest.approx(2.5 / 3, abs=1e-15)
    assert average_precision(scores, positive) == 0.5
    assert fpr_at_tpr(scores, positive, 1) == pytest.approx(1 / 3, abs=1e-15)
    assert conformal_threshold([-big, 0.0, big], 0.5) == 0.0
    np.testing.assert_array_equal(
        conformal_p_values([-big, 0.0, big], [-big, big]), [1.0, 0.5]
    )


@pytest.mark.parametrize("scale", [5e-324, 1e-170, 1e170, 1e306])
def test_thresholds_scale_with_the_scores_and_p_values_do_not(scale):
    s = SCORES * scale
    assert conformal_threshold(s, 0.3) == conformal_threshold(SCORES, 0.3) * scale
    np.testing.assert_array_equal(
        conformal_p_values(s, s), conformal_p_values(SCORES, SCORES)
    )


def test_zero_and_minus_zero_are_a_tie():
    for metric, tied in ((auroc, 0.5), (average_precision, 0.5)):
        assert metric([0.0, -0.0], [True, False]) == tied
        assert metric([-0.0, 0.0], [True, False]) == tied
    assert conformal_p_values([0.0, -0.0, 0.0], [-0.0])[0] == 1
    assert fpr_at_tpr([0.0, -0.0], [True, False], 0.5) == 1


def test_equal_scores_ring_no_alarm_and_rank_as_chance():
    level = np.full(50, 3.0)
    positive = np.arange(50) < 5
    assert auroc(level, positive) == 0.5
    assert average_precision(level, positive) == pytest.approx(0.1, abs=1e-15)
    assert not (level > conformal_threshold(level, 0.1)).any()
    assert (conformal_p_values(level, level) == 1).all()


@pytest.mark.parametrize(
    ("scores", "rate"),
    [
        (range(10), 0.2),
        ([0, 0, 0, 0, 0, 1, 2, 3, 4, 4], 0.2),
        ([0, 0, 0, 0, 0, 0, 1, 4, 4, 4], 0),
        ([0] * 10, 0),
    ],
)
def test_ties_only_lower_the_rate_of_false_alarms(scores, rate):
    scores = np.array(scores)
    rings = [
        scores[i] > conformal_threshold(np.delete(scores, i), 0.2) for i in range(10)
    ]
    assert np.mean(rings) == rate


def _rates(scores, n):
    """Share of false alarms among the later columns, calibrated on the first `n`."""
    return np.array([np.mean(s[n:] > conformal_threshold(s[:n], 0.1)) for s in scores])


def test_the_average_needs_less_than_the_beta_law():
    rng, n, fresh, runs = np.random.default_rng(0), 19, 50, 4000
    law = stats.betabinom(fresh, 2, n + 1 - 2)
    own = rng.normal(size=(runs, n + fresh))
    # One shift for all: every order of all scores is equally probable, so the law stays.
    together = own + 3 * rng.normal(size=(runs, 1))
    # Every score has a shift of its own, but the new ones share theirs, as the rows of one patient do.
    shifts = 3 * rng.normal(size=(runs, n + fresh))
    shifts[:, n:] = shifts[:, n:][:, :1]
    rates = [_rates(scores, n) for scores in (own, together, own + shifts)]
    for rate in rates:  # four standard errors of the mean
        assert abs(rate.mean() - 0.1) < 4 * rate.std() / runs**0.5
    # The excess kurtosis of the law is below 2, so that a measured spread errs by at most
    # sqrt((2 + 2) / 4 / runs) = 1.6 %; four times that.
    assert law.stats("k") < 2
    for rate in rates[:2]:
        assert rate.std() == pytest.approx(law.std() / fresh, rel=0.064, abs=0)
    assert rates[2].std() > 2 * law.std() / fresh


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_read_only_input_works_and_nothing_is_changed(metric):
    scores, positive = SCORES * 1.0, POSITIVE.copy()
    for array in (scores, positive):
        array.flags.writeable = False
    value = metric(scores, positive)
    assert value == metric(SCORES * 1.0, POSITIVE)
    assert conformal_threshold(scores, 0.3) == conformal_threshold(SCORES * 1.0, 0.3)
    conformal_p_values(scores, scores)
    np.testing.assert_array_equal(scores, SCORES)


# --- Bad input


ODD_SCORES = [
    (sparse.csr_array(np.ones((1, 3))), TypeError),
    (torch.ones(3, requires_grad=True), TypeError),
    (None, TypeError),
    ([1 + 2j, 0, 1], TypeError),
    ([[1], [2, 3]], TypeError),
    (np.array([2**53, 2**53 + 1, 0]), ValueError),
    (np.array([-(2**53), 1, 0]), ValueError),
    (np.array([2**63, 2**63 + 1, 0], np.uint64), ValueError),
    (np.array([True, False, True])[:, None], ValueError),
]


@pytest.mark.parametrize(("scores", "error"), ODD_SCORES)
def test_odd_scores_are_refused_by_name(scores, error):
    positive = [True, False, True]
    for metric in METRICS.values():
        with pytest.raises(error, match="^scores must"):
            metric(scores, positive)
    with pytest.raises(error, match="^calibration_scores must"):
        conformal_threshold(scores, 0.1)
    with pytest.raises(error, match="^calibration_scores must"):
        conformal_p_values(scores, [1.0])
    with pytest.raises(error, match="^scores must"):
        conformal_p_values([1.0], scores)


@pytest.mark.parametrize(
    "positive",
    [
        sparse.csr_array(np.ones((1, 3))),
        torch.ones(3),
        None,
        ["a", "b", "a"],
        np.array([0, 1, 1], np.uint8),
    ],
)
def test_the_positive_class_must_be_boolean(positive):
    for metric in METRICS.values():
        with pytest.raises(TypeError, match="^positive must be boolean"):
            metric([1, 2, 3], positive)


def test_a_tensor_of_booleans_names_the_positive_class():
    assert auroc(torch.tensor([1.0, 2.0]), torch.tensor([False, True])) == 1


@pytest.mark.parametrize("share", [True, "0.5", None, [0.5], 1j, np.array([0.1, 0.2])])
def test_levels_and_shares_must_be_single_numbers(share):
    with pytest.raises((TypeError, ValueError), match="^level must"):
        conformal_threshold([1, 2, 3], share)
    with pytest.raises((TypeError, ValueError), match="^tpr must"):
        fpr_at_tpr([1, 2], [True, False], share)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_levels_may_be_numpy_numbers(number):
    assert conformal_threshold([1, 2, 3], number) == conformal_threshold([1, 2, 3], 0.5)
    assert fpr_at_tpr([1, 2], [True, False], number) == 1


@pytest.mark.parametrize(
    "metric", [auroc, average_precision, lambda s, p: fpr_at_tpr(s, p, 0.95)]
)
@pytest.mark.parametrize(
    ("scores", "positive", "error", "message"),
    [
        ([1, 2, 3], [True] * 3, ValueError, "positive must name two classes"),
        ([1, 2, 3], [False] * 3, ValueError, "positive must name two classes"),
        ([], np.zeros(0, bool), ValueError, "positive must name two classes"),
        ([1, 2, 3], [0, 1, 1], TypeError, "positive must be boolean"),
        ([1, 2, 3], [True, False], ValueError, "positive must have shape"),
        ([1, np.nan, 3], [True, False, True], ValueError, "scores must be finite"),
        ([1, np.inf, 3], [True, False, True], ValueError, "scores must be finite"),
        ([[1, 2, 3]], [True, False, True], ValueError, "scores must have shape"),
        (["a", "b"], [True, False], TypeError, "scores must hold real numbers"),
    ],
)
def test_metrics_refuse_what_they_cannot_measure(
    metric, scores, positive, error, message
):
    with pytest.raises(error, match=message):
        metric(scores, positive)


@pytest.mark.parametrize("tpr", [0, -0.1, 1.1, np.nan, np.inf])
def test_tpr_must_be_a_positive_share(tpr):
    with pytest.raises(ValueError, match="tpr must"):
        fpr_at_tpr([1, 2], [True, False], tpr)


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, np.nan])
def test_level_must_lie_strictly_between_0_and_1(level):
    with pytest.raises(ValueError, match="level must"):
        conformal_threshold([1, 2, 3], level)


@pytest.mark.parametrize("scores", [[], [1, np.nan], [np.inf], [[1, 2]]])
def test_calibration_scores_must_be_finite_numbers(scores):
    with pytest.raises(ValueError, match="calibration_scores must"):
        conformal_threshold(scores, 0.1)
    with pytest.raises(ValueError, match="calibration_scores must"):
        conformal_p_values(scores, [1])


def test_new_scores_must_be_finite_and_nothing_is_reordered_in_place():
    with pytest.raises(ValueError, match="scores must be finite"):
        conformal_p_values([1, 2], [np.nan])
    calibration = np.array([3.0, 1.0, 2.0])
    conformal_threshold(calibration, 0.5)
    conformal_p_values(calibration, calibration)
    assert calibration.tolist() == [3, 1, 2]
