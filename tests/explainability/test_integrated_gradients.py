"""The properties that make `companion.explainability.integrated_gradients` correct."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from companion.explainability.integrated_gradients import (
    conductance,
    exact_integrated_gradients,
    expected_gradients,
    integrated_gradients,
    quadrature,
)
from companion.networks import convnet, mlp
from companion.scores import class_score, score_gradients
from tests.rounding import rounding
from tests.untouched import untouched

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
DTYPES = [torch.float32, torch.float64]
RULES = ["gauss", "midpoint", "trapezoid", "left", "right"]
NAN = float("nan")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(n: int, d: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(n, d, generator=generator(seed), dtype=torch.float64).to(dtype)


def smooth(seed: int = 0, dtype=torch.float64) -> nn.Module:
    return mlp([6, 16, 16, 3], generator(seed), nn.Tanh).to(dtype)


def kinked(seed: int = 0) -> nn.Module:
    return mlp([6, 16, 3], generator(seed)).double()


def pooled(seed: int = 0) -> nn.Module:
    """A convolutional net with every kind of piecewise-linear layer, drawn from a seed."""
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.MaxPool2d(3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.5),
        nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Identity(),
        nn.Linear(6, 3),
    ).double()
    g = generator(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g))
        model[2].running_mean.copy_(torch.randn(4, generator=g))
        model[2].running_var.copy_(torch.rand(4, generator=g) + 0.5)
    return model


NETS = {
    "mlp": (lambda seed=0: mlp([10, 64, 64, 1], generator(seed)).double(), 10),
    "convnet": (lambda seed=0: convnet(generator(seed)).double(), 64),
    "pooled": (pooled, 64),
}


def polynomial(x: torch.Tensor) -> torch.Tensor:
    """x1 x2 + x3^3: on a straight path of degree three, its gradient of degree two."""
    return x[:, 0] * x[:, 1] + x[:, 2] ** 3


# Every function, asked in the same way about output 1 of a chain that can be cut after two layers.
CALLS = {
    "integrated": lambda m, x, b: integrated_gradients(
        class_score(m, 1), x, b, steps=7
    ),
    "exact": lambda m, x, b: exact_integrated_gradients(m, 1, x, b),
    "expected": lambda m, x, b: expected_gradients(
        class_score(m, 1), x, b.expand(1, len(b)), samples=7, generator=generator(5)
    ),
    "conductance": lambda m, x, b: conductance(
        m[:2], class_score(m[2:], 1), x, b, steps=7
    ),
}


def learner(dtype=torch.float64) -> nn.Module:
    """A net with dropout and batch normalisation, left in training mode."""
    model = mlp([6, 16, 16, 3], generator())
    model.insert(2, nn.BatchNorm1d(16))
    model.insert(3, nn.Dropout())
    return model.to(dtype).train()


# Quadrature


@pytest.mark.parametrize("rule", RULES)
def test_the_weights_sum_to_one_for_every_number_of_steps(rule):
    for steps in (*range(2 if rule == "trapezoid" else 1, 70), 500, 2001):
        nodes, weights = quadrature(rule, steps)
        assert nodes.shape == weights.shape == (steps,)
        # a sum of `steps` weights near 1 / steps, each rounded
        assert abs(weights.sum() - 1) <= rounding(steps + 1, 1)
        assert (np.diff(nodes) > 0).all()
        assert nodes[0] >= 0
        assert nodes[-1] <= 1
        assert (weights > 0).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_gauss_integrates_polynomials_up_to_twice_its_degree(steps):
    nodes, weights = quadrature("gauss", steps)
    for degree in range(2 * steps):
        # nodes to a few eps, times the degree; a sum of `steps` terms
        error = weights @ nodes**degree - 1 / (degree + 1)
        assert abs(error) <= rounding(steps + 4 * degree + 4, 1)
    # The first power that it misses, by (n!)^4 / ((2n + 1) (2n)!^2), more than 17^-n / 9.
    miss = weights @ nodes ** (2 * steps) - 1 / (2 * steps + 1)
    assert miss < -(17.0**-steps) / 9


@pytest.mark.parametrize("steps", [2, 3, 10, 33])
def test_the_other_rules_make_their_textbook_error_on_a_line_and_a_parabola(steps):
    error = {}
    for rule, degree in itertools.product(RULES, (1, 2)):
        nodes, weights = quadrature(rule, steps)
        error[rule, degree] = weights @ nodes**degree - 1 / (degree + 1)
    expected = {
        ("left", 1): -1 / (2 * steps),
        ("right", 1): 1 / (2 * steps),
        ("midpoint", 1): 0,
        ("trapezoid", 1): 0,
        ("midpoint", 2): -1 / (12 * steps**2),
        ("trapezoid", 2): 1 / (6 * (steps - 1) ** 2),
    }
    for key, value in expected.items():
        assert abs(error[key] - value) <= rounding(steps + 4, 1)


def test_the_remembered_nodes_cannot_be_spoiled():
    before = [array.copy() for array in quadrature("gauss", 9)]
    for array in quadrature("gauss", 9):
        array[:] = 7
    np.testing.assert_array_equal(quadrature("gauss", 9), before)


# Integrated gradients


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_a_linear_score_gives_weight_times_change_for_every_rule(rule, dtype, device):
    x, b, w = (rows(5, 4, seed, dtype).to(device) for seed in range(3))
    for steps in (2, 3, 50):
        found = integrated_gradients(lambda x: x @ w[0], x, b, steps=steps, rule=rule)
        assert (found.dtype, found.device) == (dtype, x.device)
        # a sum of `steps` terms of numbers below 50
        torch.testing.assert_close(
            found, w[0] * (x - b), rtol=0, atol=10 * steps * torch.finfo(dtype).eps * 50
        )


def naive_trapezoid(f, x, baseline, steps):
    """Weights 1/n, the two at the ends halved, as captum's `riemann_trapezoid`: their sum is (n - 1)/n."""
    nodes, weights = np.linspace(0, 1, steps), np.full(steps, 1 / steps)
    weights[[0, -1]] /= 2
    return sum(
        w * (x - baseline) * score_gradients(f, baseline + a * (x - baseline))
        for a, w in zip(nodes, weights, strict=True)
    )


@pytest.mark.parametrize("steps", [2, 10, 50])
def test_weights_that_do_not_sum_to_one_lose_their_share_of_a_linear_score(steps):
    x, b, w = (rows(5, 4, seed) for seed in range(3))
    short = naive_trapezoid(lambda x: x @ w[0], x, b, steps)
    torch.testing.assert_close(
        short, (1 - 1 / steps) * w[0] * (x - b), rtol=0, atol=rounding(steps, 50)
    )
    right = integrated_gradients(
        lambda x: x @ w[0], x, b, steps=steps, rule="trapezoid"
    )
    assert float((right - short).abs().max()) > 1 / (2 * steps)


def test_a_polynomial_has_the_integral_that_pencil_and_paper_give():
    x, b = rows(9, 3), rows(9, 3, 1)
    d, mean = x - b, (x + b) / 2
    third = d[:, 2] * (x[:, 2] ** 2 + x[:, 2] * b[:, 2] + b[:, 2] ** 2)
    expected = torch.stack([d[:, 0] * mean[:, 1], d[:, 1] * mean[:, 0], third], dim=1)
    for rule, steps in (("gauss", 2), ("gauss", 3), ("midpoint", 20_000)):
        found = integrated_gradients(polynomial, x, b, steps=steps, rule=rule)
        # midpoint: (x - b) / (24 n^2) times the second derivative 6 (x - b)^2, with |x - b| < 6
        bound = 6 * 6**3 / (24 * steps**2) if rule == "midpoint" else rounding(20, 200)
        assert float((found - expected).abs().max()) <= bound


@pytest.mark.parametrize("seed", range(5))
def test_the_attributions_of_a_smooth_net_are_complete(seed):
    f = class_score(smooth(seed), 2)
    x, b = rows(20, 6, seed), rows(20, 6, seed + 9)
    found = integrated_gradients(f, x, b, steps=100)
    # Gauss converges geometrically on an analytic function, and 100 nodes are far more than it takes.
    assert float((found.sum(dim=1) - f(x) + f(b)).abs().max()) < 1e-10


def test_each_attribution_is_the_integral_of_one_partial_derivative():
    # A second way: scalar by scalar, from differences of the score itself and a fine rule.
    f, x, b = class_score(smooth(), 0), rows(1, 6), rows(1, 6, 1)
    found = integrated_gradients(f, x, b, steps=60)
    h, a = 1e-5, (torch.arange(2000, dtype=torch.float64)[:, None] + 0.5) / 2000
    points = b + a * (x - b)
    for i, unit in enumerate(torch.eye(6, dtype=torch.float64)):
        slope = (f(points + h * unit) - f(points - h * unit)) / (2 * h)
        # h^2 f'''/6 and eps/h, both near 1e-10, and the midpoint's 1e-7
        assert abs(float(slope.mean() * (x - b)[0, i]) - float(found[0, i])) < 1e-6


def test_an_input_that_the_score_ignores_gets_nothing():
    found = integrated_gradients(polynomial, rows(4, 5), rows(4, 5, 1))
    assert torch.equal(found[:, 3:], torch.zeros(4, 2, dtype=torch.float64))


def test_two_inputs_that_can_be_swapped_get_the_same():
    def f(x):
        return (x[:, 0] + x[:, 1]).tanh() * x[:, 2]

    x, b = rows(9, 3), rows(9, 3, 1)
    x[:, 1], b[:, 1] = x[:, 0], b[:, 0]
    found = integrated_gradients(f, x, b)
    # sums of 50 terms below 10, which a CPU may take in another order for each column
    torch.testing.assert_close(found[:, 0], found[:, 1], rtol=0, atol=rounding(50, 10))
    b[:, 1] += 1  # from different baselines they do not
    found = integrated_gradients(f, x, b)
    assert float((found[:, 0] - found[:, 1]).abs().min()) > 1e-4


def test_two_nets_that_compute_the_same_function_are_explained_alike():
    model, wide = kinked(), mlp([6, 32, 3], generator()).double()
    with torch.no_grad():  # each hidden unit twice, half as loud
        wide[0].weight.copy_(model[0].weight.repeat(2, 1))
        wide[0].bias.copy_(model[0].bias.repeat(2))
        wide[2].weight.copy_(model[2].weight.repeat(1, 2) / 2)
        wide[2].bias.copy_(model[2].bias)
    x, b = rows(5, 6), rows(1, 6, 1)[0]
    for call in ("integrated", "exact", "expected"):
        torch.testing.assert_close(
            CALLS[call](model, x, b),
            CALLS[call](wide, x, b),
            rtol=0,
            atol=rounding(200, 10),
        )


def test_the_attribution_of_a_sum_is_the_sum_of_the_attributions():
    x, b, model = rows(5, 6), rows(5, 6, 1), smooth()
    parts = [class_score(model, k) for k in range(2)]
    both = integrated_gradients(lambda z: 3 * parts[0](z) - parts[1](z), x, b)
    first, second = (integrated_gradients(f, x, b) for f in parts)
    torch.testing.assert_close(both, 3 * first - second, rtol=0, atol=rounding(99, 10))


@pytest.mark.parametrize("call", ["integrated", "exact", "conductance"])
def test_walking_back_changes_every_sign(call):
    x, b, model = rows(5, 6), rows(5, 6, 1), kinked()
    there, back = CALLS[call](model, x, b), CALLS[call](model, b, x)
    torch.testing.assert_close(there, -back, rtol=0, atol=rounding(200, 10))


def test_the_number_of_points_asked_at_once_changes_nothing():
    f, x, b = class_score(smooth(), 0), rows(3, 6), rows(3, 6, 1)
    model, back = smooth(), class_score(smooth()[2:], 0)
    calls = (
        lambda k: integrated_gradients(f, x, b, steps=11, batch=k),
        lambda k: conductance(model[:2], back, x, b, steps=11, batch=k),
        lambda k: expected_gradients(
            f, x, b, samples=11, generator=generator(), batch=k
        ),
    )
    for call, batch in itertools.product(calls, (1, 2, 3, 7, 33)):
        torch.testing.assert_close(
            call(batch), call(10**6), rtol=0, atol=rounding(100, 10)
        )


def test_no_more_points_are_asked_at_once_than_wanted():
    seen = []

    def f(x):
        seen.append(len(x))
        return (x**2).sum(dim=1)

    integrated_gradients(f, rows(3, 6), rows(3, 6, 1), steps=50, batch=30)
    assert max(seen) == 30
    assert sum(n for n in seen if n > 1) == 150


# The exact integral


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("net", NETS)
def test_the_exact_integral_is_complete_and_what_fine_quadrature_converges_to(
    net, seed
):
    make, d = NETS[net]
    model = make(seed)
    f = class_score(model, 0)
    x, b = rows(2, d, seed), rows(2, d, seed + 9)
    exact = exact_integrated_gradients(model, 0, x, b)
    assert float((exact.sum(dim=1) - f(x) + f(b)).abs().max()) < 1e-10
    # Each attribution, because completeness is only one equation.  The midpoint rule with n steps errs only where
    # the gradient jumps, by at most the jump over 2n, and it sees at least what the jumps of one step sum to; a
    # step may hide jumps that cancel, so ten times the bound.
    for steps in (200, 2000):
        a = torch.from_numpy(quadrature("midpoint", steps)[0])[:, None, None]
        along = score_gradients(f, (b + a * (x - b)).flatten(0, 1)).view(steps, 2, d)
        jumps = (along.diff(dim=0) * (x - b)).abs().sum(dim=0)
        fine = integrated_gradients(f, x, b, steps=steps, rule="midpoint")
        assert bool(((fine - exact).abs() <= 10 * jumps / (2 * steps)).all())


def test_the_exact_integral_by_pencil():
    # f = relu(x1 + x2 - 1) + 2 relu(x1 - x2), from (0, 0) to (2, 1): the first unit wakes at a = 1/3.
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 1], [1, -1]]))
        model[0].bias.copy_(torch.tensor([-1.0, 0]))
        model[2].weight.copy_(torch.tensor([[1.0, 2]]))
        model[2].bias.fill_(0)
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    found = exact_integrated_gradients(model, 0, x, torch.zeros(2))
    expected = torch.tensor([[2 * (2 / 3 + 2), 2 / 3 - 2]], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=rounding(20, 6))


def test_two_kinks_whose_ends_have_equal_gradients_are_both_found():
    # A tent: bisection that compares the gradients at the ends sees none.
    model = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.copy_(torch.tensor([-0.50, -0.51, -0.52], dtype=torch.float64))
        model[2].weight.copy_(torch.tensor([[100.0, -200.0, 100.0]]))
        model[2].bias.fill_(0)
    x = torch.tensor([[1.0], [0.51]], dtype=torch.float64)
    f = class_score(model, 0)
    found = exact_integrated_gradients(model, 0, x, torch.zeros(1))
    expected = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=rounding(20, 200))
    assert torch.equal(score_gradients(f, x[:1]), score_gradients(f, 0 * x[:1]))


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d(2), nn.MaxPool2d(3, 1), nn.MaxPool2d((2, 3), (1, 2), (1, 0), (2, 1))],
    ids=["2x2", "3x3", "2x3"],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_maximum_pool_alone_is_split_wherever_another_entry_takes_over(pool, seed):
    model = nn.Sequential(nn.Unflatten(1, (2, 7, 8)), pool, nn.Flatten()).double()
    x, b = rows(1, 112, seed), rows(1, 112, seed + 9)
    model.append(nn.Linear(model(x).shape[1], 1).double())  # every window counts once
    nn.init.ones_(model[-1].weight)
    f = class_score(model, 0)
    exact = exact_integrated_gradients(model, 0, x, b)
    assert float((exact.sum() - f(x) + f(b)).abs()) < 1e-10
    # Every entry owns the stretch of the path on which it is the largest of a window; it lies in at most nine
    # windows, the ends of a stretch are known to a step, and a change is below 8.
    fine = integrated_gradients(f, x, b, steps=5000, rule="midpoint")
    assert float((exact - fine).abs().max()) <= 9 * 2 * 8 / 5000


def test_the_edge_of_a_padded_pool_makes_no_pieces():
    # Each window of a 2 x 2 image holds one pixel and three cells of padding: nothing to choose.
    layers = nn.Unflatten(1, (1, 2, 2)), nn.MaxPool2d(2, 2, 1), nn.Flatten()
    x, b = rows(1, 4), rows(1, 4, 1)
    found = exact_integrated_gradients(nn.Sequential(*layers), 2, x, b, limit=1)
    expected = torch.where(torch.arange(4) == 2, x - b, 0.0)
    torch.testing.assert_close(found, expected, rtol=0, atol=rounding(5, 5))


def test_a_path_of_no_length_gets_nothing():
    model, x = kinked(), rows(4, 6)
    assert torch.equal(exact_integrated_gradients(model, 1, x, x), torch.zeros_like(x))
    assert torch.equal(CALLS["integrated"](model, x, x), torch.zeros_like(x))


def test_a_unit_that_stays_at_its_switch_leaves_the_sum_right():
    model = mlp([4, 8, 1], generator()).double()
    with torch.no_grad():
        model[0].weight[0] = torch.tensor([1.0, -1, 0, 0])
        model[0].bias[0] = 0
    x, b = rows(3, 4), torch.zeros(3, 4, dtype=torch.float64)
    x[:, 1] = x[:, 0]
    f = class_score(model, 0)
    found = exact_integrated_gradients(model, 0, x, b)
    gap = found.sum(dim=1) - f(x) + f(b)
    assert float(gap.abs().max()) <= rounding(100, 10)


def test_inputs_of_every_scale_are_split_where_they_switch():
    model = mlp([4, 8, 1], generator()).double()
    f = class_score(model, 0)
    for scale in (1e-150, 1e-8, 1.0, 1e8, 1e150):
        x, b = scale * rows(3, 4), -scale * rows(3, 4, 1)
        found = exact_integrated_gradients(model, 0, x, b)
        gap = float((found.sum(dim=1) - f(x) + f(b)).abs().max())
        assert gap <= rounding(200, max(10 * scale, 10))


def test_in_place_rectifiers_are_as_good():
    model, x, b = kinked(), rows(3, 6), rows(3, 6, 1)
    hasty = nn.Sequential(model[0], nn.ReLU(inplace=True), model[2])
    torch.testing.assert_close(
        CALLS["exact"](hasty, x, b),
        CALLS["exact"](model, x, b),
        rtol=0,
        atol=rounding(100, 10),
    )


def test_more_pieces_than_the_limit_are_refused():
    model, x = mlp([6, 64, 3], generator()).double(), rows(1, 6)
    with pytest.raises(ValueError, match="at most 3 linear pieces"):
        exact_integrated_gradients(model, 0, 9 * x, -9 * x, limit=3)
    # One unit, one switch, two pieces
    single = nn.Sequential(nn.ReLU())
    x = torch.ones(1, 1, dtype=torch.float64)
    assert float(exact_integrated_gradients(single, 0, x, -x[0], limit=2)) == 1
    with pytest.raises(ValueError, match="at most 1 linear pieces"):
        exact_integrated_gradients(single, 0, x, -x[0], limit=1)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Tanh(),
        nn.GELU(),
        nn.Softmax(dim=1),
        nn.LayerNorm(6),
        nn.BatchNorm1d(6, track_running_stats=False),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.ReLU6(),
        nn.TransformerEncoderLayer(6, 2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_net_that_is_not_known_to_be_piecewise_linear_is_refused_by_name(layer):
    model = nn.Sequential(nn.Linear(6, 6), layer, nn.Linear(6, 2)).double()
    with untouched(model), pytest.raises(ValueError, match=type(layer).__name__):
        exact_integrated_gradients(model, 0, rows(2, 6), torch.zeros(6))


def test_a_layer_of_a_known_name_that_computes_something_else_is_refused():
    class Square(nn.Linear):
        def forward(self, x):
            return super().forward(x) ** 2

    class Doubled(nn.Sequential):
        def forward(self, x):
            return super().forward(super().forward(x))

    for model in (Square(6, 2), Doubled(nn.ReLU())):
        with pytest.raises(ValueError, match="Square|Doubled"):
            exact_integrated_gradients(model, 0, rows(2, 6), torch.zeros(6))


# Expected gradients


def test_a_linear_score_gets_its_weight_times_the_change_from_the_mean():
    x, background, w = rows(5, 4), rows(7, 4, 1), rows(1, 4, 2)[0]
    for rows_drawn, samples in ((background[:1], 3), (background, 50_000)):
        found = expected_gradients(
            lambda x: x @ w, x, rows_drawn, samples=samples, generator=generator()
        )
        error = (found - w * (x - rows_drawn.mean(dim=0))).abs()
        spread = (w * rows_drawn).std(dim=0, correction=0) / samples**0.5
        assert bool((error <= 5 * spread + rounding(samples, 50)).all())


def test_expected_gradients_are_integrated_gradients_averaged_over_the_background():
    f, x, background = class_score(smooth(), 0), rows(2, 6), rows(5, 6, 1)
    each = [integrated_gradients(f, x, b) for b in background]
    runs = torch.stack(
        [
            expected_gradients(f, x, background, samples=500, generator=generator(s))
            for s in range(40)
        ]
    )
    error = runs.mean(dim=0) - torch.stack(each).mean(dim=0)
    # 12 means of 40 runs, each within five standard errors
    assert bool((error.abs() <= 5 * runs.std(dim=0) / 40**0.5).all())


def test_every_baseline_and_every_place_on_the_path_is_drawn():
    seen = []

    def f(x):
        seen.append(x.detach().clone())
        return x.sum(dim=1)

    background = torch.tensor([[0.0], [100.0], [200.0]], dtype=torch.float64)
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    expected_gradients(f, x, background, samples=3000, generator=generator())
    points = torch.cat([s for s in seen if len(s) > 1]).view(-1, 2)  # (samples, rows)
    assert len(points) == 3000
    # 3000 draws: five standard errors of a share are at most .046.
    assert abs(float((points[:, 0] > 1).double().mean()) - 2 / 3) < 0.046
    above = float((points[:, 0] > 100).double().mean())
    assert abs(above - 1 / 3 * 100 / 199) < 0.046
    # The rows share their draws: they differ by the place on the path, which is spread evenly.
    places = (points[:, 1] - points[:, 0]).sort().values
    even = (torch.arange(3000, dtype=torch.float64) + 0.5) / 3000
    assert float((places - even).abs().max()) < 0.046


# Conductance


@pytest.mark.parametrize("cut", range(1, 5))
def test_conductance_is_complete_at_every_layer(cut):
    model, x, b = smooth(), rows(4, 6), rows(4, 6, 1)
    f = class_score(model, 1)
    found = conductance(model[:cut], class_score(model[cut:], 1), x, b, steps=100)
    gap = found.flatten(1).sum(dim=1) - f(x) + f(b)
    assert float(gap.abs().max()) < 1e-10


def test_the_conductance_of_the_inputs_themselves_is_their_attribution():
    model, x, b = smooth(), rows(4, 6), rows(4, 6, 1)
    f = class_score(model, 1)
    torch.testing.assert_close(
        conductance(nn.Identity(), f, x, b, steps=9),
        integrated_gradients(f, x, b, steps=9),
        rtol=0,
        atol=rounding(100, 10),
    )


def test_the_conductance_before_a_linear_read_out_is_what_each_unit_gained():
    model, x, b = smooth(), rows(4, 6), rows(4, 6, 1)
    found = conductance(model[:4], class_score(model[4:], 1), x, b, steps=100)
    with torch.no_grad():
        gained = model[4].weight[1] * (model[:4](x) - model[:4](b))
    torch.testing.assert_close(found, gained, rtol=0, atol=1e-10)


def test_conductance_has_the_shape_of_a_hidden_image():
    model = convnet(generator(), channels=(4, 8)).double()
    back = class_score(model[4:], 2)
    found = conductance(model[:4], back, rows(3, 64), torch.zeros(64), steps=20)
    assert found.shape == (3, 8, 4, 4)


# What every function owes its caller


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_type_device_and_inputs_are_kept(call, device, dtype):
    model, b = learner(dtype).to(device), torch.zeros(6, dtype=dtype, device=device)
    x = rows(3, 6, dtype=dtype).to(device).requires_grad_()
    before = x.detach().clone()
    state = torch.random.get_rng_state()
    found = CALLS[call](model, x, b)
    assert (found.dtype, found.device) == (dtype, x.device)
    assert found.shape == ((3, 16) if call == "conductance" else x.shape)
    assert not found.requires_grad
    assert torch.equal(x, before)
    assert x.grad is None
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(found, CALLS[call](model, x, b))


@pytest.mark.parametrize("call", CALLS)
def test_a_batch_of_one_is_a_row_of_the_batch(call):
    model, x, b = learner(), rows(4, 6), torch.ones(6, dtype=torch.float64)
    whole = CALLS[call](model, x, b)
    for i in range(4):
        torch.testing.assert_close(
            CALLS[call](model, x[i : i + 1], b),
            whole[i : i + 1],
            rtol=0,
            atol=rounding(200, 10),
        )


@pytest.mark.parametrize("call", ["integrated", "exact", "conductance"])
def test_one_baseline_for_all_is_the_same_baseline_for_each(call):
    model, x, b = learner(), rows(4, 6), rows(1, 6, 1)[0]
    assert torch.equal(CALLS[call](model, x, b), CALLS[call](model, x, b.expand(4, 6)))


@pytest.mark.parametrize("call", CALLS)
def test_a_model_comes_back_as_it_was_also_after_an_error(call):
    model, x = learner(), rows(3, 6)
    model(x).sum().backward()
    with untouched(model):
        CALLS[call](model, x, torch.zeros(6))
    for bad in (torch.zeros(5), torch.full((6,), NAN)):
        with untouched(model), pytest.raises(ValueError, match="must"):
            CALLS[call](model, x, bad)
    with untouched(model), pytest.raises(ValueError, match="finite"):
        CALLS[call](model, x * NAN, torch.zeros(6))
    with torch.no_grad():
        model[-1].weight.fill_(NAN)
    with untouched(model), pytest.raises(ValueError, match="finite scores"):
        CALLS[call](model, x, torch.zeros(6))


@pytest.mark.parametrize("call", CALLS)
def test_gradients_can_be_off_where_it_is_called(call):
    model, x, b = learner(), rows(3, 6), torch.zeros(6)
    with torch.no_grad():
        quiet = CALLS[call](model, x, b)
    assert torch.equal(quiet, CALLS[call](model, x, b))


# Bad input

X, B = rows(3, 4), torch.zeros(4)


def total(x):
    return (x**2).sum(dim=1)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x.detach().sum(dim=1), "f must be differentiable"),
        (lambda x: (x.sum(dim=1) > 0).double(), "f must be differentiable"),
        (lambda x: torch.from_numpy(x.detach().numpy().sum(axis=1)), "differentiable"),
        (lambda x: x, "f must return shape"),
        (lambda x: x.sum(), "f must return shape"),
        (lambda x: (x - x.mean(dim=0)).square().sum(dim=1), "f must treat rows apart"),
        (lambda x: x.sum(dim=1) / 0, "f must return finite"),
        (lambda x: (0 * x).sqrt().sum(dim=1), "f must have finite gradients"),
    ],
)
def test_a_function_that_is_no_score_of_single_rows_is_refused(f, message):
    for call in (
        lambda: integrated_gradients(f, X, B),
        lambda: expected_gradients(f, X, B[None], generator=generator()),
        lambda: conductance(nn.Identity(), f, X, B),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("rule", RULES)
def test_gradients_that_are_silently_zero_are_refused(rule):
    def rounded(x):
        return (10 * x).round().sum(dim=1)  # torch gives the steps of a stair no slope

    with pytest.raises(ValueError, match="zero at every node.*the score changes by"):
        integrated_gradients(rounded, X, B, rule=rule)
    flat = integrated_gradients(lambda x: 0 * x.sum(dim=1), X, B, rule=rule)
    assert torch.equal(flat, torch.zeros_like(X))


def test_sampled_paths_and_hidden_layers_refuse_silent_zeros_too():
    def rounded(x):
        return (10 * x).round().sum(dim=1)

    layer = nn.Identity()
    for explain in (
        lambda f: expected_gradients(f, X, B.expand_as(X), generator=generator()),
        lambda f: conductance(layer, f, X, B),
    ):
        with pytest.raises(ValueError, match="zero at every node.*the score changes"):
            explain(rounded)
        assert torch.equal(explain(lambda x: 0 * x.sum(dim=1)), torch.zeros_like(X))


def test_the_exact_integral_names_an_input_of_another_type_than_the_model():
    with pytest.raises(TypeError, match="x must be of the model's type torch.float64"):
        exact_integrated_gradients(kinked(), 0, X.float(), B.float())


def test_a_front_that_mixes_rows_or_cuts_the_gradient_is_refused():
    class Mixed(nn.Module):
        def forward(self, x):
            return x - x.mean(dim=0)

    class Cut(nn.Module):
        def forward(self, x):
            return x.detach() + 1

    with pytest.raises(ValueError, match="rows apart"):
        conductance(Mixed(), total, X, B)
    with pytest.raises(ValueError, match="differentiable"):
        conductance(Cut(), total, X, B)


SCORE = class_score(mlp([4, 3], generator()).double(), 0)
LINE = nn.Linear(4, 3).double()
G = generator()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quadrature("simpson", 3), ValueError, "rule must be one of.*simpson"),
        (lambda: quadrature(None, 3), ValueError, "rule must be one of"),
        (lambda: quadrature("gauss", 0), ValueError, "steps must be at least 1"),
        (lambda: quadrature("trapezoid", 1), ValueError, "steps must be at least 2"),
        (lambda: quadrature("gauss", 2.0), TypeError, "steps must be an integer"),
        (
            lambda: integrated_gradients(total, X.numpy(), B),
            TypeError,
            "x must be a tensor",
        ),
        (lambda: integrated_gradients(total, X.int(), B), ValueError, "x must hold fl"),
        (lambda: integrated_gradients(total, X[0], B), ValueError, "x must hold float"),
        (lambda: integrated_gradients(total, X[:0], B), ValueError, "x must hold floa"),
        (
            lambda: integrated_gradients(total, X, np.zeros(4)),
            TypeError,
            "baseline must be a tensor",
        ),
        (lambda: integrated_gradients(total, X, 0), TypeError, "baseline must be a te"),
        (
            lambda: integrated_gradients(total, X, torch.zeros(3)),
            ValueError,
            r"baseline must have .* shape \(4,\), got \(3,\)",
        ),
        (
            lambda: integrated_gradients(total, X, torch.zeros(2, 4)),
            ValueError,
            "baseline must have",
        ),
        (
            lambda: integrated_gradients(total, X, torch.tensor(0.0)),
            ValueError,
            "baseline must have",
        ),
        (
            lambda: integrated_gradients(total, X, B / 0),
            ValueError,
            "baseline must be finite",
        ),
        (
            lambda: integrated_gradients(total, X / 0, B),
            ValueError,
            "x must be finite",
        ),
        (
            lambda: integrated_gradients(total, X, B, batch=0),
            ValueError,
            "batch must be at least 1",
        ),
        (
            lambda: expected_gradients(total, X, B, generator=G),
            ValueError,
            "background must have rows",
        ),
        (
            lambda: expected_gradients(total, X, torch.zeros(0, 4), generator=G),
            ValueError,
            "background must have rows",
        ),
        (
            lambda: expected_gradients(total, X, X * NAN, generator=G),
            ValueError,
            "background must be finite",
        ),
        (
            lambda: expected_gradients(total, X, None, generator=G),
            TypeError,
            "background must be a tensor",
        ),
        (
            lambda: expected_gradients(total, X, X, generator=0),
            TypeError,
            "generator must be a torch.Generator",
        ),
        (
            lambda: expected_gradients(total, X, X, samples=0, generator=G),
            ValueError,
            "samples must be at least 1",
        ),
        (
            lambda: exact_integrated_gradients(SCORE, 0, X, B),
            TypeError,
            "model must be a torch.nn.Module",
        ),
        (
            lambda: exact_integrated_gradients(LINE, 3, X, B),
            ValueError,
            "above index 3",
        ),
        (
            lambda: exact_integrated_gradients(LINE, -1, X, B),
            ValueError,
            "index must be at least 0",
        ),
        (
            lambda: exact_integrated_gradients(LINE, 0, X, B, limit=0),
            ValueError,
            "limit must be at least 1",
        ),
        (
            lambda: conductance(total, SCORE, X, B),
            TypeError,
            "must be a torch.nn.Module",
        ),
        (
            lambda: conductance(nn.Identity(), SCORE, X, B, rule="best"),
            ValueError,
            "rule must be one of",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
