"""Each detector against its definition, an independent second way, scikit-learn and published numbers."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn import ensemble, neighbors
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from companion.datasets import wisconsin_outliers
from companion.robustness.anomaly_detection import (
    IsolationForest,
    LocalOutlierFactor,
    Mahalanobis,
    NearestNeighbours,
    average_path,
)
from tests.bad_input import TABLES

MAKERS = {
    "Mahalanobis": Mahalanobis,
    "NearestNeighbours": lambda: NearestNeighbours(3),
    "LocalOutlierFactor": lambda: LocalOutlierFactor(3),
    "IsolationForest": lambda: IsolationForest(trees=20),
}
every_detector = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
seeds = st.integers(0, 2**32 - 1)
EPS = np.finfo(np.float64).eps


def _normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def _distances(queries, data):
    return np.sqrt(((queries[:, None] - data[None]) ** 2).sum(axis=2))


# --- Mahalanobis


@settings(derandomize=True, deadline=None)
@given(seeds, st.integers(1, 8), st.integers(1, 40))
def test_fitted_rows_have_mean_squared_distance_d_times_n_minus_1_over_n(seed, d, more):
    X = _normal(d + more, d, seed)
    n = len(X)
    # The decomposition is wrong by about n eps of the largest deviation, hence by n eps times the condition
    # of the smallest, which is squared in the score; ten times that.
    condition = np.linalg.cond(X - X.mean(axis=0))
    assert Mahalanobis().fit(X).score(X).mean() == pytest.approx(
        d * (n - 1) / n, rel=10 * 2 * (n + d) * EPS * max(condition, 1), abs=0
    )


@settings(derandomize=True, deadline=None, max_examples=50)
@given(seeds)
def test_mahalanobis_is_the_quadratic_form_and_no_invertible_linear_map_changes_it(
    seed,
):
    rng = np.random.default_rng(seed)
    X, new = rng.normal(size=(40, 5)), rng.normal(size=(20, 5))
    score = Mahalanobis().fit(X).score(new)
    centred = new - X.mean(axis=0)
    direct = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(np.cov(X.T)), centred)
    np.testing.assert_allclose(score, direct, rtol=1e-9)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0] * np.array(
        [1e-6, 1e-2, 1, 1e3, 1e7]
    )
    np.testing.assert_allclose(
        Mahalanobis().fit(X @ turn).score(new @ turn), score, rtol=1e-9
    )


def test_mahalanobis_of_normal_data_follows_its_exact_laws_seen_and_unseen():
    n, d, rng = 12, 3, np.random.default_rng(1)
    seen, unseen = [], []
    for _ in range(2000):
        X = rng.normal(size=(n, d))
        detector = Mahalanobis().fit(X)
        seen.append(detector.score(X[:1])[0])
        unseen.append(detector.score(rng.normal(size=(1, d)))[0])
    f_law = stats.f(d, n - d, scale=d * (n**2 - 1) / (n * (n - d)))
    beta_law = stats.beta(d / 2, (n - d - 1) / 2, scale=(n - 1) ** 2 / n)
    assert stats.kstest(unseen, f_law.cdf).pvalue > 0.01
    assert stats.kstest(seen, beta_law.cdf).pvalue > 0.01
    # Both tests can fail: a detector is not surprised by what it was fitted to.
    assert stats.kstest(seen, f_law.cdf).pvalue < 1e-6
    assert stats.kstest(unseen, stats.chi2(d).cdf).pvalue < 1e-6


def _naive_mahalanobis(X, new):
    """With the pseudo-inverse, as several libraries do."""
    centred = new - X.mean(axis=0)
    return np.einsum("ni,ij,nj->n", centred, np.linalg.pinv(np.cov(X.T)), centred)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e6, 1.7e9, 1e200])
def test_leaving_a_constant_feature_is_seen_and_staying_on_it_changes_nothing(value):
    X = np.column_stack([_normal(50, 2), np.full(50, value)])
    step = max(1e-300, abs(value) * 60 / 1.7e9)  # a minute among seconds since 1970
    stay, leave = np.array([[1, 1, value]]), np.array([[1, 1, value + step]])
    detector = Mahalanobis().fit(X)
    plain = Mahalanobis().fit(X[:, :2]).score(stay[:, :2])
    # 50 rows, 3 features, well conditioned: 10 * 53 * eps < 1e-12.
    np.testing.assert_allclose(detector.score(stay), plain, rtol=1e-12)
    assert np.isfinite(detector.score(leave)).all()
    assert detector.score(leave)[0] > 1e10
    if value in (0.0, 1.7e9):
        assert _naive_mahalanobis(X, leave)[0] < 10


def test_rounding_in_a_constant_feature_is_no_anomaly():
    X = np.column_stack([_normal(50, 2), np.full(50, 1.7e9)])
    new = np.array([[1, 1, np.nextafter(1.7e9, 2e9)], [1, 1, 1.7e9]])
    near, same = Mahalanobis().fit(X).score(new)
    assert near < same + 1


@pytest.mark.parametrize(
    ("value", "unit"),
    [(v, 2.0**e) for v in (0.0, 0.1) for e in (-40, 40, 900)] + [(0.1, 2.0**-900)],
)
def test_the_unit_of_a_constant_feature_does_not_matter(value, unit):
    X = np.column_stack([_normal(50, 2), np.full(50, value)])
    new = np.column_stack([_normal(9, 2, 1), np.full(9, value + 0.001)])
    scale = np.array([1, 1, unit])
    scaled = Mahalanobis().fit(X * scale).score(new * scale)
    assert (scaled == Mahalanobis().fit(X).score(new)).all()


def test_leaving_the_span_of_too_few_rows_or_of_dependent_features_is_seen():
    few = _normal(5, 20)
    # Rank 4.  What rounding leaves in the fifth direction, an eps, is measured in 100 * sqrt(20) eps: of the
    # score no more than (1 / 447)**2, for each of five rows.
    seen = Mahalanobis().fit(few)
    assert seen.score(few).mean() == pytest.approx(4 * 4 / 5, rel=1e-4, abs=0)
    assert seen.score(_normal(10, 20, 1)).min() > 1e20
    X = _normal(50, 2)
    twin = np.column_stack([X, X.sum(axis=1)])
    same, other = Mahalanobis().fit(twin).score([[1, 1, 2], [1, 1, 2 + 1e-6]])
    # Rounding of the sum, an eps, is measured in 100 * sqrt(50) * 0.5 eps.
    assert same == pytest.approx(Mahalanobis().fit(X).score([[1, 1]])[0], abs=1e-4)
    assert other > 1e10


def test_a_far_offset_costs_no_digits_that_the_data_have():
    X, new = _normal(100, 3), _normal(20, 3, 1)
    offset = np.array([0.0, 2.0**40, -(2.0**45)])  # what is left has 2**-7 of a digit
    moved, at = X + offset, new + offset
    exact = Mahalanobis().fit(moved - offset).score(at - offset)
    # Moving back is exact, so only the mean is rounded differently: 100 additions.
    np.testing.assert_allclose(Mahalanobis().fit(moved).score(at), exact, rtol=1e-11)


# --- Neighbours


def _naive_distances(queries, data):
    """As a matrix product: fast, and half of the digits are gone where the distance is small."""
    square = (
        (queries**2).sum(axis=1)[:, None] + (data**2).sum(axis=1) - 2 * queries @ data.T
    )
    return np.sqrt(np.maximum(square, 0))


@settings(derandomize=True, deadline=None)
@given(
    seeds,
    st.sampled_from([1, 2, 6, 8, 9, 12]),  # from 9 features on by a matrix product
    st.integers(1, 30),
    st.sampled_from([0.0, 1e4, 1e8]),
    st.booleans(),
)
def test_neighbour_distances_equal_those_of_a_full_sort_also_with_ties_and_equal_rows(
    seed, d, k, offset, whole
):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, d)) + offset
    if whole:
        X = np.floor(X)  # many ties, many equal rows
    new = np.concatenate([rng.normal(size=(20, d)) + offset, X[:5], X[:1] + 1e30])
    detector = NearestNeighbours(k).fit(X)
    among = _distances(X, X)
    np.fill_diagonal(among, np.inf)
    expected = np.sort(_distances(new, X))[:, k - 1], np.sort(among)[:, k - 1]
    # The search says that distances are right to ten digits.
    np.testing.assert_allclose(detector.score(new), expected[0], rtol=1e-10, atol=0)
    np.testing.assert_allclose(
        detector.training_scores(), expected[1], rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("spread", [1e-9, 1e-6, 1e-4, 0.1])
@pytest.mark.parametrize("features", [4, 12])
def test_rows_closer_than_a_matrix_product_can_tell_are_still_told_apart(
    spread, features
):
    far = np.full((1, features), 1e3)  # one row stretches the scale
    X = np.concatenate([1 + spread * _normal(300, features), far])
    true = np.sort(_distances(X, X))[:300, 5]
    score = NearestNeighbours(5).fit(X).training_scores()[:300]
    np.testing.assert_allclose(score, true, rtol=1e-10)
    if spread == 1e-9:
        naive = np.sort(_naive_distances(X, X))[:300, 5]
        assert np.abs(naive / true - 1).max() > 0.1


def test_an_equal_row_is_at_distance_zero_exactly():
    X = _normal(600, 30) + 5
    assert (NearestNeighbours(1).fit(X).score(X) == 0).all()
    twins = NearestNeighbours(1).fit(np.repeat(X, 2, axis=0))
    assert (twins.training_scores() == 0).all()
    assert np.diag(_naive_distances(X, X)).max() > 1e-8


@pytest.mark.parametrize("name", ["wbc", "digits"])
def test_neighbours_equal_scikit_learn(name):
    X = wisconsin_outliers()[0] if name == "wbc" else load_digits().data
    fit, new = X[::2], X[1::2]
    peer, ours = (
        neighbors.NearestNeighbors(n_neighbors=5, algorithm="kd_tree").fit(fit),
        NearestNeighbours(5).fit(fit),
    )
    np.testing.assert_allclose(
        ours.training_scores(), peer.kneighbors()[0][:, -1], rtol=1e-10
    )
    np.testing.assert_allclose(
        ours.score(new), peer.kneighbors(new)[0][:, -1], rtol=1e-10
    )


# --- Local outlier factor


def test_the_factor_on_five_points_is_what_a_pencil_finds():
    # 0, 1, 2 and 3 have mean reach 1.5, hence density 2/3; 10 has (7 + 8) / 2, hence 2/15.
    score = LocalOutlierFactor(2).fit([[0], [1], [2], [3], [10]]).training_scores()
    np.testing.assert_allclose(score, [1, 1, 1, 1, 5], rtol=1e-13)  # 20 roundings


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seeds, st.sampled_from([1, 3, 8, 10]), st.integers(1, 12))
def test_the_factor_equals_its_definition_row_by_row(seed, d, k):
    X, new = _normal(30, d, seed), _normal(5, d, seed + 1)
    among = _distances(X, X)
    np.fill_diagonal(among, np.inf)
    hood = [list(np.argsort(row)[:k]) for row in among]
    reach = [row[h[-1]] for row, h in zip(among, hood, strict=True)]

    def density(distance, near):
        return 1 / np.mean([max(reach[o], distance[o]) for o in near])

    dense = [density(row, h) for row, h in zip(among, hood, strict=True)]
    expected = [np.mean([dense[o] for o in h]) / dense[i] for i, h in enumerate(hood)]
    detector = LocalOutlierFactor(k).fit(X)
    np.testing.assert_allclose(detector.training_scores(), expected, rtol=4e-10)
    for x, score in zip(new, detector.score(new), strict=True):
        distance = _distances(x[None], X)[0]
        near = np.argsort(distance)[:k]
        assert score == pytest.approx(
            np.mean([dense[o] for o in near]) / density(distance, near),
            rel=4e-10,
            abs=0,
        )


@pytest.mark.parametrize("kind", ["smooth", "wbc"])
def test_the_factor_equals_scikit_learn_seen_and_unseen(kind):
    X = _normal(400, 8) if kind == "smooth" else wisconsin_outliers()[0]
    new = _normal(100, X.shape[1], 2)
    peer = neighbors.LocalOutlierFactor(
        n_neighbors=7, algorithm="kd_tree", novelty=True
    ).fit(X)
    ours = LocalOutlierFactor(7).fit(X)
    # It adds 1e-10 to mean distances, here at least a tenth; and our distances are right to 1e-10.
    np.testing.assert_allclose(
        ours.training_scores(), -peer.negative_outlier_factor_, rtol=4e-9
    )
    np.testing.assert_allclose(ours.score(new), -peer.score_samples(new), rtol=4e-9)


@pytest.mark.parametrize("features", [2, 12])
def test_beside_more_than_k_equal_rows_the_factor_warns_and_is_enormous(features):
    X = np.concatenate(
        [np.repeat(_normal(3, features), 8, axis=0), _normal(50, features, 1)]
    )
    with pytest.warns(UserWarning, match="24 rows have 7 or more equal ones"):
        ours = LocalOutlierFactor(7).fit(X)
    beside, same = X[:1] + 1e-3, X[:1]
    assert ours.score(beside)[0] > 1e6
    assert ours.score(same)[0] == pytest.approx(1, rel=1e-12, abs=0)
    np.testing.assert_allclose(ours.training_scores()[:24], 1, rtol=1e-12)
    with pytest.warns(UserWarning, match="24 rows"):
        scaled = LocalOutlierFactor(7).fit(X * 2.0**-600)
    np.testing.assert_array_equal(scaled.score(beside * 2.0**-600), ours.score(beside))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LocalOutlierFactor(8).fit(X)  # eight equal rows have seven equals each


def test_where_all_rows_are_equal_any_other_is_enormously_strange():
    with pytest.warns(UserWarning, match="20 rows"):
        ours = LocalOutlierFactor(5).fit(np.full((20, 3), 0.1))
    same, other = ours.score([[0.1] * 3, [0.1, 0.1, 0.1001]])
    assert same == 1
    assert 1e10 < other < np.inf


def test_inside_a_regular_grid_every_factor_is_one():
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), axis=-1)
    score = (
        LocalOutlierFactor(4).fit(grid.reshape(-1, 2)).training_scores().reshape(9, 9)
    )
    np.testing.assert_allclose(score[3:-3, 3:-3], 1, rtol=1e-12)


def test_moving_turning_and_stretching_leave_the_factor():
    X = _normal(100, 3)
    score = LocalOutlierFactor(10).fit(X).training_scores()
    turn = np.linalg.qr(_normal(3, 3, 1))[0]
    # Coordinates up to 10 are rounded, distances go down to about a hundredth.
    moved = LocalOutlierFactor(10).fit(X @ turn + 5).training_scores()
    np.testing.assert_allclose(moved, score, rtol=1e-11)
    for unit in (1e-170, 1e-12, 1e170):
        stretched = LocalOutlierFactor(10).fit(unit * X).training_scores()
        np.testing.assert_allclose(stretched, score, rtol=1e-11)


def test_only_the_factor_finds_the_stray_beside_the_dense_cluster():
    # Breunig's example: one sparse cluster, one dense, and one stray sample near the dense one.
    sparse, dense = 10 + 3 * _normal(200, 2), 0.05 * _normal(200, 2, 1)
    X = np.concatenate([sparse, dense, [[0.6, 0.6]]])
    assert LocalOutlierFactor(10).fit(X).training_scores().argmax() == 400
    distance = NearestNeighbours(10).fit(X).training_scores()
    assert (distance > distance[400]).sum() > 100


def test_a_fitted_row_looks_too_normal_when_it_is_scored_as_new():
    X = np.append(_normal(200, 2), [[20, 20]], axis=0)
    detector = NearestNeighbours(1).fit(X)
    assert detector.score(X)[-1] == 0
    assert detector.training_scores().argmax() == 200


# --- Isolation forest


def _naive_average_path(m):
    """With Euler's constant for the harmonic number, as in the paper and most code."""
    return 2 * (np.log(m - 1) + np.euler_gamma) - 2 * (m - 1) / m


def test_average_path_is_the_expected_depth_of_a_random_tree():
    depth = [0.0, 0.0]
    for m in range(2, 200):  # the first cut leaves i of m rows on one side, i uniform
        depth.append(1 + 2 * sum(i / m * depth[i] for i in range(1, m)) / (m - 1))
    # 200 additions of numbers up to 10, and the logarithm of the gamma function's slope.
    np.testing.assert_allclose(average_path(np.arange(200)), depth, rtol=1e-12)
    assert _naive_average_path(3) / average_path(3) == pytest.approx(0.7245, abs=1e-4)
    assert _naive_average_path(256) == pytest.approx(
        float(average_path(256)), rel=1e-3, abs=0
    )


@pytest.mark.parametrize("kind", "bhilqBHILQ")
def test_average_path_takes_integers_of_every_width(kind):
    m = np.array([0, 1, 2, 100], kind)
    path = average_path(m)
    np.testing.assert_allclose(path, [0, 0, 1, 8.374755035279], rtol=1e-12)
    assert float(average_path(m[3])) == path[3]


def test_average_path_of_a_huge_number_of_rows_needs_no_memory():
    m = 2**63 - 1
    expected = 2 * (np.log(m) + np.euler_gamma) - 2
    assert float(average_path(np.uint64(m))) == pytest.approx(
        expected, rel=1e-12, abs=0
    )


def test_three_points_have_the_expected_paths_of_pencil_and_paper():
    # The first cut is uniform in (0, 3): below 1 with probability 1/3 (0 is alone then), else 3 is alone.
    trees = 40_000
    score = (
        IsolationForest(trees, seed=3)
        .fit([[0.0], [1.0], [3.0]])
        .score([[0.0], [1.0], [3.0]])
    )
    path = -np.log2(score) * average_path(3)
    np.testing.assert_allclose(
        path, [5 / 3, 2, 4 / 3], atol=4 * (2 / 9 / trees) ** 0.5, rtol=0
    )


def _mean_paths_of_scikit_learn(forest, X):
    X, path = X.astype(np.float32), np.zeros(len(X))
    for tree in forest.estimators_:
        cuts = np.asarray(tree.decision_path(X).sum(axis=1)).ravel() - 1
        path += cuts + average_path(tree.tree_.n_node_samples[tree.apply(X)])
    return path / len(forest.estimators_)


def test_paths_are_statistically_those_of_scikit_learn_row_by_row():
    X, runs = wisconsin_outliers()[0], 20
    ours = -average_path(256) * np.log2(
        [IsolationForest(seed=s).fit(X).score(X) for s in range(runs)]
    )
    forests = [ensemble.IsolationForest(random_state=s).fit(X) for s in range(runs)]
    theirs = np.array([_mean_paths_of_scikit_learn(forest, X) for forest in forests])
    z = stats.ttest_ind(
        ours, theirs, axis=0
    ).statistic  # one per row; rows are dependent
    assert np.sqrt(np.mean(z**2)) < 1.5
    assert abs(stats.ttest_ind(ours.mean(axis=1), theirs.mean(axis=1)).statistic) < 3
    # It can fail: another sub-sample size gives other paths.
    smaller = [
        IsolationForest(sample_size=192, seed=s).fit(X).score(X) for s in range(runs)
    ]
    smaller = -average_path(192) * np.log2(smaller)
    assert np.sqrt(np.mean(stats.ttest_ind(smaller, theirs, axis=0).statistic ** 2)) > 2


def test_constant_features_are_never_cut():
    # Two different rows are isolated by one cut, so every path is 1 = c(2): exactly one half.
    X = np.ones((2, 60))
    X[1, 17] = 2
    np.testing.assert_allclose(IsolationForest(50).fit(X).score(X), 0.5, rtol=1e-14)


def test_a_path_is_its_cuts_and_what_the_uncut_rows_would_add():
    # 40 rows at 0 and one at 1: one cut parts them, and 40 equal rows are parted no more.
    X = np.append(np.zeros(40), 1)[:, None]
    many, alone = IsolationForest(30).fit(X).score([[0.0], [1.0]])
    c = average_path([40, 41])
    assert -np.log2(many) * c[1] == pytest.approx(1 + c[0], rel=1e-12, abs=0)
    assert -np.log2(alone) * c[1] == pytest.approx(1, rel=1e-12, abs=0)


def test_no_path_has_more_cuts_than_the_logarithm_of_the_sample():
    X = (
        2.0 ** np.arange(-500, 500)[:, None]
    )  # every cut parts the largest from the rest
    forest = IsolationForest(20, sample_size=100).fit(X)
    path = -np.log2(forest.score(X)) * average_path(100)
    assert len(forest._levels) == 7  # 2**7 >= 100
    assert path.max() > 7 + average_path(80)
    assert path.max() <= 7 + average_path(94)  # at least six are gone by then


def test_each_varying_feature_is_cut_equally_often_also_where_others_are_constant():
    X = np.zeros((5, 4))
    X[0, 1:3] = 1  # row 0 differs in features 1 and 2 only
    count = np.bincount(IsolationForest(20_000).fit(X)._levels[0][0], minlength=4)
    assert count[[0, 3]].sum() == 0
    assert abs(count[1] - 10_000) < 4 * 71


def test_equal_rows_score_one_half():
    assert IsolationForest(10).fit(np.full((40, 3), 0.1)).score(
        _normal(5, 3)
    ) == pytest.approx(0.5, abs=1e-14)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(seeds)
def test_forest_scores_lie_in_the_unit_interval_and_ignore_units_but_not_curves(seed):
    X = np.abs(_normal(60, 3, seed)) + 0.1
    score = IsolationForest(30, seed=seed).fit(X).score(X)
    assert ((score > 0) & (score < 1)).all()
    units = np.array(
        [2.0**-20, 1.0, 2.0**20]
    )  # exact in float64, so the cuts are the same to the bit
    assert (
        IsolationForest(30, seed=seed).fit(X * units).score(X * units) == score
    ).all()
    assert (
        IsolationForest(30, seed=seed).fit(np.exp(X)).score(np.exp(X)) != score
    ).any()


def test_a_cut_between_neighbouring_floats_leaves_no_empty_part():
    for low in (1.0, 1e299, -1e300, 5e-324):
        X = np.array([[low], [np.nextafter(low, np.inf)]])
        np.testing.assert_allclose(
            IsolationForest(200).fit(X).score(X), 0.5, rtol=1e-14
        )


def test_blocks_of_rows_are_scored_alike():
    X, detector = _normal(600, 5), IsolationForest(20).fit(_normal(300, 5, 1))
    whole = detector.score(X)
    one_by_one = np.concatenate([detector.score(X[i : i + 1]) for i in range(600)])
    np.testing.assert_allclose(whole, one_by_one, rtol=1e-14)  # a mean of 20


def test_forests_of_one_seed_agree_and_of_two_seeds_differ():
    X = _normal(100, 3)
    one, same, other = (IsolationForest(seed=s).fit(X).score(X) for s in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


# --- Published numbers


def test_the_published_benchmark_row_is_reproduced():
    # pyod 0.8.1, docs/tables/roc.csv, row wbc; ten splits, z-scores of the training part.
    X, outlier = wisconsin_outliers()
    makers = {
        0.9366: lambda: NearestNeighbours(5),
        0.9349: lambda: LocalOutlierFactor(20),
    }
    areas = {published: [] for published in makers}
    for i in range(10):
        parts = train_test_split(
            X, outlier, test_size=0.4, random_state=np.random.RandomState(i)
        )
        fit, test, _, label = parts
        mean, spread = fit.mean(axis=0), fit.std(axis=0)
        for published, make in makers.items():
            score = make().fit((fit - mean) / spread).score((test - mean) / spread)
            areas[published].append(roc_auc_score(label, score))
    for published, area in areas.items():
        assert np.mean(area) == pytest.approx(published, abs=5e-5)


# --- What all share


UNITLESS = ("Mahalanobis", "LocalOutlierFactor", "IsolationForest")


@every_detector
def test_scores_have_the_order_of_the_rows_and_a_far_sample_scores_high(make):
    X, new = _normal(300, 4), _normal(300, 4, 1)
    detector = make()
    assert detector.fit(X) is detector
    score = detector.score(new)
    assert score.shape == (300,)
    assert score.dtype == np.float64
    np.testing.assert_allclose(detector.score(new[::-1])[::-1], score, rtol=1e-12)
    assert detector.score(np.full((1, 4), 30.0))[0] > np.quantile(score, 0.95)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("features", [3, 12])
@pytest.mark.parametrize("unit", [1e-170, 1e170])
def test_scores_hold_at_the_edges_of_float64(name, features, unit):
    X, new = _normal(60, features), _normal(9, features, 1)
    plain = MAKERS[name]().fit(X).score(new)
    scaled = MAKERS[name]().fit(X * unit).score(new * unit)
    # Multiplying by 1e-170 rounds each number once; ten digits is what the neighbour search promises.
    np.testing.assert_allclose(
        scaled, plain * (1 if name in UNITLESS else unit), rtol=1e-9
    )


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("features", [3, 12])
def test_a_row_out_of_this_world_is_the_strangest_and_no_score_is_nan(name, features):
    X = 0.1 * _normal(300, features)
    far = np.concatenate(
        [X, np.full((1, features), -3.4e38), np.full((1, features), 1e300)]
    )
    far = np.concatenate([far, np.tile([-1e300, 1e300, -1e300], features // 3)[None]])
    for unit in (1.0, 1e-300):
        score = MAKERS[name]().fit(X * unit).score(far)
        assert np.isfinite(score).all()
        if name != "IsolationForest":  # beyond its last cut it cannot tell
            normal = MAKERS[name]().fit(X * unit).score(X * unit)
            assert score[300:].min() > normal.max()


@every_detector
@pytest.mark.filterwarnings("ignore:60 rows")
def test_constant_features_are_handled(make):
    X = np.column_stack([_normal(60, 3), np.full(60, 0.1), np.zeros(60)])
    assert np.isfinite(make().fit(X).score(X)).all()
    for value in (0.0, 0.1, 1e300):
        flat = np.full((60, 3), value)
        assert np.isfinite(make().fit(flat).score(flat)).all()


@pytest.mark.parametrize("name", ["NearestNeighbours", "LocalOutlierFactor"])
def test_a_huge_constant_feature_hides_no_distance_and_leaving_it_is_seen(name):
    X, new = _normal(60, 3), _normal(9, 3, 1)
    X[:, 1], new[:, 1] = 0, 0
    plain = MAKERS[name]().fit(X).score(new)
    X[:, 1], new[:, 1] = 1e300, 1e300
    np.testing.assert_array_equal(MAKERS[name]().fit(X).score(new), plain)
    new[:, 1] = 0.9e300
    assert MAKERS[name]().fit(X).score(new).min() > 1e90


@every_detector
@pytest.mark.parametrize(("X", "error"), TABLES)
def test_tables_that_are_none_are_refused_and_the_last_fit_survives(make, X, error):
    with pytest.raises(error, match="X must"):
        make().fit(X)
    good = _normal(20, 3)
    detector = make().fit(good)
    before = detector.score(good)
    with pytest.raises(error, match="X must"):
        detector.fit(X)
    assert (detector.score(good) == before).all()


@every_detector
def test_scoring_needs_a_fit_the_same_features_and_finite_numbers(make):
    with pytest.raises(RuntimeError, match="is not fitted"):
        make().score(np.zeros((2, 3)))
    detector = make().fit(_normal(20, 3))
    assert detector.score(np.zeros((1, 3))).shape == (1,)
    for bad in (
        np.zeros((2, 4)),
        np.zeros(3),
        np.zeros((0, 3)),
        [[0, 0, np.nan]],
        [[0, 0, -np.inf]],
    ):
        with pytest.raises(ValueError, match="X must"):
            detector.score(bad)


@every_detector
def test_any_kind_of_real_table_gives_the_same_scores(make):
    X = np.random.default_rng(0).integers(0, 9, size=(40, 3))
    expected = make().fit(X.astype(float)).score(X.astype(float))
    for same in (X.astype(np.int8), X.tolist(), torch.tensor(X), X.astype(np.float32)):
        assert (make().fit(same).score(same) == expected).all()
    assert (make().fit(np.asfortranarray(X)).score(X[::1]) == expected).all()


@every_detector
def test_nothing_given_is_changed_and_nothing_kept_depends_on_it(make):
    X = _normal(30, 3)
    X.flags.writeable = False
    score = make().fit(X).score(X)
    given_away = X.copy()
    detector = make().fit(given_away)
    given_away[:] = 0
    assert (detector.score(X) == score).all()


@pytest.mark.parametrize("kind", [NearestNeighbours, LocalOutlierFactor])
@pytest.mark.parametrize("features", [2, 12])
def test_neighbours_must_be_fewer_than_rows(kind, features):
    X = _normal(10, features)
    assert np.isfinite(kind(9).fit(X).training_scores()).all()
    with pytest.raises(ValueError, match="at least 11 rows"):
        kind(10).fit(X)
    with pytest.raises(RuntimeError, match="is not fitted"):
        kind(10).training_scores()
    detector = kind(9).fit(X)
    kept = detector.training_scores().copy()
    detector.training_scores()[:] = 0  # what was given back is the caller's
    assert (detector.training_scores() == kept).all()


@pytest.mark.parametrize(
    ("make", "error", "name"),
    [
        (lambda: NearestNeighbours(0), ValueError, "neighbours"),
        (lambda: NearestNeighbours(2.0), TypeError, "neighbours"),
        (lambda: LocalOutlierFactor(-1), ValueError, "neighbours"),
        (lambda: LocalOutlierFactor(None), TypeError, "neighbours"),
        (lambda: IsolationForest(trees=0), ValueError, "trees"),
        (lambda: IsolationForest(sample_size=1), ValueError, "sample_size"),
        (lambda: IsolationForest(seed=None), TypeError, "seed"),
        (lambda: IsolationForest(seed=-1), ValueError, "seed"),
        (lambda: average_path(-1), ValueError, "rows"),
        (lambda: average_path(2.5), TypeError, "rows"),
        (lambda: average_path(True), TypeError, "rows"),
        (lambda: average_path(None), TypeError, "rows"),
        (
            lambda: average_path(sparse.csr_array(np.eye(2, dtype=int))),
            TypeError,
            "rows",
        ),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(make, error, name):
    with pytest.raises(error, match=name):
        make()


def test_parameters_may_be_integers_of_numpy():
    X = _normal(30, 3)
    ours = IsolationForest(np.int8(20), np.uint8(16), seed=np.int64(3))
    plain = IsolationForest(20, 16, seed=3)
    assert (ours.fit(X).score(X) == plain.fit(X).score(X)).all()
    assert (
        NearestNeighbours(np.int8(3)).fit(X).score(X)
        == NearestNeighbours(3).fit(X).score(X)
    ).all()


def test_no_detector_here_brings_torch():
    code = "import companion.robustness.anomaly_detection, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
