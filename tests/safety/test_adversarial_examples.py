"""The properties that make `companion.safety.adversarial_examples` correct."""

import itertools

import pytest
import torch
from torch import nn

from companion.classifiers import accuracy
from companion.datasets import digits
from companion.networks import convnet, mlp
from companion.safety.adversarial_examples import (
    Nearest,
    carlini_wagner_l2,
    fgsm,
    margin_loss,
    pgd,
)
from companion.training import train_classifier
from tests.untouched import untouched

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
DTYPES = [torch.float32, torch.float64]
CW = {"searches": 3, "steps": 9, "constant": 1.0, "learning_rate": 0.5}
ATTACKS = {
    "fgsm": lambda *a, **k: fgsm(*a, epsilon=0.2, **k),
    "pgd": lambda *a, **k: pgd(*a, epsilon=0.2, steps=3, **k),
    "pgd_l2": lambda *a, **k: pgd(*a, epsilon=0.9, steps=3, norm="l2", **k),
    "cw": lambda *a, **k: carlini_wagner_l2(*a, **CW, **k).images,
}
START = {"random_start": True, "best": False}
NAN = float("nan")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 40, d: int = 64, seed: int = 0, dtype=torch.float32):
    """Random images, some pixels exactly black or white, and random labels."""
    g = generator(seed)
    x = (1.4 * torch.rand(n, d, generator=g, dtype=torch.float64) - 0.2).clamp(0, 1)
    return x.to(dtype), torch.randint(0, 10, (n,), generator=g)


def inner_images(n: int = 40) -> torch.Tensor:
    """Images so far from black and white that no attack here is clipped."""
    return 0.5 + 0.2 * (images(n, dtype=torch.float64)[0] - 0.5)


def network(seed: int = 0, dtype=torch.float32) -> nn.Module:
    return mlp([64, 32, 10], generator(seed)).to(dtype).eval()


class Returns(nn.Module):
    """A model that is one function, and counts how often it is asked."""

    def __init__(self, function):
        super().__init__()
        self.function, self.calls = function, 0

    def forward(self, x):
        self.calls += 1
        return self.function(x)


def line(seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    """Two classes whose margin is linear, z_1 - z_0 = w.x + 0.3, and w."""
    w = torch.randn(64, generator=generator(seed), dtype=torch.float64)

    def logits(x):
        lead = x.flatten(1) @ w + 0.3
        return torch.stack([torch.zeros_like(lead), lead], dim=1)

    return Returns(logits), w


def share_fooled(model, x, y) -> float:
    with torch.no_grad():
        return float((model(x).argmax(dim=1) != y).double().mean())


# The margin


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", DEVICES)
def test_the_margin_is_its_definition_row_by_row(device, dtype):
    z = torch.randn(200, 7, generator=generator(), dtype=dtype).to(device)
    y = torch.randint(0, 7, (200,), generator=generator(1)).to(device)
    margin = margin_loss(z, y)
    assert (margin.dtype, margin.device) == (dtype, z.device)
    for row, label, value in zip(z.tolist(), y.tolist(), margin.tolist(), strict=True):
        lead = max(v for j, v in enumerate(row) if j != label) - row[label]
        # one difference of numbers below 8, rounded once
        assert abs(value - lead) <= 80 * torch.finfo(dtype).eps


def test_the_margin_is_positive_exactly_where_the_image_is_misclassified():
    z = torch.randn(5000, 4, generator=generator())
    y = torch.randint(0, 4, (5000,), generator=generator(1))
    assert torch.equal(margin_loss(z, y) > 0, z.argmax(dim=1) != y)


def test_the_margin_does_not_notice_a_shift_of_all_logits_and_grows_with_their_scale():
    z = torch.randn(99, 5, generator=generator(), dtype=torch.float64)
    y = torch.randint(0, 5, (99,), generator=generator(1))
    # three roundings of numbers up to 110
    shifted = margin_loss(z - 100, y)
    torch.testing.assert_close(shifted, margin_loss(z, y), atol=7e-13, rtol=0)
    assert torch.equal(margin_loss(64 * z, y), 64 * margin_loss(z, y))


# Where every attack must stay


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", DEVICES)
def test_an_attack_stays_an_image_and_keeps_shape_type_and_device(
    attack, dtype, device
):
    x, y = (part.to(device) for part in images(dtype=dtype))
    found = ATTACKS[attack](network(dtype=dtype).to(device), x, y)
    assert (found.shape, found.dtype, found.device) == (x.shape, x.dtype, x.device)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert not found.requires_grad
    assert not torch.equal(found, x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.4, 3.0])
def test_pgd_stays_within_its_radius_from_any_start(norm, epsilon, dtype):
    x, y = images(dtype=dtype)
    walk = {"steps": 5, "step": epsilon, "norm": norm, "generator": generator()}
    for start, best in itertools.product((False, True), repeat=2):
        found = pgd(
            network(dtype=dtype), x, y, epsilon, random_start=start, best=best, **walk
        )
        change = (found - x).double().flatten(1)
        length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
        # linf: x + epsilon is rounded; l2: 64 squares, sum, root, quotient, product
        steps = 1 if norm == "linf" else 70
        slack = 10 * steps * torch.finfo(dtype).eps * (1 + epsilon)
        assert float(length.max()) <= epsilon + slack
        assert found.min() >= 0
        assert found.max() <= 1


def test_images_keep_their_rows_and_columns_and_the_attack_is_the_same():
    x, y = images()
    rows = x.view(-1, 1, 8, 8)
    square = nn.Sequential(nn.Flatten(), network())
    for norm in ("linf", "l2"):
        one = pgd(network(), x, y, 0.2, norm=norm, steps=4)
        assert torch.equal(
            pgd(square, rows, y, 0.2, norm=norm, steps=4), one.view_as(rows)
        )
    one = carlini_wagner_l2(network(), x, y, steps=5)
    two = carlini_wagner_l2(square, rows, y, steps=5)
    assert torch.equal(two.images, one.images.view_as(rows))
    assert torch.equal(two.distance, one.distance)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_image_is_attacked_as_if_it_were_alone(attack):
    # In float64, where another order of summation in a larger batch moves no sign.
    x, y = images(12, dtype=torch.float64)
    model = network(dtype=torch.float64)
    together = ATTACKS[attack](model, x, y)
    for i in range(len(x)):
        alone = ATTACKS[attack](model, x[i : i + 1], y[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], atol=1e-9, rtol=0)


# Closed forms


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_on_a_single_linear_margin_fgsm_and_pgd_reach_the_worst_corner(label, loss):
    (model, w), (x, _) = line(), images(dtype=torch.float64)
    y = torch.full((len(x),), label)
    corner = (x + 0.2 * (1 - 2 * label) * w.sign()).clamp(0, 1)
    enough, twice = {"step": 0.0401, "steps": 5}, {"step": 0.0401, "steps": 10}
    start = {"random_start": True, "generator": generator()}
    for found in (
        fgsm(model, x, y, 0.2, loss=loss),
        pgd(model, x, y, 0.2, loss=loss),
        pgd(model, x, y, 0.2, loss=loss, **enough),
        pgd(model, x, y, 0.2, loss=loss, **twice, **start),
    ):
        # x + step and x + epsilon are rounded once, below 2
        torch.testing.assert_close(found, corner, atol=4e-15, rtol=0)


def test_steps_that_do_not_cross_the_set_miss_the_corner():
    (model, w), (x, _) = line(), images(dtype=torch.float64)
    y = torch.zeros(len(x), dtype=torch.int64)
    corner = (x + 0.2 * w.sign()).clamp(0, 1)
    short = pgd(model, x, y, 0.2, step=0.019, steps=10)
    assert float((short - corner).abs().max()) > 0.009
    start = {"random_start": True, "generator": generator()}
    short = pgd(model, x, y, 0.2, step=0.03, steps=10, **start)
    assert float((short - corner).abs().max()) > 0.01


def test_an_unclipped_euclidean_step_on_a_linear_margin_is_the_closed_form():
    (model, w), x = line(), inner_images()
    y = torch.zeros(len(x), dtype=torch.int64)
    expected = x + 0.3 * w / w.norm()
    for step, steps in ((0.31, 3), (0.1, 3), (0.5, 1)):
        found = pgd(model, x, y, 0.3, norm="l2", step=step, steps=steps)
        # 3 times 64 squares, their sum, a root, a quotient, of numbers up to 1
        torch.testing.assert_close(found, expected, atol=5e-13, rtol=0)
    short = pgd(model, x, y, 0.3, norm="l2", step=0.1, steps=2)
    torch.testing.assert_close(short, x + 0.2 * w / w.norm(), atol=5e-13, rtol=0)


def test_carlini_and_wagner_come_close_to_the_distance_from_a_plane():
    (model, w), x = line(), inner_images()
    lead = model(x)[:, 1]
    distance = lead.abs() / w.norm()
    found = carlini_wagner_l2(
        model, x, (lead > 0).long(), steps=300, learning_rate=0.01
    )
    assert bool((found.distance >= distance - 1e-12).all())
    assert float((found.distance / distance).max()) < 1.05


def test_one_step_of_pgd_without_a_random_start_is_fgsm():
    x, y = images()
    for loss, targeted in itertools.product(("cross_entropy", "margin"), (False, True)):
        same = {"loss": loss, "targeted": targeted}
        one = pgd(network(), x, y, 0.1, step=0.1, steps=1, best=False, **same)
        assert torch.equal(one, fgsm(network(), x, y, 0.1, **same))


def test_fgsm_is_its_equation():
    x, y = images()
    x.requires_grad_()
    nn.functional.cross_entropy(network()(x), y).backward()
    expected = (x + 0.1 * x.grad.sign()).clamp(0, 1).detach()
    # x + epsilon is rounded once on either side
    found = fgsm(network(), x, y, 0.1)
    torch.testing.assert_close(found, expected, atol=2.4e-6, rtol=0)


def test_a_euclidean_step_has_its_length_where_squares_of_gradients_are_zero():
    x, y = torch.full((1, 2), 0.5), torch.tensor([0])
    faint = Returns(lambda x: 1e-30 * x)
    for step, length in ((0.05, 0.05), (0.4, 0.1)):
        found = pgd(faint, x, y, 0.1, norm="l2", loss="margin", step=step, steps=1)
        side = length / 2**0.5
        expected = torch.tensor([[0.5 - side, 0.5 + side]])
        # a few operations in float32 on numbers below 1
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


# The best point


def valley(x: torch.Tensor) -> torch.Tensor:
    """The lead of class 1: positive only near 0.6, where a walk by 0.1 comes past."""
    return torch.cat([0 * x, torch.where((x - 0.6).abs() < 0.05, x, x - 1)], dim=1)


def rising(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss x - 1 everywhere, so that the largest is at the end of the walk."""
    lead = logits[:, 1]
    return torch.where(lead > 0, lead - 1, lead)


@pytest.mark.parametrize("loss", ["margin", rising])
def test_a_point_that_fools_is_kept_before_a_later_one_of_larger_loss(loss):
    x, y = torch.tensor([[0.5]]), torch.tensor([0])
    walk = {"epsilon": 0.3, "step": 0.1, "steps": 3, "loss": loss}
    found = pgd(Returns(valley), x, y, **walk)
    torch.testing.assert_close(found, torch.tensor([[0.6]]), atol=1e-6, rtol=0)
    last = pgd(Returns(valley), x, y, best=False, **walk)
    torch.testing.assert_close(last, torch.tensor([[0.8]]), atol=1e-6, rtol=0)


def test_a_targeted_walk_keeps_the_point_that_reaches_its_target():
    x, target = torch.tensor([[0.5]]), torch.tensor([1])
    walk = {"epsilon": 0.3, "step": 0.1, "steps": 3, "loss": lambda z, y: -rising(z, y)}
    found = pgd(Returns(valley), x, target, targeted=True, **walk)
    torch.testing.assert_close(found, torch.tensor([[0.6]]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_best_loss_never_falls_with_more_steps(norm):
    x, y = images(dtype=torch.float64)
    model = network(dtype=torch.float64)
    y = model(x).argmax(dim=1)  # nothing is fooled at the start
    walk = {"step": 0.02, "norm": norm, "loss": "margin"}
    before = margin_loss(model(x), y)
    for steps in range(1, 9):
        now = margin_loss(model(pgd(model, x, y, 0.02, steps=steps, **walk)), y)
        assert bool((now >= before - 1e-12).all())
        before = now


def test_the_last_point_is_not_always_the_best():
    x, y = images()
    walk = {"step": 0.4, "steps": 7, "loss": "margin"}
    model = network().requires_grad_(False)
    last = margin_loss(model(pgd(model, x, y, 0.4, best=False, **walk)), y)
    best = margin_loss(model(pgd(model, x, y, 0.4, **walk)), y)
    assert float((best - last).min()) > -1e-5
    assert float((best - last).max()) > 0.01


def test_it_computes_as_many_gradients_as_steps_and_one_more_evaluation_for_the_best():
    x, y = images()
    for best in (False, True):
        model = Returns(network())
        pgd(model, x, y, 0.1, steps=6, best=best)
        assert model.calls == 6 + best
    model = Returns(network())
    carlini_wagner_l2(model, x, y, searches=2, steps=6)
    assert model.calls == 12


def test_by_default_the_steps_cross_the_set_two_and_a_half_times():
    x, y = images()
    default = pgd(network(), x, y, 0.2, steps=8, best=False)
    given = pgd(network(), x, y, 0.2, steps=8, step=0.0625, best=False)
    assert torch.equal(default, given)


# Losses, targets, radii and starts


def test_a_loss_may_be_a_function_and_a_name_stands_for_its_function():
    x, y = images()
    given = pgd(network(), x, y, 0.2, loss=margin_loss)
    assert torch.equal(given, pgd(network(), x, y, 0.2, loss="margin"))
    by_hand = pgd(network(), x, y, 0.2, loss=nn.CrossEntropyLoss(reduction="none"))
    assert torch.equal(by_hand, pgd(network(), x, y, 0.2))
    assert not torch.equal(given, by_hand)


def test_a_loss_that_does_not_depend_on_an_image_leaves_it_where_it_is():
    x, y = images(5)
    for norm in ("linf", "l2"):
        found = pgd(network(), x, y, 0.2, norm=norm, loss=lambda z, y: 0 * z[:, 0])
        assert torch.equal(found, x)


def test_a_sum_of_logits_is_a_loss_too():
    # Its gradient is one number seen from everywhere, not to be changed in place.
    x, y = images(5)
    found = pgd(nn.Identity(), x, y, 0.1, loss=lambda z, y: z.sum(dim=1))
    # x + 0.1 is rounded once on either side
    expected = (x + 0.1).clamp(max=1)
    torch.testing.assert_close(found, expected, atol=2.4e-6, rtol=0)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_targeted_attack_raises_the_logit_of_its_target(attack):
    x, _ = images()
    model = network()
    target = model(x).argmin(dim=1)
    found = ATTACKS[attack](model, x, target, targeted=True)
    before, after = (margin_loss(model(z), target) for z in (x, found))
    moved = (found != x).any(dim=1)
    assert bool(moved.any())
    assert bool((after < before)[moved].all())
    if attack == "cw":
        assert bool((after[moved] < 0).all())


@pytest.mark.parametrize("attack", ATTACKS)
def test_with_two_classes_leaving_one_is_reaching_the_other(attack):
    (model, _), (x, _) = line(), images(dtype=torch.float64)
    y = torch.randint(0, 2, (len(x),), generator=generator(3))
    away = ATTACKS[attack](model, x, y)
    there = ATTACKS[attack](model, x, 1 - y, targeted=True)
    # a few hundred operations on numbers up to 1, through Adam's quotient
    torch.testing.assert_close(away, there, atol=1e-9, rtol=0)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_radius_for_each_image_is_that_radius(norm):
    x, y = images(6, dtype=torch.float64)
    model = network(dtype=torch.float64)
    radii = torch.linspace(0, 0.5, 6, dtype=torch.float64)
    walk = {"norm": norm, "steps": 5, "loss": "margin"}
    together = pgd(model, x, y, radii, step=radii / 4, **walk)
    for i, r in enumerate(radii.tolist()):
        alone = pgd(model, x[i : i + 1], y[i : i + 1], r, step=r / 4, **walk)
        torch.testing.assert_close(alone[0], together[i], atol=1e-9, rtol=0)
    assert torch.equal(together[0], x[0])


@pytest.mark.parametrize("epsilon", [0.3, torch.full((4000,), 0.3)])
def test_the_start_is_uniform_in_the_maximum_norm(epsilon):
    x, y = torch.full((4000, 3), 0.5), torch.zeros(4000, dtype=torch.int64)
    walk = {"step": 0.0, "steps": 1, "generator": generator(), **START}
    start = pgd(nn.Identity(), x, y, epsilon, **walk)
    u = ((start - 0.5) / 0.6 + 0.5).flatten().sort().values
    distance = (u - torch.linspace(0, 1, len(u))).abs().max()
    assert float(distance) < 1.95 / len(u) ** 0.5  # Kolmogorov, level 0.001


@pytest.mark.parametrize("epsilon", [0.4, torch.full((4000,), 0.4)])
def test_the_start_has_uniform_length_and_direction_in_the_euclidean_norm(epsilon):
    x, y = torch.full((4000, 3), 0.5), torch.zeros(4000, dtype=torch.int64)
    walk = {"step": 0.0, "steps": 1, "norm": "l2", "generator": generator(), **START}
    change = (pgd(nn.Identity(), x, y, epsilon, **walk) - 0.5) / 0.4
    length = change.norm(dim=1)
    # In three dimensions a coordinate of a random direction is uniform, too.
    for u in (length, change[:, 0] / length / 2 + 0.5):
        u = u.sort().values
        distance = (u - torch.linspace(0, 1, len(u))).abs().max()
        assert float(distance) < 1.95 / len(u) ** 0.5


def test_the_start_comes_from_the_generator_and_from_nowhere_else():
    x, y = images()
    state = torch.get_rng_state()
    one, again, other = (
        pgd(network(), x, y, 0.2, steps=2, generator=generator(seed), **START)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    carlini_wagner_l2(network(), x, y, steps=2)
    assert torch.equal(torch.get_rng_state(), state)


# Carlini and Wagner


def test_what_carlini_and_wagner_call_found_is_misclassified_and_as_far_as_said():
    x, y = images()
    model = network()
    y[:20] = model(x[:20]).argmax(dim=1)
    found = carlini_wagner_l2(model, x, y)
    assert bool(found.distance.isfinite().all())
    assert share_fooled(model, found.images, y) == 1
    length = (found.images - x).norm(dim=1)
    # 64 squares, their sum and a root, of a number below 8
    torch.testing.assert_close(found.distance, length, atol=1e-5, rtol=1e-5)
    # Those that were wrong before stay where they are, but for tanh's rounding.
    wrong = model(x).argmax(dim=1) != y
    assert float(found.distance[wrong].max()) < 1e-4
    assert float(found.distance[~wrong].min()) > 1e-3


def by_adam(model, x, y, c, kappa, steps):
    """The same minimisation for one c, through torch's own Adam and its own derivative of tanh."""
    w = torch.atanh((2 * x - 1) * 0.999999).requires_grad_()
    around = ((w.tanh() + 1) / 2).detach()
    adam = torch.optim.Adam([w], lr=0.1)
    best = torch.full((len(x),), torch.inf, dtype=x.dtype)
    for _ in range(steps):
        here = (w.tanh() + 1) / 2
        lead = margin_loss(model(here), y)
        length = (here - x).detach().norm(dim=1)
        best = torch.where((lead > kappa) & (length < best), length, best)
        adam.zero_grad()
        loss = (here - around).square().sum() + (c * (kappa - lead).clamp(min=0)).sum()
        loss.backward()
        adam.step()
    return best


@pytest.mark.parametrize("kappa", [0.0, 0.1])
@pytest.mark.parametrize("c", [5.0, 50.0])
def test_for_one_constant_it_is_adam_on_the_equation(c, kappa):
    x, _ = images(dtype=torch.float64)
    model = network(dtype=torch.float64).requires_grad_(False)
    y = model(x).argmax(dim=1)
    found = carlini_wagner_l2(
        model, x, y, searches=1, steps=60, constant=c, confidence=kappa
    )
    expected = by_adam(model, x, y, c, kappa, 60)
    assert bool(expected.isfinite().any())
    # 60 steps of some hundred operations, through a quotient by a small root
    torch.testing.assert_close(found.distance, expected, atol=1e-9, rtol=0)


def test_the_constant_grows_tenfold_and_is_then_halved_between_its_bounds():
    x, _ = images(dtype=torch.float64)
    model = network(dtype=torch.float64).requires_grad_(False)
    y = model(x).argmax(dim=1)
    low, high = torch.zeros(40).double(), torch.full((40,), torch.inf).double()
    c, best = torch.full((40,), 0.5).double(), torch.full((40,), torch.inf).double()
    for _ in range(6):
        length = by_adam(model, x, y, c, 0.0, 30)
        ok = length.isfinite()
        best = torch.minimum(best, length)
        high, low = torch.where(ok, c, high), torch.where(ok, low, c)
        c = torch.where(high.isinf(), 10 * c, (low + high) / 2)
    found = carlini_wagner_l2(model, x, y, searches=6, steps=30, constant=0.5)
    # as above
    torch.testing.assert_close(found.distance, best, atol=1e-9, rtol=0)


def test_where_nothing_is_found_the_image_comes_back_with_an_infinite_distance():
    x, _ = images(3)
    constant = Returns(lambda x: torch.cat([0 * x[:, :1] + 1, 0 * x[:, :1]], dim=1))
    found = carlini_wagner_l2(constant, x, torch.zeros(3, dtype=torch.int64))
    assert isinstance(found, Nearest)
    assert torch.equal(found.images, x)
    assert bool(found.distance.isinf().all())


def test_carlini_and_wagner_do_not_notice_a_shift_of_all_logits():
    x, y = images(dtype=torch.float64)
    model = network(dtype=torch.float64)
    plain = carlini_wagner_l2(model, x, y, steps=20)
    shifted = carlini_wagner_l2(Returns(lambda x: model(x) - 128), x, y, steps=20)
    torch.testing.assert_close(shifted.distance, plain.distance, atol=1e-6, rtol=0)


def test_more_searches_find_no_farther_and_more_confidence_no_nearer_images():
    x, _ = images()
    model = network()
    y = model(x).argmax(dim=1)
    few, many = (carlini_wagner_l2(model, x, y, searches=n).distance for n in (4, 9))
    assert bool((many <= few).all())
    assert bool((many < few).any())
    sure = carlini_wagner_l2(model, x, y, confidence=0.5)
    assert bool(sure.distance.isfinite().any())
    ok = sure.distance.isfinite()
    assert bool((margin_loss(model(sure.images), y)[ok] > 0.5 - 1e-5).all())
    assert bool((sure.distance > many).all())


# The caller's things


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_model_comes_back_as_it_was_also_from_training(attack):
    x, y = images()
    model = nn.Sequential(
        nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 10)
    )
    model[3].bias.requires_grad_(False)
    nn.functional.cross_entropy(model(x), y).backward()
    model[1].eval()
    before = x.clone()
    with untouched(model):
        ATTACKS[attack](model, x, y)
    with untouched(model), torch.no_grad():
        ATTACKS[attack](model, x, y)
    with untouched(model), pytest.raises(ValueError, match="y must lie in 0 to 9"):
        ATTACKS[attack](model, x, y + 10)
    assert torch.equal(x, before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_model_is_questioned_in_evaluation_mode(attack):
    x, y = images()
    model = nn.Sequential(nn.Linear(64, 32), nn.Dropout(0.5), nn.Linear(32, 10)).train()
    found = ATTACKS[attack](model, x, y)
    assert torch.equal(found, ATTACKS[attack](model.eval(), x, y))


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_empty_batch_gives_an_empty_result(attack):
    model = Returns(network())
    assert ATTACKS[attack](model, *images(0)).shape == (0, 64)
    assert model.calls == 0


def test_what_is_returned_is_not_the_callers_own_tensor():
    x, y = images()
    for found in (pgd(network(), x, y, 0.0), pgd(network(), x[:0], y[:0], 0.1)):
        assert found.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()


def test_a_trained_network_is_fooled_where_random_signs_of_the_same_size_do_little():
    data = digits()
    x, y = torch.tensor(data.X_train, dtype=torch.float32), torch.tensor(data.y_train)
    model = train_classifier(convnet(generator()), x, y, seed=0, epochs=4)
    signs = torch.randint(0, 2, x.shape, generator=generator(2)) * 2 - 1
    noise = accuracy(model, (x + 0.1 * signs).clamp(0, 1), y)
    assert accuracy(model, fgsm(model, x, y, 0.1), y) < noise - 0.2
    assert accuracy(model, pgd(model, x, y, 0.1), y) < noise - 0.2


# Bad input


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x, y: (x + 0.5, y), ValueError, r"x must lie in \[0, 1\]"),
        (lambda x, y: (x - 0.5, y), ValueError, r"x must lie in \[0, 1\]"),
        (lambda x, y: (x * NAN, y), ValueError, "x must be finite"),
        (lambda x, y: (x.numpy(), y), TypeError, "x must be a tensor"),
        (lambda x, y: (x.long(), y), TypeError, "x must hold floats"),
        (lambda x, y: (x, y.float()), TypeError, "y int64"),
        (lambda x, y: (x, y.int()), TypeError, "y int64"),
        (lambda x, y: (x, y[:-1]), ValueError, "y shape"),
        (lambda x, y: (x, y - 20), ValueError, "y must not be negative"),
        (lambda x, y: (x, y * 0 + 10), ValueError, "y must lie in 0 to 9"),
    ],
)
def test_unfit_images_and_labels_are_refused(attack, change, error, message):
    model = network().train()
    with untouched(model), pytest.raises(error, match=message):
        ATTACKS[attack](model, *change(*images()))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"epsilon": -0.1}, ValueError, "epsilon must lie"),
        ({"epsilon": NAN}, ValueError, "epsilon must be finite"),
        ({"epsilon": "a"}, TypeError, "epsilon must hold real numbers"),
        ({"epsilon": True}, TypeError, "epsilon must be a number"),
        ({"epsilon": torch.ones(3)}, ValueError, "epsilon must be a number or 40"),
        ({"epsilon": torch.ones(40).long()}, ValueError, "epsilon must be a number"),
        ({"epsilon": -torch.ones(40)}, ValueError, "epsilon must be finite and not"),
        ({"epsilon": torch.ones(40) * NAN}, ValueError, "epsilon must be finite and"),
        ({"step": -1.0}, ValueError, "step must lie"),
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"steps": 2.0}, TypeError, "steps must be an integer"),
        ({"norm": "l1"}, ValueError, "norm must be 'linf' or 'l2', got 'l1'"),
        ({"loss": "hinge"}, ValueError, "loss must be 'cross_entropy', 'margin'"),
        ({"loss": None}, ValueError, "loss must be"),
        ({"loss": nn.CrossEntropyLoss()}, ValueError, "loss must return one number"),
        ({"loss": lambda z, y: 1.0}, ValueError, "loss must return one number"),
        ({"loss": lambda z, y: z.detach()[:, 0]}, ValueError, "differentiable"),
        ({"random_start": True}, TypeError, "generator must be a torch.Generator"),
        ({"random_start": True, "generator": 0}, TypeError, "generator must be"),
    ],
)
def test_unfit_arguments_of_pgd_are_refused(changed, error, message):
    x, y = images()
    model = network().train()
    with untouched(model), pytest.raises(error, match=message):
        pgd(model, x, y, **{"epsilon": 0.1, **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"confidence": -1}, "confidence must lie"),
        ({"searches": 0}, "searches must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"learning_rate": 0}, "learning_rate must lie"),
        ({"constant": 0.0}, "constant must lie"),
        ({"constant": NAN}, "constant must be finite"),
    ],
)
def test_unfit_arguments_of_carlini_and_wagner_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        carlini_wagner_l2(network(), *images(), **changed)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x * NAN, ValueError, "logits must be numbers, got NaN"),
        (lambda x: x[:, :1], ValueError, "logits must have shape"),
        (lambda x: x[:3], ValueError, "logits must have shape"),
        (lambda x: x.argmax(dim=1), TypeError, "logits must be a tensor of floats"),
        (lambda x: (x, x), TypeError, "logits must be a tensor of floats, got tuple"),
        (lambda x: x.detach(), ValueError, "differentiable"),
        # a root at zero: the logits are numbers, their gradients are not
        (lambda x: x + (0 * x).sqrt(), ValueError, "gradients, got NaN"),
    ],
)
def test_unfit_models_are_refused(attack, function, error, message):
    with pytest.raises(error, match=message):
        ATTACKS[attack](Returns(function), *images())


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_model_is_refused(attack):
    with pytest.raises(TypeError, match="model must be a torch.nn.Module"):
        ATTACKS[attack](lambda x: x, *images())


@pytest.mark.parametrize(
    ("z", "y", "error"),
    [
        (torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64), ValueError),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), ValueError),
        (torch.zeros(3, 2), torch.full((3,), 2), ValueError),
        (torch.zeros(3, 2), torch.full((3,), -1), ValueError),
        (torch.zeros(3, 2) * NAN, torch.zeros(3, dtype=torch.int64), ValueError),
        (torch.zeros(3, 2), torch.zeros(3), TypeError),
        (torch.zeros(3, 2).long(), torch.zeros(3, dtype=torch.int64), TypeError),
        ([[0.0, 1.0]], torch.zeros(1, dtype=torch.int64), TypeError),
    ],
)
def test_unfit_logits_are_refused(z, y, error):
    with pytest.raises(error, match="must"):
        margin_loss(z, y)
