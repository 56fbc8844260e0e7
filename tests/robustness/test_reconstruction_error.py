"""The plane against its optimality, the network against the plane, and both against bad input."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from companion.datasets import digits
from companion.robustness.reconstruction_error import Autoencoder, PCAResidual
from tests.bad_input import TABLES

MAKERS = {
    "PCAResidual": lambda: PCAResidual(2),
    "Autoencoder": lambda: Autoencoder(2, hidden=(8,), steps=30),
    "linear": lambda: Autoencoder(2, hidden=(), steps=30),
}
every_detector = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
seeds = st.integers(0, 2**32 - 1)
EPS = np.finfo(np.float64).eps


def _normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


# --- The plane


@settings(derandomize=True, deadline=None, max_examples=50)
@given(seeds, st.integers(1, 6))
def test_the_mean_squared_residual_is_the_variance_left_out_and_no_plane_leaves_less(
    seed, k
):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
    left = PCAResidual(k).fit(X).score(X) ** 2
    variances = np.linalg.eigvalsh(np.cov(X.T, ddof=0))
    # Fifty rows of six features, each product rounded, at the scale of the largest variance.
    bound = 10 * 50 * 6 * EPS * variances[-1]
    assert left.mean() == pytest.approx(variances[: 6 - k].sum(), rel=0, abs=bound)
    plane = np.linalg.qr(rng.normal(size=(6, k)))[0]
    z = X - X.mean(axis=0)
    assert left.mean() <= ((z - z @ plane @ plane.T) ** 2).sum(axis=1).mean() + bound


def test_only_leaving_the_plane_counts():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 5))
    detector = PCAResidual(2).fit(rng.normal(size=(40, 2)) @ plane + 3)
    normal = np.linalg.svd(plane)[2][-1]
    far = 1e3 * rng.normal(size=(10, 2)) @ plane + 3
    # The plane is known up to 40 * 5 eps, and the samples are some 4000 away.
    assert detector.score(far).max() < 10 * 40 * 5 * EPS * 4000
    np.testing.assert_allclose(detector.score(far + 2 * normal), 2, rtol=1e-8)


@pytest.mark.parametrize("components", [1, 5, 16, 40])
def test_the_plane_is_the_one_of_scikit_learn(components):
    X, _, new, _ = digits()
    peer = PCA(components).fit(X)
    theirs = peer.inverse_transform(peer.transform(new))
    ours = PCAResidual(components).fit(X)
    # 1347 rows of pixels in [0, 1]; the planes differ by rounding over the gap between variances.
    np.testing.assert_allclose(ours.rebuild(new), theirs, atol=1e-10, rtol=0)
    np.testing.assert_allclose(
        ours.score(new), np.linalg.norm(new - theirs, axis=1), atol=1e-10, rtol=0
    )


def test_the_pencil_sized_plane_of_two_altimeters():
    # Two sensors that agree: the plane is the diagonal, and (d, 0) is d / sqrt(2) off it.
    detector = PCAResidual(1).fit([[0, 0], [1000, 1000], [2000, 2000]])
    np.testing.assert_allclose(detector.rebuild([[1950, -8]]), [[971, 971]], rtol=1e-12)
    assert detector.score([[1950, -8]])[0] == pytest.approx(
        1958 / 2**0.5, rel=1e-12, abs=0
    )
    assert detector.score([[30000, 30000]])[0] < 1e-8


def test_directions_in_which_nothing_varied_are_no_part_of_the_plane():
    X = _normal(40, 1) * [1.0, 2.0, 0.0]  # a line, and a feature that never moved
    detector = PCAResidual(3).fit(X)
    assert detector.score(X).max() < 10 * 40 * 3 * EPS * 10
    np.testing.assert_allclose(
        detector.score([[1, 2, 1], [0, 0, 5]]), [1, 5], rtol=1e-12
    )
    still = PCAResidual(2).fit(np.full((9, 2), 1.7e9))
    np.testing.assert_array_equal(
        still.score([[1.7e9, 1.7e9], [1.7e9 + 60, 1.7e9]]), [0, 60]
    )


def test_a_pixel_that_was_always_dark_is_seen_when_it_lights_up():
    X, _, new, _ = digits()
    dark = X.max(axis=0) == 0
    lit = new[new[:, dark].any(axis=1)]
    assert len(lit) > 0
    seen = PCAResidual(64).fit(X).score(lit)
    np.testing.assert_allclose(
        seen, np.linalg.norm(lit[:, dark], axis=1), atol=1e-10, rtol=0
    )
    peer = PCA(64).fit(X)  # which keeps directions in which nothing varied
    naive = peer.inverse_transform(peer.transform(lit))
    np.testing.assert_allclose(naive, lit, atol=1e-10, rtol=0)


def test_with_as_many_components_as_features_everything_is_rebuilt():
    X, new = _normal(40, 3), 100 * _normal(9, 3, 1)
    # Nine products of numbers up to 300.
    assert PCAResidual(3).fit(X).score(new).max() < 10 * 9 * EPS * 300


def test_the_plane_of_a_single_feature_is_all_there_is():
    detector = PCAResidual(1).fit([[1.0], [2.0], [4.0]])
    np.testing.assert_allclose(detector.rebuild([[9.0]]), [[9.0]], rtol=1e-12)
    assert detector.score([[9.0]])[0] < 1e-12


# --- The network


def test_what_a_linear_network_rebuilds_lies_on_a_line():
    X = _normal(20, 3) + 5
    rebuilt = Autoencoder(1, hidden=(), steps=1).fit(X).rebuild(X)
    # A matrix of 20 rows, numbers up to 10.
    lengths = np.linalg.svd(rebuilt - rebuilt[0], compute_uv=False)
    assert lengths[0] > 0.01
    assert lengths[1] < 10 * 20 * EPS * 10


def test_a_linear_autoencoder_learns_the_plane_of_the_principal_components():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8)) * np.array([5, 4, 3, 1, 1, 0.5, 0.5, 0.2]) + 10
    X = X @ np.linalg.qr(rng.normal(size=(8, 8)))[0]
    new = rng.normal(size=(50, 8)) * 3 + X.mean(axis=0)
    exact = PCAResidual(3).fit(X)
    for seed in range(3):
        learned = Autoencoder(3, hidden=(), steps=2000, seed=seed).fit(X)
        np.testing.assert_allclose(learned.score(new), exact.score(new), rtol=0.03)
        # No linear network leaves less of the rows that were fitted.
        assert (learned.score(X) ** 2).sum() >= (exact.score(X) ** 2).sum()
    short = Autoencoder(3, hidden=(), steps=50).fit(X).score(new)
    assert np.abs(short / exact.score(new) - 1).max() > 0.1


def test_a_curved_bottleneck_sees_the_centre_of_an_arc_and_a_flat_one_does_not():
    angle = np.linspace(0, 1.5 * np.pi, 200)
    arc, centre = np.column_stack([np.cos(angle), np.sin(angle)]), [[0.0, 0.0]]
    flat = PCAResidual(1).fit(arc)
    assert flat.score(centre)[0] < np.median(flat.score(arc))
    for seed in range(5):
        curved = Autoencoder(1, steps=800, seed=seed).fit(arc)
        assert curved.score(centre)[0] > 1.7 * curved.score(arc).max()


def test_a_far_offset_or_a_constant_feature_does_not_spoil_the_scale():
    X = np.outer(_normal(200, 1), [1.0, 1.0, 0.0]) + np.array([0.0, 1e6, 1.7e9])
    detector = Autoencoder(1, hidden=(), steps=1500).fit(X)
    on, off, moved = detector.score(
        [[1, 1 + 1e6, 1.7e9], [1, 2 + 1e6, 1.7e9], [1, 1 + 1e6, 1.7e9 + 60]]
    )
    assert on < 0.05
    assert off > 0.5
    assert moved > 50


def test_a_row_beyond_float32_scores_above_all_others():
    X = 0.1 * _normal(300, 3)
    far = [[-3.4e38] * 3, [3.4e38, 0, 0], [1e300, -1e300, 1e300]]
    for make in MAKERS.values():
        detector = make().fit(X)
        assert detector.score(far).min() > detector.score(X).max()
    before = Autoencoder(1, steps=20).fit(X)
    assert before.score([[-3.4e38] * 3])[0] > before.score(X).max()


@every_detector
def test_a_row_further_out_than_float64_can_say_has_a_finite_score_above_all(make):
    X = 1e-300 * _normal(60, 3)
    detector = make().fit(X)
    far = detector.score([[1e300, -1e300, 1e300], [-1e300, 0, 0]])
    assert np.isfinite(far).all()
    assert far.min() > detector.score(X).max()
    # Squares leave float64 already where the quotient does not.
    assert np.isfinite(make().fit(_normal(60, 3)).score([[1e200, -1e200, 0]])).all()


def test_training_leaves_global_state_alone_and_works_under_every_mode_of_torch():
    X = _normal(30, 4)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    outside = Autoencoder(2, steps=20).fit(X).score(X)
    with torch.no_grad():
        assert (Autoencoder(2, steps=20).fit(X).score(X) == outside).all()
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        detector = Autoencoder(2, steps=20).fit(X)
        assert (detector.score(X) == outside).all()
    assert (detector.score(X) == outside).all()
    torch.set_default_dtype(torch.float64)
    try:
        assert (Autoencoder(2, steps=20).fit(X).score(X) == outside).all()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert (Autoencoder(2, steps=20, seed=1).fit(X).score(X) != outside).any()


def test_training_that_diverges_says_so():
    with pytest.raises(ValueError, match="learning_rate must be smaller"):
        Autoencoder(2, steps=50, learning_rate=1e30).fit(_normal(30, 4))


def test_the_step_falls_linearly_to_zero(monkeypatch):
    sizes, step = [], torch.optim.Adam.step

    def watched(self, *args, **kwargs):
        sizes.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    Autoencoder(1, steps=4, learning_rate=0.4).fit(_normal(9, 2))
    np.testing.assert_allclose(sizes, [0.4, 0.3, 0.2, 0.1], rtol=1e-12)


def test_the_layers_have_the_widths_that_were_asked_for():
    network = Autoencoder(2, hidden=(7, 5), steps=1).fit(_normal(9, 3))._network
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    widths = [(m.in_features, m.out_features) for m in layers]
    assert widths == [(3, 7), (7, 5), (5, 2), (2, 5), (5, 7), (7, 3)]
    assert sum(isinstance(m, torch.nn.Tanh) for m in network.modules()) == 4


# --- What both share


@every_detector
def test_the_score_is_the_distance_to_what_was_rebuilt(make):
    X, new = _normal(50, 4) + 5, _normal(20, 4, 1) + 5
    detector = make()
    assert detector.fit(X) is detector
    distance = np.linalg.norm(new - detector.rebuild(new), axis=1)
    np.testing.assert_allclose(detector.score(new), distance, rtol=1e-11)
    assert detector.score(new).dtype == np.float64
    np.testing.assert_allclose(
        detector.score(new[::-1])[::-1], detector.score(new), rtol=1e-12
    )


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("unit", [1e-170, 1e170])
def test_scores_have_the_unit_of_the_features_at_every_scale(name, unit):
    X, new = _normal(60, 3), _normal(9, 3, 1)
    plain = MAKERS[name]().fit(X).score(new)
    scaled = MAKERS[name]().fit(X * unit).score(new * unit)
    # The plane: 60 * 3 roundings.  The network is trained in float32: rows that differ in the last digit of
    # float64 are rounded to the same float32 but for a few.
    rtol = 10 * 60 * 3 * EPS if name == "PCAResidual" else 1e-3
    np.testing.assert_allclose(scaled, plain * unit, rtol=rtol)


@every_detector
def test_constant_features_are_handled(make):
    X = np.column_stack([_normal(60, 3), np.full(60, 0.1), np.zeros(60)])
    assert np.isfinite(make().fit(X).score(X)).all()
    for value in (0.0, 0.1, 1e300):
        flat = np.full((60, 3), value)
        assert np.isfinite(make().fit(flat).score(flat)).all()


@every_detector
@pytest.mark.parametrize(("X", "error"), TABLES)
def test_tables_that_are_none_are_refused_and_the_last_fit_survives(make, X, error):
    with pytest.raises(error, match="X must"):
        make().fit(X)
    good = _normal(20, 2)
    detector = make().fit(good)
    before = detector.score(good)
    with pytest.raises(error, match="X must"):
        detector.fit(X)
    assert (detector.score(good) == before).all()


@every_detector
@pytest.mark.parametrize("method", ["score", "rebuild"])
def test_judging_needs_a_fit_the_same_features_and_finite_numbers(make, method):
    with pytest.raises(RuntimeError, match="is not fitted"):
        getattr(make(), method)(np.zeros((2, 3)))
    detector = make().fit(_normal(20, 3))
    assert len(getattr(detector, method)(np.zeros((1, 3)))) == 1
    for bad in (np.zeros((2, 4)), np.zeros(3), np.zeros((0, 3)), [[0, 0, np.nan]]):
        with pytest.raises(ValueError, match="X must"):
            getattr(detector, method)(bad)


@every_detector
def test_any_kind_of_real_table_gives_the_same_scores(make):
    X = np.random.default_rng(0).integers(0, 9, size=(40, 3))
    expected = make().fit(X.astype(float)).score(X.astype(float))
    for same in (X.astype(np.int8), X.tolist(), torch.tensor(X)):
        assert (make().fit(same).score(same) == expected).all()
        assert make().fit(same).rebuild(same).dtype == np.float64


@every_detector
def test_nothing_given_is_changed_and_nothing_kept_depends_on_it(make):
    X = _normal(30, 3)
    X.flags.writeable = False
    score = make().fit(X).score(X)
    given_away = X.copy()
    detector = make().fit(given_away)
    given_away[:] = 0
    assert (detector.score(X) == score).all()


@pytest.mark.parametrize(
    ("make", "error", "name"),
    [
        (lambda: PCAResidual(0), ValueError, "components"),
        (lambda: PCAResidual(2.0), TypeError, "components"),
        (lambda: PCAResidual(4).fit(_normal(20, 3)), ValueError, "components"),
        (lambda: PCAResidual(4).fit(_normal(3, 9)), ValueError, "at least 4 rows"),
        (lambda: Autoencoder(True), TypeError, "components"),
        (lambda: Autoencoder(2, hidden=(0,)), ValueError, "hidden"),
        (lambda: Autoencoder(2, hidden=8), TypeError, "hidden"),
        (lambda: Autoencoder(2, hidden=None), TypeError, "hidden"),
        (lambda: Autoencoder(2, steps=0), ValueError, "steps"),
        (lambda: Autoencoder(2, learning_rate=-1.0), ValueError, "learning_rate"),
        (lambda: Autoencoder(2, learning_rate=0), ValueError, "learning_rate"),
        (lambda: Autoencoder(2, learning_rate=np.nan), ValueError, "learning_rate"),
        (lambda: Autoencoder(2, learning_rate=None), TypeError, "learning_rate"),
        (lambda: Autoencoder(2, seed=-1), ValueError, "seed"),
        (lambda: Autoencoder(2, seed=1.0), TypeError, "seed"),
        (lambda: Autoencoder(2, seed=2**64), ValueError, "seed"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(make, error, name):
    with pytest.raises(error, match=name):
        make()


def test_parameters_may_be_numbers_of_numpy():
    X = _normal(30, 3)
    ours = Autoencoder(
        np.int8(2), [np.int64(4)], np.int16(9), np.float32(0.5), np.int64(3)
    )
    plain = Autoencoder(2, (4,), 9, 0.5, 3)
    assert (ours.fit(X).score(X) == plain.fit(X).score(X)).all()


def test_importing_costs_little_beyond_torch():
    code = (
        "import torch; "
        "import companion.robustness.reconstruction_error; "
        "import sys; sys.exit('sklearn' in sys.modules or 'gymnasium' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
