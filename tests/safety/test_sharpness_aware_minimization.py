"""The properties that make `companion.safety.sharpness_aware_minimization` correct."""

import copy

import pytest
import torch
from torch import nn

from companion.networks import mlp
from companion.safety.sharpness_aware_minimization import sam_step, sharpness
from tests.untouched import untouched

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
DTYPES = [torch.float32, torch.float64]
NAN = float("nan")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(device: str = "cpu", dtype=torch.float64):
    x = torch.rand(30, 8, generator=generator(), dtype=dtype).to(device)
    return x, torch.randint(0, 3, (30,), generator=generator(1)).to(device)


def network(device: str = "cpu", dtype=torch.float64) -> nn.Module:
    return mlp([8, 16, 3], generator()).to(device, dtype)


def loss_of(model, x, y):
    return lambda: nn.functional.cross_entropy(model(x), y)


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


class Quadratic(nn.Module):
    """Half theta.H.theta, in two pieces of parameters."""

    def __init__(self, theta, H):
        super().__init__()
        self.a, self.b = (nn.Parameter(part.clone()) for part in theta.split([2, 3]))
        self.H = H

    def theta(self):
        return torch.cat([self.a, self.b])

    def loss(self):
        return self.theta() @ self.H @ self.theta() / 2


def quadratic(seed: int = 0) -> Quadratic:
    A = torch.randn(5, 5, generator=generator(seed), dtype=torch.float64)
    theta = torch.randn(5, generator=generator(seed + 1), dtype=torch.float64)
    return Quadratic(theta, A @ A.T + torch.eye(5))


@pytest.mark.parametrize("seed", range(5))
def test_on_a_quadratic_a_step_is_the_closed_form(seed):
    model = quadratic(seed)
    theta, H = model.theta().detach(), model.H
    value = sam_step(model, sgd(model), model.loss, rho=0.7)
    g = H @ theta
    expected = theta - 0.1 * H @ (theta + 0.7 * g / g.norm())
    # two products of 5 x 5, a norm: some 60 operations on numbers below 300
    error = 10 * 60 * 2.3e-16 * 300
    torch.testing.assert_close(model.theta().detach(), expected, atol=error, rtol=0)
    assert abs(value - float(theta @ H @ theta / 2)) <= error


@pytest.mark.parametrize("seed", range(5))
def test_on_a_quadratic_sharpness_is_the_closed_form(seed):
    model = quadratic(seed)
    theta, H = model.theta().detach(), model.H
    u = H @ theta / (H @ theta).norm()
    expected = 0.7 * (H @ theta).norm() + 0.49 / 2 * u @ H @ u
    with untouched(model):
        found = sharpness(model, model.loss, 0.7)
    # as above: sums of numbers below 300
    assert abs(found - float(expected)) <= 10 * 60 * 2.3e-16 * 300


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rho", [1e-3, 0.5, 20.0])
def test_the_loss_is_asked_once_here_and_once_exactly_rho_uphill(rho, dtype, device):
    model, (x, y) = network(device, dtype), batch(device, dtype)
    seen, loss = [], loss_of(model, x, y)

    def closure():
        seen.append(nn.utils.parameters_to_vector(model.parameters()).detach().clone())
        return loss()

    loss().backward()
    gradient = nn.utils.parameters_to_vector([p.grad for p in model.parameters()])
    sam_step(model, sgd(model), closure, rho)
    assert len(seen) == 2
    step = (seen[1] - seen[0]).double()
    # 195 entries below 1 + rho, rounded once each when they are added
    error = 10 * 195**0.5 * torch.finfo(dtype).eps * (1 + rho)
    assert abs(float(step.norm()) - rho) <= error
    along = gradient.double() / gradient.double().norm()
    assert float((step / rho - along).abs().max()) <= error / rho


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "weight_decay": 0.01}])
def test_with_radius_zero_it_is_the_optimisers_own_step_bit_by_bit(options):
    x, y = batch(dtype=torch.float32)
    plain, ours = network(dtype=torch.float32), network(dtype=torch.float32)
    one, two = sgd(plain, **options), sgd(ours, **options)
    for _ in range(20):
        one.zero_grad()
        loss_of(plain, x, y)().backward()
        one.step()
        sam_step(ours, two, loss_of(ours, x, y), rho=0.0)
    for p, q in zip(plain.parameters(), ours.parameters(), strict=True):
        assert torch.equal(p, q)
        assert torch.equal(p.grad, q.grad)


def test_with_radius_zero_the_loss_is_asked_once():
    model, calls = network(), []
    x, y = batch()
    sam_step(model, sgd(model), lambda: calls.append(1) or loss_of(model, x, y)(), 0.0)
    assert len(calls) == 1


def _naive_step(model, optimizer, closure, rho):
    """The ascent is forgotten in the parameters: the descent starts from the wrong point."""
    closure().backward()
    with torch.no_grad():
        length = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
        for p in model.parameters():
            p.add_(p.grad, alpha=float(rho / length))
    optimizer.zero_grad()
    closure().backward()
    optimizer.step()


def test_the_descent_starts_where_the_parameters_stood_and_the_naive_one_does_not():
    right, wrong = quadratic(), quadratic()
    theta = right.theta().detach()
    sam_step(right, torch.optim.SGD(right.parameters(), lr=1e-9), right.loss, 0.7)
    _naive_step(wrong, torch.optim.SGD(wrong.parameters(), lr=1e-9), wrong.loss, 0.7)
    assert float((right.theta() - theta).detach().norm()) < 1e-6
    assert abs(float((wrong.theta() - theta).detach().norm()) - 0.7) < 1e-6


def test_where_the_gradient_is_zero_nothing_moves():
    model = Quadratic(torch.zeros(5, dtype=torch.float64), torch.eye(5).double())
    sam_step(model, sgd(model), model.loss, 0.5)
    assert not model.theta().any()
    assert sharpness(model, model.loss, 0.5) == 0


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        (torch.float32, 1e-30),
        (torch.float32, 1e37),
        (torch.float64, 1e-300),
        (torch.float64, 1e300),
        (torch.float16, 1e-5),
        (torch.float16, 1e4),
    ],
)
def test_gradients_whose_squares_are_lost_still_have_a_direction(dtype, scale):
    model = nn.Linear(2, 1, bias=False).to(dtype)
    nn.init.zeros_(model.weight)
    slope, seen = torch.tensor([[3.0, 4.0]], dtype=dtype) * scale, []

    def closure():
        seen.append(model.weight.detach().clone())
        return (model.weight * slope).sum()

    sam_step(model, torch.optim.SGD(model.parameters(), lr=0.0), closure, rho=0.5)
    # Ten operations on numbers below 1, and in float16 the entries of 3e-5 are
    # multiples of 6e-8, which is 1e-3 of them.
    expected = torch.tensor([[0.3, 0.4]], dtype=dtype)
    atol = 10 * torch.finfo(dtype).eps
    torch.testing.assert_close(seen[1], expected, atol=atol, rtol=0)


def test_a_radius_that_overflows_the_parameters_is_refused():
    model, (x, y) = network(dtype=torch.float32), batch(dtype=torch.float32)
    with untouched(model), pytest.raises(ValueError, match="finite loss"):
        sam_step(model, sgd(model), loss_of(model, x, y), 1e300)


def test_parameters_that_are_frozen_or_not_used_stay():
    model, (x, y) = network(), batch()
    model[0].bias.requires_grad_(False)
    model.register_parameter("spare", nn.Parameter(torch.ones(2).double()))
    kept = model[0].bias.detach().clone()
    sam_step(model, sgd(model), loss_of(model, x, y), 0.3)
    assert torch.equal(model[0].bias, kept)
    assert model[0].bias.grad is None
    assert torch.equal(model.spare, torch.ones(2).double())


def test_only_what_the_optimiser_holds_moves_uphill():
    model, (x, y) = network(), batch()
    seen = []

    def closure():
        seen.append([p.detach().clone() for p in model.parameters()])
        return loss_of(model, x, y)()

    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    sam_step(model, optimizer, closure, 0.3)
    moved = [not torch.equal(a, b) for a, b in zip(*seen, strict=True)]
    assert moved == [False, False, True, True]


def test_statistics_of_batch_normalisation_are_those_of_the_parameters_themselves():
    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).double()
    once, (x, y) = copy.deepcopy(model), batch()
    once(x)
    sam_step(model, sgd(model), loss_of(model, x, y), rho=2.0)
    for a, b in zip(model.buffers(), once.buffers(), strict=True):
        assert torch.equal(a, b)
    with untouched(model):
        sharpness(model, loss_of(model, x, y), 2.0)


def test_it_works_where_gradients_are_switched_off():
    one, two = network(), network()
    x, y = batch()
    sam_step(one, sgd(one), loss_of(one, x, y), 0.3)
    with torch.no_grad():
        sam_step(two, sgd(two), loss_of(two, x, y), 0.3)
        assert not torch.is_grad_enabled()
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(p, q)


def test_sharpness_is_the_length_of_the_gradient_to_first_order_and_not_invariant():
    model, (x, y) = network(), batch()
    loss_of(model, x, y)().backward()
    length = nn.utils.parameters_to_vector([p.grad for p in model.parameters()]).norm()
    found = sharpness(model, loss_of(model, x, y), 1e-6)
    # second order: a curvature below 1e2, times the radius
    assert abs(found / 1e-6 - float(length)) < 1e-4 + 1e-8
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled[0].weight.mul_(8)
        scaled[0].bias.mul_(8)
        scaled[2].weight.div_(8)
    torch.testing.assert_close(scaled(x), model(x), atol=1e-13, rtol=0)
    assert sharpness(scaled, loss_of(scaled, x, y), 0.1) > 2 * sharpness(
        model, loss_of(model, x, y), 0.1
    )


# The caller's things


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("function", ["step", "sharpness"])
@pytest.mark.parametrize("kind", ["raises", "nan loss", "nan gradient"])
def test_a_failure_at_either_evaluation_leaves_no_trace(failing, function, kind):
    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).double()
    x, y = batch()
    loss_of(model, x, y)().backward()
    optimizer = sgd(model, momentum=0.9)
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    calls = []

    def closure():
        calls.append(1)
        loss = loss_of(model, x, y)()
        if len(calls) < failing:
            return loss
        if kind == "raises":
            raise ValueError("the closure must not raise")
        if kind == "nan loss":
            return loss * NAN
        return loss + (0 * model[0].weight).sqrt().sum()

    arguments = (model, optimizer, closure) if function == "step" else (model, closure)
    asked = sam_step if function == "step" else sharpness
    with untouched(model), pytest.raises(ValueError, match="closure must"):
        asked(*arguments, 0.3)
    assert len(calls) == failing
    after = optimizer.state_dict()
    assert after["param_groups"] == state["param_groups"]
    for i, kept in state["state"].items():
        assert torch.equal(
            after["state"][i]["momentum_buffer"], kept["momentum_buffer"]
        )


def test_an_interrupt_leaves_no_trace_either():
    model, (x, y) = network(), batch()
    calls = []

    def closure():
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return loss_of(model, x, y)()

    with untouched(model), pytest.raises(KeyboardInterrupt):
        sam_step(model, sgd(model), closure, 0.3)


# Bad input


@pytest.mark.parametrize(
    ("rho", "error"),
    [(-0.1, ValueError), (NAN, ValueError), ("a", TypeError), (True, TypeError)],
)
def test_unfit_radii_are_refused(rho, error):
    model, (x, y) = network(), batch()
    with untouched(model), pytest.raises(error, match="rho must"):
        sam_step(model, sgd(model), loss_of(model, x, y), rho)
    with untouched(model), pytest.raises(error, match="rho must"):
        sharpness(model, loss_of(model, x, y), rho)


@pytest.mark.parametrize(
    ("closure", "error", "message"),
    [
        (lambda m: 1.0, TypeError, "must return one loss"),
        (lambda m: m(torch.zeros(1, 8).double()), TypeError, "must return one loss"),
        (lambda m: torch.tensor(1.0), ValueError, "depends on the model"),
        (lambda m: m[0].weight.sum() * torch.inf, ValueError, "finite loss"),
    ],
)
def test_unfit_losses_are_refused(closure, error, message):
    model = network()
    with untouched(model), pytest.raises(error, match=message):
        sam_step(model, sgd(model), lambda: closure(model), 0.3)
    with untouched(model), pytest.raises(error, match=message):
        sharpness(model, lambda: closure(model), 0.3)


def test_what_is_no_model_or_optimiser_or_belongs_to_another_is_refused():
    model, (x, y) = network(), batch()
    loss = loss_of(model, x, y)
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module"):
        sam_step(lambda x: x, sgd(model), loss, 0.3)
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module"):
        sharpness(lambda x: x, loss, 0.3)
    with pytest.raises(TypeError, match="optimizer must be"):
        sam_step(model, 0.1, loss, 0.3)
    with pytest.raises(ValueError, match="optimizer must hold parameters of the model"):
        sam_step(model, sgd(network()), loss, 0.3)
    both = torch.optim.SGD([*model.parameters(), *network().parameters()], lr=0.1)
    with pytest.raises(ValueError, match="optimizer must hold parameters of the model"):
        sam_step(model, both, loss, 0.3)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="parameters that require gradients"):
        sam_step(model, sgd(model), loss, 0.3)
