"""The properties that make `companion.explainability.counterfactual_explanations` correct."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import nn

from companion.explainability.counterfactual_explanations import (
    along_line,
    class_margin,
    closest_counterfactual_linear,
    counterfactual,
)
from companion.networks import mlp
from tests.rounding import EPS, rounding
from tests.untouched import untouched

quick = settings(derandomize=True, deadline=None, max_examples=40)
NORMS = [1, 2, np.inf]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def problem(seed: int, d: int = 5):
    rng = np.random.default_rng(seed)
    w, x = rng.standard_normal(d), rng.standard_normal(d)
    return w, float(rng.standard_normal()), x, rng.uniform(0.2, 3, d)


def length(delta, norm: float) -> float:
    return float(np.linalg.norm(delta, norm))


# Linear models


@quick
@given(st.integers(0, 10**6), st.sampled_from(NORMS))
def test_the_distance_is_the_gap_over_the_dual_norm(seed, norm):
    w, b, x, s = problem(seed)
    found = closest_counterfactual_linear(w, b, x, 0.7, norm=norm, scale=s)
    dual = {1: np.inf, 2: 2, np.inf: 1}[norm]
    want = abs(0.7 - (w @ x + b)) / length(w * s, dual)
    # 5 products and their sum, twice, over a dual norm that is at least 0.2 |w|.
    scale = (np.abs(w) @ np.abs(x) + abs(b) + 1) / length(w * s, dual)
    bound = rounding(20, scale)
    assert found.distance == pytest.approx(want, rel=0, abs=bound)
    assert length((found.x - x) / s, norm) == pytest.approx(want, rel=0, abs=5 * bound)
    assert found.x @ w + b == pytest.approx(
        0.7, rel=0, abs=5 * bound * np.abs(w).sum() * 3
    )


def linear_program(w, gap, s, norm) -> float:
    """The same minimum from a solver: variables u+ and u- (and t for the maximum norm)."""
    d, v = len(w), w * s
    if norm == 1:
        answer = linprog(np.ones(2 * d), A_eq=[[*v, *-v]], b_eq=[gap])
    else:
        above = np.hstack([np.eye(d), -np.eye(d), -np.ones((d, 1))])
        below = np.hstack([-np.eye(d), np.eye(d), -np.ones((d, 1))])
        answer = linprog(
            [*np.zeros(2 * d), 1.0],
            A_ub=np.vstack([above, below]),
            b_ub=np.zeros(2 * d),
            A_eq=[[*v, *-v, 0.0]],
            b_eq=[gap],
        )
    assert answer.success
    return float(answer.fun)


@pytest.mark.parametrize("norm", [1, np.inf])
@pytest.mark.parametrize("seed", range(10))
def test_a_linear_program_finds_the_same_distance(seed, norm):
    w, b, x, s = problem(seed)
    found = closest_counterfactual_linear(w, b, x, norm=norm, scale=s)
    want = linear_program(w, -(w @ x + b), s, norm)
    # HiGHS stops at 1e-7.
    assert found.distance == pytest.approx(want, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("seed", range(3))
def test_no_random_point_of_the_boundary_is_nearer(seed, norm):
    w, b, x, s = problem(seed)
    found = closest_counterfactual_linear(w, b, x, norm=norm, scale=s)
    u = np.random.default_rng(seed).standard_normal((20_000, 5))
    near = (found.x - x) / s + 0.1 * u
    # Moved on to the boundary along the weights.
    v = w * s
    near += np.outer((-(w @ x + b) - near @ v) / (v @ v), v)
    assert (np.linalg.norm(near, norm, axis=1) > found.distance * (1 - 1e-12)).all()


def test_by_hand():
    for norm, want, far in (
        (1, [0.0, 6.25], 6.25),
        (2, [3.0, 4.0], 5.0),
        (np.inf, [25 / 7, 25 / 7], 25 / 7),
    ):
        found = closest_counterfactual_linear([3, 4], 0, [0, 0], 25, norm=norm)
        np.testing.assert_allclose(found.x, want, rtol=0, atol=rounding(10, 10))
        assert found.distance == pytest.approx(far, rel=10 * EPS, abs=0)


def test_the_one_norm_moves_one_feature_and_the_scale_decides_which():
    w, x = [3.0, 4.0, -2.0], [1.0, 1, 1]
    for scale, feature in ((1.0, 1), ([2.0, 1, 1], 0), ([1.0, 1, 9], 2)):
        moved = closest_counterfactual_linear(w, 0, x, norm=1, scale=scale).x - x
        assert np.flatnonzero(moved).tolist() == [feature]
    # A feature's unit: metres or kilometres, with the scale in the same unit.
    one = closest_counterfactual_linear([3, 4], 1, [2, 1], norm=2, scale=[2, 5])
    other = closest_counterfactual_linear(
        [3000, 4], 1, [0.002, 1], norm=2, scale=[0.002, 5]
    )
    assert one.distance == pytest.approx(other.distance, rel=50 * EPS, abs=0)


def test_ties_are_broken_by_the_first_and_a_mixture_is_as_near():
    found = closest_counterfactual_linear([2, -2], 0, [0, 0], 4, norm=1)
    np.testing.assert_array_equal(found.x, [2, 0])
    mixture = np.array([1.0, -1])
    assert np.array([2, -2]) @ mixture == 4
    assert np.abs(mixture).sum() == found.distance


@pytest.mark.parametrize("norm", NORMS)
def test_a_feature_with_scale_zero_stays(norm):
    w, b, x, s = problem(7)
    s[np.abs(w).argmax()] = 0
    found = closest_counterfactual_linear(w, b, x, norm=norm, scale=s)
    assert found.x[s == 0] == x[s == 0]
    assert found.x @ w + b == pytest.approx(0, rel=0, abs=rounding(100, 10))
    free = closest_counterfactual_linear(w, b, x, norm=norm, scale=np.where(s, s, 1))
    assert found.distance > free.distance


@pytest.mark.parametrize("norm", NORMS)
def test_what_has_the_score_already_stays_and_the_input_is_unchanged(norm):
    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    found = closest_counterfactual_linear([3, 4], -11, x, norm=norm)
    np.testing.assert_array_equal(found.x, x)
    assert found.distance == 0
    assert not np.shares_memory(found.x, x)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", [1e-170, 1e170])
def test_weights_of_every_size_give_the_same_answer(norm, size):
    w, _, _, s = problem(3)
    plain = closest_counterfactual_linear(w, 0, np.zeros(5), 1.0, norm=norm, scale=s)
    big = closest_counterfactual_linear(
        size * w, 0, np.zeros(5), size, norm=norm, scale=s
    )
    np.testing.assert_allclose(big.x, plain.x, rtol=100 * EPS)
    assert big.distance == pytest.approx(plain.distance, rel=100 * EPS, abs=0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weights": [0.0, 0.0]}, ValueError, "no feature that may change"),
        ({"scale": [0.0, 0.0]}, ValueError, "target cannot be reached"),
        ({"weights": [0.0, 1.0], "scale": [1, 0]}, ValueError, "cannot be reached"),
        ({"weights": []}, ValueError, "x must have shape"),
        ({"weights": [1e-320, 0]}, ValueError, "below 1e308"),
        ({"weights": [1e300, 1e300], "x": [1e300, 0]}, ValueError, "weights must keep"),
        ({"weights": [[1.0, 2.0]]}, ValueError, "weights must have shape"),
        ({"weights": [np.nan, 1]}, ValueError, "weights must be finite"),
        ({"weights": "ab"}, TypeError, "weights must hold"),
        ({"bias": np.inf}, ValueError, "bias must be finite"),
        ({"x": [1.0]}, ValueError, "x must have shape"),
        ({"target": np.nan}, ValueError, "target must be finite"),
        ({"norm": 3}, ValueError, "norm must be 1, 2 or inf"),
        ({"norm": True}, ValueError, "norm must be 1, 2 or inf"),
        ({"norm": "2"}, ValueError, "norm must be 1, 2 or inf"),
        ({"norm": np.ones(2)}, ValueError, "norm must be 1, 2 or inf"),
        ({"scale": [1.0, -1.0]}, ValueError, "scale must not be negative"),
        ({"scale": [1.0, 1.0, 1.0]}, ValueError, "scale must not be negative"),
    ],
)
def test_bad_arguments_of_the_linear_form_are_named(change, error, message):
    given = {"weights": [3.0, 4], "bias": 0.0, "x": [0.0, 0], "target": 1.0, "norm": 2}
    given |= change
    keywords = {k: given.pop(k) for k in ("norm", "scale") if k in given}
    with pytest.raises(error, match=message):
        closest_counterfactual_linear(**given, **keywords)


# Networks


def network(seed: int = 0, dtype=torch.float64, device="cpu") -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return mlp([4, 16, 16, 3], generator).to(device=device, dtype=dtype)


def rows(n: int = 12, seed: int = 0, dtype=torch.float64, device="cpu") -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(n, 4, generator=generator, dtype=torch.float64)).to(
        device=device, dtype=dtype
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("seed", range(3))
def test_a_linear_score_is_solved_in_closed_form(norm, seed):
    w, b, x, s = problem(seed)
    weights = torch.from_numpy(w)
    found = counterfactual(
        lambda z: z @ weights + b,
        torch.from_numpy(x)[None],
        5.0,
        norm=norm,
        scale=torch.from_numpy(s),
    )
    want = closest_counterfactual_linear(w, b, x, 5.0, norm=norm, scale=s)
    # The search stops 256 eps of the score beyond the target.
    bound = rounding(60, (np.abs(w) @ np.abs(want.x) + 5) / np.abs(w * s).max())
    assert float(found.distance) == pytest.approx(want.distance, rel=0, abs=bound)
    assert bool(found.valid)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", NORMS)
def test_every_answer_is_valid_or_marked(norm, dtype, device):
    x = rows(dtype=dtype, device=device)
    for seed, k in itertools.product(range(3), range(3)):
        f = class_margin(network(seed, dtype, device), k)
        reachable = bool((f(rows(400, 9, dtype, device)) >= 0).any())
        found = counterfactual(f, x, norm=norm, restarts=3, generator=generator())
        for field in (found.x, found.distance):
            assert field.dtype == dtype
            assert field.device == x.device
        assert found.x.shape == x.shape
        valid = found.valid
        assert valid.any() or not reachable
        # Also where each row is asked alone, whose rounding may differ.
        for row in found.x[valid]:
            assert float(f(row[None])) >= 0
        assert found.x[~valid].isnan().all()
        assert found.distance[~valid].isinf().all()
        far = torch.linalg.vector_norm(found.x - x, norm, dim=1)[valid]
        assert torch.equal(far, found.distance[valid])


def test_the_answer_lies_on_the_boundary():
    x, f = rows(), class_margin(network(), 0)
    found = counterfactual(f, x)
    crossed = found.valid & (f(x) < 0)
    assert crossed.sum() > 3
    back = x + (1 - 1e-6) * (found.x - x)
    assert (f(back)[crossed] < 0).all()


def test_the_nearest_point_of_a_sphere_is_found():
    x = rows()
    found = counterfactual(lambda z: (z**2).sum(dim=1), x, 100.0)
    want = 10 - x.norm(dim=1)
    # The fixed point is reached linearly; forty steps leave 1e-6.
    torch.testing.assert_close(found.distance, want, rtol=0, atol=1e-5)


def test_a_grid_finds_nothing_nearer_in_two_dimensions():
    model = mlp([2, 8, 2], generator(5)).double()
    f = class_margin(model, 1)
    axis = torch.linspace(-4, 4, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    inside = grid[f(grid) >= 0]
    x = torch.randn(20, 2, generator=generator(1), dtype=torch.float64)
    x = x[f(x) < 0]
    assert len(x) > 3
    assert len(inside) > 100
    for norm in NORMS:
        found = counterfactual(f, x, norm=norm, restarts=30, generator=generator())
        assert found.valid.all()
        best = torch.cdist(x, inside, p=norm).min(dim=1).values
        # The grid's step is 0.01: it may miss the nearest by a diagonal of it, in the 1-norm 0.02.
        assert (found.distance <= best + 1e-3).all()
        assert (found.distance >= best - 0.03).all()


def test_restarts_never_make_it_farther():
    x, f = rows(), class_margin(network(), 0)
    once = counterfactual(f, x)
    more = counterfactual(f, x, restarts=20, generator=generator())
    assert (more.distance <= once.distance).all()
    assert (more.distance < once.distance).any()


def test_the_nearest_valid_point_is_kept_not_the_last():
    # After one step the search stands on the boundary; whatever follows may not lose it.
    for seed, norm in itertools.product(range(3), NORMS):
        x, f = rows(40), class_margin(network(seed), 2)
        few = counterfactual(f, x, norm=norm, steps=6)
        many = counterfactual(f, x, norm=norm, steps=40)
        assert (many.valid | ~few.valid).all()
        # Drawing back to the boundary moves each by less than the hundredth that a step goes too far.
        assert (many.distance <= 1.02 * few.distance)[few.valid].all()


def test_restarts_leave_a_feature_with_scale_zero_where_it_is():
    x = torch.zeros(1, 2, dtype=torch.float64)
    scale = torch.tensor([1.0, 0.0], dtype=torch.float64)

    def asked(z):
        seen.append(z[:, 1].detach().abs().max())
        return z[:, 0] - 5

    seen: list[torch.Tensor] = []
    found = counterfactual(asked, x, scale=scale, restarts=5, generator=generator())
    assert found.valid.all()
    assert max(seen) == 0


def test_what_is_valid_already_is_its_own_counterfactual():
    x, f = rows(), class_margin(network(), 0)
    there = f(x) >= 0
    assert there.any()
    found = counterfactual(f, x)
    assert torch.equal(found.x[there], x[there])
    assert (found.distance[there] == 0).all()
    assert found.valid[there].all()


@pytest.mark.parametrize("size", [1e-170, 1e-100, 1e100, 1e160])
@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_inputs_and_scores_of_every_size_are_searched_alike(norm, size):
    x = torch.tensor([[1.2, 1.6]]).double()

    def plane(z):
        return z @ torch.tensor([3.0, 4.0]).double() - 25

    plain = counterfactual(plane, x, norm=norm)
    scores = counterfactual(lambda z: size * plane(z), x, norm=norm)
    inputs = counterfactual(lambda z: plane(z / size), size * x, norm=norm)
    # 41 steps of ten operations each on numbers below 25.
    near = {"rtol": 0, "atol": rounding(410, 25)}
    for found, unit in ((scores, 1.0), (inputs, size)):
        assert found.valid.all()
        torch.testing.assert_close(found.x / unit, plain.x, **near)
        torch.testing.assert_close(found.distance / unit, plain.distance, **near)


def test_an_unreachable_target_is_a_marked_failure():
    x = rows()
    for f in (lambda z: z.sum(dim=1).sigmoid(), lambda z: 0 * z.sum(dim=1)):
        found = counterfactual(f, x, 2.0, restarts=2, generator=generator())
        assert not found.valid.any()
        assert found.x.isnan().all()
        assert found.distance.isinf().all()


def test_a_feature_with_scale_zero_stays_in_a_network_too():
    x, f = rows(), class_margin(network(), 0)
    scale = torch.tensor([1.0, 0.0, 2.0, 0.5], dtype=torch.float64)
    found = counterfactual(f, x, scale=scale, restarts=3, generator=generator())
    assert found.valid.any()
    assert torch.equal(found.x[found.valid][:, 1], x[found.valid][:, 1])
    move = scale > 0
    far = ((found.x - x)[:, move] / scale[move]).norm(dim=1)
    torch.testing.assert_close(
        found.distance[found.valid], far[found.valid], rtol=1e-12, atol=1e-12
    )


def test_images_keep_their_shape():
    x = torch.rand(3, 1, 2, 2, generator=generator())
    scale = torch.ones(1, 2, 2)
    found = counterfactual(lambda z: z.flatten(1).sum(dim=1), x, 9.0, scale=scale)
    assert found.x.shape == x.shape
    assert found.valid.all()


def test_a_batch_of_one_is_a_row_of_the_batch_and_the_same_draws_give_the_same_bits():
    x, f = rows(), class_margin(network(), 0)
    batch = counterfactual(f, x)
    # One search may take another branch at a tie; none does here, so only rounding is left.
    alone = torch.cat([counterfactual(f, row[None]).distance for row in x])
    torch.testing.assert_close(alone, batch.distance, rtol=1e-9, atol=1e-9)
    one, two = (
        counterfactual(f, x, restarts=2, generator=generator(3)) for _ in range(2)
    )
    assert torch.equal(one.x.nan_to_num(), two.x.nan_to_num())


# The straight line


def test_the_line_stops_at_the_boundary_and_marks_an_end_that_is_not_valid():
    x, f = rows(), class_margin(network(), 0)
    end = rows(seed=1)
    found = along_line(f, x, end)
    valid = (f(end) >= 0) | (f(x) >= 0)
    assert torch.equal(found.valid, valid)
    assert valid.any()
    assert not valid.all()
    crossed = valid & (f(x) < 0)
    t = (found.x - x)[crossed] / (end - x)[crossed]
    torch.testing.assert_close(t, t[:, :1].expand_as(t), rtol=1e-9, atol=1e-9)
    assert ((t > 0) & (t <= 1)).all()
    back = x + (1 - 1e-9) * (found.x - x)
    assert (f(back)[crossed] < 0).all()
    assert found.x[~valid].isnan().all()


def test_a_line_that_only_touches_the_target_ends_there():
    x, end = torch.zeros(1, 2), torch.ones(1, 2)
    found = along_line(lambda z: z.sum(dim=1), x, end, 2.0)
    assert torch.equal(found.x, end)
    assert bool(found.valid)
    assert not along_line(lambda z: z.sum(dim=1), x, end, 2.1).valid


# The margin


def test_the_margin_is_positive_where_the_class_is_named():
    model, x = network(), rows(200)
    z = model(x).detach()
    margins = torch.stack([class_margin(model, k)(x).detach() for k in range(3)], 1)
    named = torch.zeros_like(z, dtype=torch.bool).scatter(1, z.argmax(1)[:, None], True)
    assert torch.equal(margins > 0, named)
    for k in range(3):
        rest = [j for j in range(3) if j != k]
        torch.testing.assert_close(
            margins[:, k], z[:, k] - z[:, rest].max(dim=1).values, rtol=0, atol=0
        )


# What is left alone


def strange() -> nn.Module:
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2)
    ).train()


def test_model_inputs_and_global_randomness_are_left_as_they_were():
    model = strange()
    model(torch.randn(5, 4, generator=generator())).sum().backward()
    x = rows(dtype=torch.float32)
    end, f = rows(seed=1, dtype=torch.float32), class_margin(model, 1)
    before = x.clone(), end.clone(), torch.get_rng_state()
    with untouched(model):
        counterfactual(f, x, restarts=2, generator=generator())
    with untouched(model):
        along_line(f, x, end)
    with untouched(model):
        f(x)
    with untouched(model), pytest.raises(ValueError, match="C above index 5"):
        counterfactual(class_margin(model, 5), x)
    with untouched(model), pytest.raises(ValueError, match="rows apart"):
        counterfactual(lambda z: f(z) + z.mean(), x)
    assert torch.equal(x, before[0])
    assert torch.equal(end, before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    known = class_margin(network(0, torch.float32, "cpu"), 1)
    with torch.no_grad():
        assert counterfactual(known, x).valid.all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f, x: counterfactual(f, x.numpy()), TypeError, "x must be a tensor"),
        (lambda f, x: counterfactual(f, x[:0]), ValueError, "x must have shape"),
        (lambda f, x: counterfactual(f, x * np.nan), ValueError, "x must be finite"),
        (lambda f, x: counterfactual(f, x, np.nan), ValueError, "target must be"),
        (lambda f, x: counterfactual(f, x, norm=3), ValueError, "norm must be"),
        (lambda f, x: counterfactual(f, x, scale=-1.0), ValueError, "scale must be"),
        (lambda f, x: counterfactual(f, x, scale=0.0), ValueError, "scale must leave"),
        (
            lambda f, x: counterfactual(f, x, scale=torch.ones(3)),
            ValueError,
            "scale must be finite",
        ),
        (lambda f, x: counterfactual(f, x, steps=0), ValueError, "steps must be"),
        (lambda f, x: counterfactual(f, x, restarts=-1), ValueError, "restarts must"),
        (lambda f, x: counterfactual(f, x, restarts=1), TypeError, "generator must"),
        (lambda f, x: counterfactual(f, x, spread=0), ValueError, "spread must lie"),
        (
            lambda f, x: counterfactual(lambda z: z, x),
            ValueError,
            "f must return shape",
        ),
        (
            lambda f, x: counterfactual(lambda z: z.sum(dim=1) * np.nan, x),
            ValueError,
            "f must return finite",
        ),
        (
            lambda f, x: counterfactual(lambda z: z.detach().sum(dim=1), x, 1e3),
            ValueError,
            "f must be differentiable",
        ),
        (lambda f, x: along_line(f, x, x[:1]), ValueError, "end must be a tensor"),
        (lambda f, x: along_line(f, x, None), ValueError, "end must be a tensor"),
        (lambda f, x: along_line(f, x, x.float()), TypeError, "end must be torch"),
        (lambda f, x: along_line(f, x, x, "far"), TypeError, "target must hold"),
        (lambda f, x: class_margin(f, 0), TypeError, "model must be a torch.nn"),
        (lambda f, x: class_margin(network(), -1), ValueError, "index must be"),
        (lambda f, x: class_margin(network(), 3)(x), ValueError, "C above index 3"),
        (
            lambda f, x: class_margin(nn.Linear(4, 1).double(), 0)(x),
            ValueError,
            "C > 1",
        ),
    ],
)
def test_bad_arguments_of_the_search_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(class_margin(network(), 0), rows())
