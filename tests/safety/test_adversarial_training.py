"""The properties that make `companion.safety.adversarial_training` correct."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from companion.classifiers import accuracy, frozen
from companion.datasets import digits
from companion.networks import mlp
from companion.safety.adversarial_examples import fgsm, pgd
from companion.safety.adversarial_training import (
    adversarial_training,
    fgsm_loss,
    noise_loss,
    pgd_loss,
    trades_loss,
)
from tests.untouched import untouched

EPS64 = torch.finfo(torch.float64).eps
SIGNS = partial(noise_loss, corners=True)
LOSSES = {
    "pgd": pgd_loss,
    "fgsm": fgsm_loss,
    "trades": trades_loss,
    "noise": noise_loss,
    "signs": SIGNS,
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
entropy = nn.functional.cross_entropy


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 12, d: int = 6, classes: int = 3, dtype=torch.float64):
    """Images of which some pixels are black or white, so that the box cuts the ball."""
    g = seeded(5)
    x = (1.6 * torch.rand(n, d, generator=g, dtype=dtype) - 0.3).clamp(0, 1)
    return x, torch.randint(classes, (n,), generator=g)


def network(d: int = 6, classes: int = 3, seed: int = 0) -> nn.Sequential:
    return mlp([d, 16, classes], seeded(seed), nn.Tanh).double()


def logistic(d: int = 6, seed: int = 1) -> tuple[nn.Linear, torch.Tensor]:
    """Two classes whose logits differ by w.x + b; and w."""
    model = nn.Linear(d, 2, dtype=torch.float64)
    with torch.no_grad():
        model.weight.normal_(generator=seeded(seed))
        model.bias.normal_(generator=seeded(seed + 1))
    return model, (model.weight[1] - model.weight[0]).detach()


def corner_loss(model, x, y, epsilon, generator):
    """Cross-entropy at the worst image of a linear model, in closed form."""
    w = (model.weight[1] - model.weight[0]).detach()
    side = (2.0 * y - 1)[:, None].to(x)
    return entropy(model((x - side * epsilon * w.sign()).clamp(0, 1)), y)


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


class Seen(nn.Module):
    """Remembers the images of every call."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.images = inner, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.images.append(x.detach().clone())
        return self.inner(x)


# The inner maximum


@pytest.mark.parametrize("epsilon", [0.01, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("loss", [pgd_loss, fgsm_loss, partial(pgd_loss, steps=2)])
def test_on_a_linear_model_the_search_finds_the_corner_of_the_clipped_box(
    loss, epsilon
):
    (x, y), (model, w) = batch(classes=2), logistic()
    found = loss(model, x, y, epsilon, seeded())
    assert torch.equal(found, corner_loss(model, x, y, epsilon, None))
    # Written out: softplus of minus the margin, for the label as a sign.
    side = (2.0 * y - 1).to(x)
    worst = (x - side[:, None] * epsilon * w.sign()).clamp(0, 1)
    margin = side * (worst @ w + model.bias.detach().diff())
    expected = nn.functional.softplus(-margin).mean()
    # A dozen products and as many sums of numbers up to 3, an exponential, a mean.
    bound = 10 * 40 * 3 * EPS64
    assert float(found.detach()) == pytest.approx(float(expected), abs=bound)
    naive = nn.functional.softplus(
        -(side * (x @ w + model.bias.detach().diff())) + epsilon * w.abs().sum()
    ).mean()
    assert float((naive - found).detach()) > 1e-3  # it leaves the box


@pytest.mark.parametrize(("steps", "reach"), [(7, 2.5), (3, 0.8)])
def test_the_images_are_those_of_the_attacks_of_the_same_name(steps, reach):
    (x, y), model = batch(), network()
    seen = Seen(model)
    pgd_loss(seen, x, y, 0.2, seeded(3), steps=steps, reach=reach)
    attacked = pgd(
        *(model, x, y, 0.2),
        step=reach * 0.2 / steps, steps=steps,
        random_start=True, generator=seeded(3), best=False,
    )  # fmt: skip
    # Each step adds two numbers up to 1.
    assert (seen.images[-1] - attacked).abs().max() <= 10 * 2 * steps * EPS64
    fgsm_loss(seen, x, y, 0.2)
    found = seen.images[-1] - fgsm(model, x, y, 0.2)
    assert found.abs().max() <= 10 * 2 * EPS64


def test_steps_that_cannot_cross_the_box_do_not_reach_the_corner():
    (x, y), (model, _) = batch(classes=2), logistic()
    short = pgd_loss(model, x, y, 0.2, seeded(), reach=1.0)
    assert short < corner_loss(model, x, y, 0.2, None) - 1e-3


def test_training_with_pgd_on_a_linear_model_is_training_against_the_closed_form():
    x, y = batch(n=40, classes=2)
    (found, _), (exact, _) = logistic(), logistic()
    for model, loss in ((found, pgd_loss), (exact, corner_loss)):
        adversarial_training(model, x, y, 3, loss, 0.3, epochs=12, batch=16, warm_up=5)
    assert torch.equal(flat(found), flat(exact))


@every_loss
def test_every_image_stays_in_the_ball_and_in_the_box(loss):
    (x, y), epsilon = batch(), 0.3
    model = Seen(network())
    loss(model, x, y, epsilon, seeded())
    last = model.images[-1]
    assert (last - x).abs().max() <= epsilon + EPS64
    assert last.min() >= 0
    assert last.max() <= 1
    assert (last - x).abs().max() > 0.9 * epsilon


@every_loss
def test_with_radius_zero_every_loss_is_the_cross_entropy(loss):
    x, y = batch()
    model = network()
    # x + 0 - 0 is x; TRADES adds six divergences of equal laws.
    with torch.no_grad():
        value, plain = (
            float(loss(model, x, y, 0.0, seeded())),
            float(entropy(model(x), y)),
        )
    assert value == pytest.approx(plain, abs=10 * 20 * EPS64)


def test_fgsm_takes_one_whole_step_along_the_sign_of_the_gradient():
    x, y = batch()
    model = Seen(network())
    z = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(entropy(model(z), y, reduction="sum"), z)
    loss = fgsm_loss(model, x, y, 0.1)
    expected = (x + 0.1 * slope.sign()).clamp(0, 1)
    # x + .1 and its clamp: two roundings of numbers up to 1.1.
    assert (model.images[-1] - expected).abs().max() <= 10 * 2 * EPS64
    assert float(loss.detach()) == pytest.approx(
        float(entropy(model(expected), y).detach()), abs=10 * 100 * EPS64
    )


def _by_hand(model, x, y, epsilon, generator, steps, reach):
    """PGD's last image, the loop written out anew."""
    z = x + epsilon * torch.empty_like(x).uniform_(-1, 1, generator=generator)
    z = z.clamp(0, 1)
    for _ in range(steps):
        z = z.detach().requires_grad_()
        entropy(model(z), y).backward()
        z = z.detach() + reach * epsilon / steps * torch.sign(z.grad)
        z = torch.min(torch.max(z, x - epsilon), x + epsilon).clamp(0, 1)
    return z


@pytest.mark.parametrize(("steps", "reach"), [(1, 1.25), (3, 0.8), (7, 2.5)])
def test_pgd_is_the_loop_written_out(steps, reach):
    (x, y), model = batch(), Seen(network())
    loss = pgd_loss(model, x, y, 0.1, seeded(4), steps=steps, reach=reach)
    last = model.images[-1]
    expected = _by_hand(model.inner, x, y, 0.1, seeded(4), steps, reach)
    # Each step adds two numbers up to 1.
    assert (last - expected).abs().max() <= 10 * 2 * steps * EPS64
    assert float(loss) == pytest.approx(
        float(entropy(model.inner(expected), y)), abs=10 * 100 * EPS64
    )


def test_the_searchers_find_worse_images_than_noise_on_a_trained_network():
    x, y = batch(n=60, dtype=torch.float64)
    model = adversarial_training(network(), x, y, 0, noise_loss, 0.0, epochs=60)
    with torch.no_grad():
        clean = entropy(model(x), y)
        noise = noise_loss(model, x, y, 0.2, seeded())
        corners = SIGNS(model, x, y, 0.2, seeded())
        fgsm = fgsm_loss(model, x, y, 0.2)
        pgd = pgd_loss(model, x, y, 0.2, seeded(), steps=20)
    assert clean < noise < corners < fgsm < pgd + 1e-3


# Noise


def test_noise_is_uniform_and_corners_are_fair_coins():
    x, y = torch.full((500, 40), 0.5, dtype=torch.float64), torch.zeros(500).long()
    model = Seen(nn.Linear(40, 2, dtype=torch.float64))
    noise_loss(model, x, y, 0.3, seeded())
    SIGNS(model, x, y, 0.3, seeded())
    uniform, corners = (
        (image - x) / 0.3 for image in (model.images[1], model.images[3])
    )
    n = x.numel()
    # Variances 1/3 and 1; of the square of the uniform one, 4/45.  Five deviations.
    assert abs(uniform.mean()) < 5 * (1 / 3 / n) ** 0.5
    assert abs(uniform.square().mean() - 1 / 3) < 5 * (4 / 45 / n) ** 0.5
    assert abs(corners.mean()) < 5 * (1 / n) ** 0.5
    # .5 + .3 and back: two roundings, divided by .3.
    assert (corners.abs() - 1).abs().max() < 10 * 2 * EPS64 / 0.3


# TRADES


def _official(model, x, y, epsilon, generator, beta, steps, reach):
    """The published formula, from the definition of the divergence."""

    def kl(z):
        p, q = (nn.functional.softmax(model(v), dim=1) for v in (x, z))
        return (p * (p / q).log()).sum()

    z = (x + 0.001 * torch.empty_like(x).normal_(generator=generator)).clamp(0, 1)
    for _ in range(steps):
        z = z.detach().requires_grad_()
        (slope,) = torch.autograd.grad(kl(z), z)
        z = z + reach * epsilon / steps * slope.sign()
        z = torch.max(torch.min(z, x + epsilon), x - epsilon).clamp(0, 1)
    return entropy(model(x), y) + beta * kl(z.detach()) / len(x)


@pytest.mark.parametrize(("beta", "steps"), [(6.0, 7), (0.5, 1), (1.0, 10)])
def test_trades_is_the_published_formula_with_its_gradient_through_both_terms(
    beta, steps
):
    (x, y), (ours, theirs) = batch(), (network(), network())
    a = trades_loss(ours, x, y, 0.2, seeded(2), beta=beta, steps=steps)
    b = _official(theirs, x, y, 0.2, seeded(2), beta, steps, 2.5)
    a.backward()
    b.backward()
    # 16 hidden units, 3 classes, 12 images: 700 operations on numbers up to beta.
    bound = 10 * 700 * max(1, beta) * EPS64
    assert float(a) == pytest.approx(float(b), abs=bound)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=0, atol=bound)


def test_the_divergence_has_no_slope_at_the_image_itself():
    x, _ = batch()
    model = network()
    log_p = model(x).log_softmax(dim=1).detach()
    z = x.clone().requires_grad_()
    log_q = model(z).log_softmax(dim=1)
    (slope,) = torch.autograd.grad((log_p.exp() * (log_p - log_q)).sum(), z)
    # p sums to 1 only to rounding: 3 classes, 16 units, weights up to 1.
    assert slope.abs().max() < 10 * 20 * EPS64
    start = x + 0.001 * torch.randn(x.shape, generator=seeded(), dtype=x.dtype)
    z = start.requires_grad_()
    log_q = model(z).log_softmax(dim=1)
    (slope,) = torch.autograd.grad((log_p.exp() * (log_p - log_q)).sum(), z)
    assert slope.abs().median() > 1e-7


def test_trades_without_beta_is_standard_training():
    x, y = batch(n=40)
    plain, without = network(), network()
    adversarial_training(plain, x, y, 1, noise_loss, 0.0, epochs=5)
    adversarial_training(
        without, x, y, 1, partial(trades_loss, beta=0.0), 0.3, epochs=5
    )
    # A dozen steps: Adam divides, so a rounding may grow, but not to a billionth.
    torch.testing.assert_close(flat(plain), flat(without), rtol=0, atol=1e-9)


def test_trades_is_linear_in_beta_and_never_below_the_cross_entropy():
    (x, y), model = batch(), network()
    clean = float(entropy(model(x), y))
    values = [
        float(trades_loss(model, x, y, 0.2, seeded(), beta=b)) - clean for b in (1, 3)
    ]
    assert values[0] > 1e-3
    assert values[1] == pytest.approx(3 * values[0], abs=10 * 100 * EPS64)


def test_trades_searches_without_the_labels_and_pgd_with_them():
    (x, y), other = batch(), (batch()[1] + 1) % 3
    model = network()
    for loss, same in ((trades_loss, True), (pgd_loss, False)):
        seen = [Seen(model), Seen(model)]
        for part, label in zip(seen, (y, other), strict=True):
            loss(part, x, label, 0.2, seeded())
        assert torch.equal(seen[0].images[-1], seen[1].images[-1]) == same


# A model is only asked


def mixed_model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3)
    )
    model[3].bias.requires_grad_(False)
    model(torch.rand(5, 6, generator=seeded())).sum().backward()
    return model.eval()


@every_loss
def test_a_loss_leaves_the_model_as_it_was_also_after_an_error(loss):
    x, y = batch(dtype=torch.float32)
    model = mixed_model()
    model[1].register_forward_hook(lambda *_: None)
    with untouched(model):
        loss(model, x, y, 0.1, seeded())
    with pytest.raises(RuntimeError), untouched(model):
        loss(model, x[:, :5], y, 0.1, seeded())
    with pytest.raises(ValueError, match="y must stay below"), untouched(model):
        loss(model, x, y + 9, 0.1, seeded())


@every_loss
def test_the_search_is_in_evaluation_mode_and_the_loss_in_the_models_own(loss):
    x, y = batch(dtype=torch.float32)
    modes = []

    class Watching(nn.Linear):
        def forward(self, z):
            modes.append((self.training, self.weight.requires_grad))
            return super().forward(z)

    loss(Watching(6, 3).train(), x, y, 0.1, seeded())
    learning = 2 if loss is trades_loss else 1
    assert modes[-learning:] == [(True, True)] * learning
    assert set(modes[:-learning]) == {(False, False)}


@every_loss
def test_the_images_and_labels_are_not_changed(loss):
    x, y = batch()
    before = x.clone(), y.clone()
    loss(network(), x, y, 0.1, seeded())
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])
    assert not x.requires_grad


@every_loss
def test_the_generator_alone_decides_what_is_drawn(loss):
    x, y = batch()
    model = network()
    state = torch.get_rng_state()
    first, again, other = (
        float(loss(model, x, y, 0.1, seeded(seed)).detach()) for seed in (0, 0, 1)
    )
    assert torch.equal(state, torch.get_rng_state())
    assert first == again
    assert (first != other) == (loss is not fgsm_loss)


@pytest.mark.parametrize("device", DEVICES)
@every_loss
def test_device_and_type_follow_the_images(loss, device):
    x, y = (v.to(device) for v in batch(dtype=torch.float32))
    value = loss(network().float().to(device), x, y, 0.1, seeded())
    assert value.dtype == torch.float32
    assert value.device == x.device


# The loop


class Recorder:
    """A loss that writes down what it was called with, and is the cross-entropy."""

    def __init__(self) -> None:
        self.calls = []

    def __call__(self, model, x, y, epsilon, generator):
        self.calls.append((x.clone(), y.clone(), epsilon, model.training))
        return entropy(model(x), y)


def test_the_radius_grows_in_equal_steps_and_then_stays():
    x, y = batch(n=8)
    for warm_up, expected in (
        (4, [0.25, 0.5, 0.75, 1, 1, 1]),
        (0, [1] * 6),
        (1, [1] * 6),
        (12, [1 / 12, 2 / 12, 3 / 12, 4 / 12, 5 / 12, 6 / 12]),
    ):
        seen = Recorder()
        adversarial_training(
            network(), x, y, 0, seen, 0.4, epochs=6, batch=8, warm_up=warm_up
        )
        radii = [call[2] for call in seen.calls]
        np.testing.assert_allclose(radii, 0.4 * np.array(expected), rtol=10 * EPS64)


def test_an_epoch_sees_every_image_once_in_batches_of_which_the_last_is_smaller():
    x, y = batch(n=21)
    seen = Recorder()
    adversarial_training(network(), x, y, 0, seen, 0.1, epochs=2, batch=8)
    assert [len(call[0]) for call in seen.calls] == [8, 8, 5] * 2
    assert all(call[3] for call in seen.calls)
    for epoch in (seen.calls[:3], seen.calls[3:]):
        images = torch.cat([call[0] for call in epoch])
        labels = torch.cat([call[1] for call in epoch])
        rows = torch.cdist(images, x).argmin(dim=1)
        assert sorted(rows.tolist()) == list(range(21))
        assert torch.equal(labels, y[rows])
    assert not torch.equal(seen.calls[0][0], seen.calls[3][0])


def test_every_epoch_trains_in_training_mode_also_a_network_that_was_not():
    x, y = batch()
    seen = Recorder()
    adversarial_training(
        network().eval(), x, y, 0, seen, 0.1, epochs=2, watch=lambda *_: None
    )
    assert [call[3] for call in seen.calls] == [True, True]


def test_losses_that_draw_and_losses_that_do_not_see_the_same_batches():
    x, y = batch(n=21)
    orders = []
    for draws in (0, 3):
        seen = Recorder()

        def loss(model, x, y, epsilon, generator, draws=draws, seen=seen):
            torch.rand(draws, generator=generator)
            return seen(model, x, y, epsilon, generator)

        adversarial_training(network(), x, y, 4, loss, 0.1, epochs=3, batch=8)
        orders.append([call[0] for call in seen.calls])
    assert all(torch.equal(a, b) for a, b in zip(*orders, strict=True))


def test_the_rate_climbs_from_a_25th_for_three_tenths_and_falls_to_nearly_nothing():
    # Adam's first step has the size of the rate, whatever the gradient.
    x, y = batch(n=4)
    weights = []

    class Slope(nn.Linear):
        def __init__(self):
            super().__init__(6, 3, dtype=torch.float64)

    def loss(model, x, y, epsilon, generator):
        weights.append(model.bias.detach().clone())
        return model.bias.sum() + 0 * model.weight.sum()

    model = adversarial_training(
        Slope(), x, y, 0, loss, 0.1, epochs=100, learning_rate=0.01
    )
    weights.append(model.bias.detach())
    steps = -torch.stack(weights).diff(dim=0)[:, 0]
    # Adam adds 1e-8 to the size of the gradient, 1; later its memory lags behind.
    assert float(steps[0]) == pytest.approx(0.01 / 25, rel=1e-6, abs=0)
    assert 25 <= int(steps.argmax()) <= 33
    assert steps.max() == pytest.approx(0.01, rel=0.05, abs=0)
    assert 0 < steps[-1] < 0.01 / 1000


def test_the_watcher_is_called_before_and_after_each_epoch_in_evaluation_mode():
    x, y = batch()
    seen = []
    trained = adversarial_training(
        network(), x, y, 0, fgsm_loss, 0.1, epochs=3,
        watch=lambda epoch, model: seen.append((epoch, model.training, flat(model))),
    )  # fmt: skip
    assert [entry[:2] for entry in seen] == [(e, False) for e in range(4)]
    assert torch.equal(seen[0][2], flat(network()))
    assert torch.equal(seen[-1][2], flat(trained))
    assert not trained.training


def test_the_same_seed_trains_the_same_network_and_another_seed_another():
    x, y = batch(n=30)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, again, numpys, other = (
        flat(adversarial_training(network(), x, y, seed, pgd_loss, 0.1, epochs=2, batch=8))
        for seed in (0, 0, np.uint8(0), 1)
    )  # fmt: skip
    assert torch.equal(first, again)
    assert torch.equal(first, numpys)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_training_also_learns_where_the_caller_has_switched_gradients_off():
    x, y = batch(n=30)
    plain = flat(adversarial_training(network(), x, y, 0, trades_loss, 0.1, epochs=2))
    with torch.no_grad():
        inside = adversarial_training(network(), x, y, 0, trades_loss, 0.1, epochs=2)
    assert torch.equal(plain, flat(inside))


def test_training_data_may_be_read_only_and_stay_as_they_were():
    data = digits()
    X = torch.as_tensor(data.X_train[:50], dtype=torch.float32)
    y = torch.as_tensor(data.y_train[:50])
    before = X.clone()
    net = mlp([64, 16, 10], seeded())
    adversarial_training(net, X, y, 0, pgd_loss, 0.1, epochs=1)
    assert torch.equal(X, before)


def survives(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    with frozen(model):
        found = _by_hand(model, x, y, 0.2, seeded(), 20, 2.5)
    return accuracy(model, found, y)


def test_training_against_the_worst_case_helps_on_digits_and_noise_does_not():
    data = digits()
    X, test = (
        torch.as_tensor(v, dtype=torch.float32) for v in (data.X_train, data.X_test)
    )
    y, labels = (torch.as_tensor(v) for v in (data.y_train, data.y_test))
    left = {
        name: survives(
            adversarial_training(
                mlp([64, 64, 10], seeded()), X, y, 0, loss, 0.2,
                epochs=20, warm_up=5, learning_rate=1e-2,
            ), test, labels,
        )
        for name, loss in LOSSES.items()
    }  # fmt: skip
    # Without a search hardly anything is left; a half of one is wide of every seed.
    assert max(left["noise"], left["signs"]) < 0.15
    assert min(left["pgd"], left["trades"], left["fgsm"]) > 0.3


# Bad input

X, Y = batch()


def ask(loss=pgd_loss, **changed):
    given = {"model": network(), "x": X, "y": Y, "epsilon": 0.1, "generator": seeded()}
    return loss(**{**given, **changed})


@every_loss
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x": X + 0.5}, ValueError, r"x must lie in \[0, 1\]"),
        ({"x": X - 0.1}, ValueError, r"x must lie in \[0, 1\]"),
        ({"x": X * np.nan}, ValueError, "x must be finite"),
        ({"x": X.numpy()}, TypeError, "x must be a tensor"),
        ({"x": (X > 0.5).long()}, TypeError, "x must hold floats"),
        ({"y": Y.int()}, TypeError, "y int64"),
        ({"y": Y.double()}, TypeError, "y int64"),
        ({"y": Y[:3]}, ValueError, "y shape"),
        ({"y": Y - 1}, ValueError, "y must not be negative"),
        ({"y": Y + 1}, ValueError, "y must stay below the 3 classes"),
        ({"x": X[:0], "y": Y[:0]}, ValueError, "at least one image"),
        ({"epsilon": -0.1}, ValueError, "epsilon must lie"),
        ({"epsilon": 1.1}, ValueError, "epsilon must lie"),
        ({"epsilon": np.nan}, ValueError, "epsilon must be finite"),
        ({"epsilon": None}, TypeError, "epsilon must hold"),
        ({"model": lambda x: x}, TypeError, "model must be"),
    ],
)
def test_bad_batches_are_named_by_every_loss(loss, changed, error, message):
    model = changed.get("model", network())
    with pytest.raises(error, match=message):
        ask(loss, **{"model": model, **changed})


@pytest.mark.parametrize("loss", [pgd_loss, trades_loss, noise_loss])
def test_a_generator_is_asked_for(loss):
    with pytest.raises(TypeError, match="generator must be a torch.Generator"):
        ask(loss, generator=0)


@pytest.mark.parametrize("loss", [pgd_loss, trades_loss])
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"steps": 1.5}, TypeError, "steps must be an integer"),
        ({"reach": 0}, ValueError, "reach must lie"),
        ({"reach": np.inf}, ValueError, "reach must be finite"),
    ],
)
def test_bad_searches_are_named(loss, changed, error, message):
    with pytest.raises(error, match=message):
        ask(loss, **changed)


@pytest.mark.parametrize("beta", [-1.0, np.nan])
def test_a_bad_weight_is_named(beta):
    with pytest.raises(ValueError, match="beta must"):
        ask(trades_loss, beta=beta)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"network": "net"}, TypeError, "model must be"),
        ({"X": X + 0.5}, ValueError, "x must lie"),
        ({"X": X[:0], "y": Y[:0]}, ValueError, "at least one image"),
        ({"y": Y + 1}, ValueError, "y must stay below the 3 classes"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"seed": 0.5}, TypeError, "seed must be an integer"),
        ({"loss": "pgd"}, TypeError, "loss must be callable"),
        ({"epsilon": -0.1}, ValueError, "epsilon must lie"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"batch": 1.5}, TypeError, "batch must be an integer"),
        ({"learning_rate": 0}, ValueError, "learning_rate must"),
        ({"learning_rate": np.inf}, ValueError, "learning_rate must"),
        ({"warm_up": -1}, ValueError, "warm_up must be at least 0"),
    ],
)
def test_bad_training_is_refused_before_the_first_step(changed, error, message):
    model = network()
    given = {
        "network": model, "X": X, "y": Y, "seed": 0, "loss": pgd_loss, "epsilon": 0.1,
    }  # fmt: skip
    with pytest.raises(error, match=message), untouched(model):
        adversarial_training(**{**given, **changed})


def test_a_network_that_diverges_is_no_answer():
    def broken(model, x, y, epsilon, generator):
        return np.nan * entropy(model(x), y)

    with pytest.raises(RuntimeError, match="diverged"):
        adversarial_training(network(), X, Y, 0, broken, 0.1, epochs=1)
