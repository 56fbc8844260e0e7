"""The properties that make `companion.safety.generative_adversarial_training` correct."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from companion.datasets import digits
from companion.networks import mlp
from companion.safety.adversarial_examples import margin_loss
from companion.safety.adversarial_training import adversarial_training, noise_loss
from companion.safety.generative_adversarial_training import (
    attacker_loss,
    in_box,
    train_attacker,
)
from companion.training import train_classifier
from tests.untouched import untouched

DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
FLOATS = [torch.float32, torch.float64]


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    data = digits()
    X = torch.tensor(data.X_train[:n], dtype=torch.float32)
    return X, torch.tensor(data.y_train[:n])


def classifier(seed: int = 0) -> nn.Module:
    return mlp([64, 32, 10], random(seed))


def attacker(seed: int = 1) -> nn.Module:
    return mlp([64, 32, 64], random(seed))


def learnt(epochs: int = 12) -> nn.Module:
    X, y = images()
    return train_classifier(classifier(), X, y, 0, epochs=epochs, learning_rate=0.01)


def flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


class Constant(nn.Module):
    """Says the same whatever it sees; has nothing to learn."""

    def __init__(self, value: float):
        super().__init__()
        self.value = value

    def forward(self, x):
        return torch.full_like(x, self.value)


class Identity(nn.Module):
    """The raw output whose place in the box is the image itself."""

    def __init__(self, epsilon: float):
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x):
        low = (x - self.epsilon).clamp(min=0)
        high = (x + self.epsilon).clamp(max=1)
        return torch.logit((x - low) / (high - low))


# Inside the box


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("epsilon", [0.0, 1e-9, 0.07, 0.2, 1.0])
def test_whatever_the_network_says_the_image_stays_in_the_ball_and_in_the_unit_box(
    device, dtype, epsilon
):
    draw = random(0)
    x = torch.rand(400, 64, generator=draw, dtype=dtype)
    x[:50], x[50:100] = x[:50].round(), x[50:100] * 1e-6
    raw = 10 ** (9 * torch.rand(400, 64, generator=draw, dtype=dtype) - 3)
    raw = raw * (2 * torch.randint(2, raw.shape, generator=draw) - 1)
    raw[:, 0], raw[:, 1], raw[:, 2] = torch.inf, -torch.inf, 0
    raw[:, 3], raw[:, 4] = torch.finfo(dtype).max, torch.finfo(dtype).min
    x, raw = x.to(device), raw.to(device)
    low, high = (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)
    out = in_box(x, raw, epsilon)
    assert (out.dtype, out.device, out.shape) == (x.dtype, x.device, x.shape)
    assert bool((out >= low).all())
    assert bool((out <= high).all())
    assert bool((out[:, 0] == high[:, 0]).all())
    assert bool((out[:, 1] == low[:, 1]).all())
    assert bool((out[:, 3] == high[:, 3]).all())
    assert bool((out[:, 4] == low[:, 4]).all())
    # x +- epsilon is one rounding of numbers up to 2, times ten
    assert float((out - x).abs().max()) <= epsilon + 10 * 2 * torch.finfo(dtype).eps


def test_zero_is_the_middle_of_what_is_allowed():
    x = torch.tensor([[0.0, 0.1, 0.5, 0.95, 1.0]], dtype=torch.float64)
    middle = torch.tensor([[0.1, 0.15, 0.5, 0.875, 0.9]], dtype=torch.float64)
    # five roundings of numbers up to 1, times ten
    torch.testing.assert_close(
        in_box(x, torch.zeros_like(x), 0.2), middle, rtol=0, atol=50 * 2.3e-16
    )


def test_the_box_is_the_sigmoid_between_its_ends():
    draw = random(4)
    x = torch.rand(50, 7, generator=draw, dtype=torch.float64)
    raw = 3 * torch.randn(50, 7, generator=draw, dtype=torch.float64)
    low, high = np.maximum(x.numpy() - 0.3, 0), np.minimum(x.numpy() + 0.3, 1)
    share = 1 / (1 + np.exp(-raw.numpy()))
    # about ten roundings of numbers up to 1, times ten
    np.testing.assert_allclose(
        in_box(x, raw, 0.3).numpy(),
        low + (high - low) * share,
        rtol=0,
        atol=100 * 2.3e-16,
    )


def test_the_gradient_reaches_every_pixel_and_dies_where_clipping_would_bite():
    x = torch.tensor([[0.0, 0.05, 0.5, 1.0]], dtype=torch.float64)
    raw = torch.tensor([[-0.5, -0.7, -0.5, 0.5]], dtype=torch.float64)
    inside, clipped = raw.clone().requires_grad_(), raw.clone().requires_grad_()
    in_box(x, inside, 0.2).sum().backward()
    _naive_clamp = (x + 0.2 * torch.tanh(clipped)).clamp(0, 1)
    _naive_clamp.sum().backward()
    share = raw.sigmoid()
    width = torch.tensor([[0.2, 0.25, 0.4, 0.2]], dtype=torch.float64)
    # (h - l) s (1 - s): about ten roundings of numbers up to 1, times ten
    torch.testing.assert_close(
        inside.grad, width * share * (1 - share), rtol=0, atol=100 * 2.3e-16
    )
    assert (clipped.grad == 0).tolist() == [[True, True, False, True]]


def test_without_room_nothing_moves():
    x = torch.rand(5, 3, generator=random(5))
    assert torch.equal(in_box(x, torch.randn(5, 3, generator=random(6)), 0.0), x)


def test_no_images_give_no_images_and_other_shapes_are_kept():
    assert in_box(torch.zeros(0, 64), torch.zeros(0, 64), 0.2).shape == (0, 64)
    x = torch.rand(3, 1, 8, 8, generator=random(7))
    raw = torch.randn(3, 1, 8, 8, generator=random(8))
    out = in_box(x, raw, 0.2)
    assert torch.equal(out.flatten(1), in_box(x.flatten(1), raw.flatten(1), 0.2))


def test_the_box_changes_neither_images_nor_outputs():
    x, raw = (
        torch.rand(5, 3, generator=random(9)),
        torch.randn(5, 3, generator=random(9)),
    )
    before = x.clone(), raw.clone()
    in_box(x, raw, 0.2)
    assert torch.equal(x, before[0])
    assert torch.equal(raw, before[1])


# Training an attacker


def naive_training(attacker, model, X, y, epsilon, seed, epochs, batch, rate):
    """Written out: numpy-like margins, one batch after the other."""
    optimiser = torch.optim.Adam(attacker.parameters(), lr=rate)
    order = random(seed)
    for _ in range(epochs):
        permutation = torch.randperm(len(X), generator=order)
        for start in range(0, len(X), batch):
            row = permutation[start : start + batch]
            low = torch.clamp(X[row] - epsilon, 0, 1)
            high = torch.clamp(X[row] + epsilon, 0, 1)
            z = model(low + (high - low) * torch.sigmoid(attacker(X[row])))
            loss = 0.0
            for logits, label in zip(z, y[row], strict=True):
                others = torch.cat([logits[:label], logits[label + 1 :]])
                lead = others.max() - logits[label]
                loss = loss - torch.minimum(lead, torch.zeros(())) / len(row)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def test_training_is_the_written_out_algorithm_step_by_step():
    X, y = images(70)
    model = learnt().double()
    ours, theirs = attacker().double(), attacker().double()
    train_attacker(
        ours, model, X.double(), y, 0.2, 5, epochs=3, batch=32, learning_rate=0.01
    )
    naive_training(theirs, model, X.double(), y, 0.2, 5, 3, 32, 0.01)
    # Adam's first steps have the size of the rate whatever the gradient's, so a relative
    # rounding of some 1e-16 x 64 x 32 products moves a weight by 1e-13 x rate a step;
    # nine steps, each amplifying the last by less than ten, stay below 1e-8 by far.
    assert float((flat(ours) - flat(theirs)).abs().max()) < 1e-8


def mean_margin(model, attacker, X, y, epsilon):
    with torch.no_grad():
        return (
            margin_loss(model(in_box(X, attacker(X), epsilon)), y).clamp(max=0).mean()
        )


@pytest.mark.parametrize("seed", range(5))
def test_the_margin_of_the_training_images_rises(seed):
    X, y = images()
    model, opponent = learnt(), attacker(seed)
    before = mean_margin(model, opponent, X, y, 0.2)
    train_attacker(
        opponent, model, X, y, 0.2, seed, epochs=15, batch=32, learning_rate=0.01
    )
    # training must at least halve what is not fooled yet
    assert float(mean_margin(model, opponent, X, y, 0.2)) > 0.5 * float(before)


def test_an_image_that_is_fooled_no_longer_counts():
    # Already fooled, whatever the attacker does within .1: nothing is learnt.
    model = nn.Linear(1, 2).requires_grad_(False)
    model.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    model.bias.copy_(torch.tensor([0.5, -0.5]))
    X, y = torch.tensor([[0.9], [0.2]]), torch.tensor([0, 1])
    opponent = nn.Linear(1, 1)
    before = flat(opponent).clone()
    train_attacker(opponent, model, X, y, 0.1, 0, epochs=5)
    assert torch.equal(flat(opponent), before)


class Alternating(nn.Module):
    """One number for each pixel and parity of the image: enough to reach any corner."""

    def __init__(self):
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))

    def forward(self, x):
        return self.raw[(x[:, 0] > 0.5).long()]


def test_against_a_linear_margin_the_attacker_reaches_the_corner_of_the_clipped_box():
    model = nn.Linear(3, 2).double().requires_grad_(False)
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    model.weight.copy_(torch.stack([w, -w]))
    model.bias.copy_(torch.tensor([50.0, -50.0], dtype=torch.float64))
    X = torch.tensor([[0.9, 0.05, 0.5], [0.1, 0.6, 0.95]], dtype=torch.float64)
    y = torch.tensor([0, 0])
    opponent = Alternating()
    train_attacker(opponent, model, X, y, 0.2, 0, epochs=400, learning_rate=0.1)
    # label 0 gains with w: its worst is the corner against sign(w), clipped to [0, 1]
    corner = (X - 0.2 * w.sign()).clamp(0, 1)
    out = in_box(X, opponent(X), 0.2).detach()
    # the gradient fades as the corner comes near, so a hundredth of the way is left
    assert float((out - corner).abs().max()) < 0.01 * 0.2


@pytest.mark.parametrize("mode", [True, False])
def test_the_classifier_comes_back_bit_for_bit(mode):
    X, y = images(60)
    model = nn.Sequential(
        nn.Linear(64, 16),
        nn.BatchNorm1d(16),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Linear(16, 10),
    ).train(mode)
    model[0].bias.requires_grad_(False)
    nn.functional.cross_entropy(model(X), y).backward()
    model[4].weight.register_hook(lambda gradient: gradient)
    with untouched(model):
        train_attacker(attacker(), model, X, y, 0.2, 0, epochs=2)


def test_the_classifier_comes_back_also_when_training_fails():
    X, y = images(60)

    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.calls = attacker(), 0

        def forward(self, x):
            self.calls += 1
            if self.calls == 3:
                raise ZeroDivisionError
            return self.inner(x)

    model = classifier().train()
    with untouched(model), pytest.raises(ZeroDivisionError):
        train_attacker(Failing(), model, X, y, 0.2, 0, batch=20)
    with untouched(model), pytest.raises(ZeroDivisionError):
        attacker_loss(Failing(), steps=5)(model, X, y, 0.2, random(0))


def test_the_classifier_is_questioned_in_evaluation_mode_and_the_attacker_in_training():
    X, y = images(30)
    seen = []

    class Watched(nn.Module):
        def __init__(self, name, inner):
            super().__init__()
            self.name, self.inner = name, inner

        def forward(self, x):
            seen.append((self.name, self.training))
            return self.inner(x)

    model = Watched("model", classifier()).train()
    opponent = Watched("attacker", attacker()).eval()
    out = train_attacker(opponent, model, X, y, 0.2, 0, epochs=1)
    assert set(seen) == {("model", False), ("attacker", True)}
    assert out is opponent
    assert not opponent.training


def test_one_seed_repeats_bit_for_bit_and_two_differ():
    X, y = images()
    model = learnt()
    first, again, other = (
        flat(train_attacker(attacker(), model, X, y, 0.2, seed, epochs=2))
        for seed in (0, np.int64(0), 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_global_random_state_and_the_callers_gradient_mode_do_not_matter():
    X, y = images(60)
    model = learnt(1)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    plain = flat(train_attacker(attacker(), model, X, y, 0.2, 0, epochs=1))
    with torch.no_grad():
        quiet = flat(train_attacker(attacker(), model, X, y, 0.2, 0, epochs=1))
    assert torch.equal(plain, quiet)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("batch", [7, 60, 100])
def test_each_epoch_shows_every_image_once(batch):
    X, y = images(60)
    seen = []

    class Recording(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = attacker()

        def forward(self, x):
            seen.append(x)
            return self.inner(x)

    train_attacker(Recording(), classifier(), X, y, 0.2, 0, epochs=2, batch=batch)
    epochs = torch.cat(seen).split(60)
    assert len(epochs) == 2
    for epoch in epochs:
        assert torch.equal(epoch.sum(1).sort().values, X.sum(1).sort().values)
    assert not torch.equal(*epochs)
    assert max(map(len, seen)) == min(batch, 60)


# Training against one


def trained(loss, epsilon=0.2, **options):
    X, y = images()
    return adversarial_training(
        classifier(), X, y, 0, loss, epsilon, epochs=3, warm_up=0, **options
    )


def test_without_room_the_game_is_standard_training_bit_for_bit():
    standard = flat(trained(noise_loss, 0.0))
    assert torch.equal(flat(trained(attacker_loss(attacker()), 0.0)), standard)


def test_an_attacker_that_changes_nothing_gives_standard_training():
    X, y = images()

    def run(loss):
        network = classifier().double()
        adversarial_training(network, X.double(), y, 0, loss, 0.2, epochs=3, warm_up=0)
        return flat(network)

    still = run(attacker_loss(Identity(0.2), steps=0))
    moved = run(attacker_loss(Constant(9.0), steps=0))
    standard = run(noise_loss_of_nothing)
    # images agree to some 1e-16; as for the written-out algorithm, six steps stay far
    # below 1e-8, where any change of the images by .01 moves the weights by 1e-3
    assert float((still - standard).abs().max()) < 1e-8
    assert float((moved - standard).abs().max()) > 1e-3


def noise_loss_of_nothing(network, x, y, epsilon, generator):
    return noise_loss(network, x, y, 0.0, generator)


def test_the_loss_is_half_that_of_the_images_and_half_that_of_the_changed_ones():
    X, y = images(40)
    network = learnt(2).double()
    value = attacker_loss(Constant(torch.inf), steps=0)(
        network, X.double(), y, 0.2, random(0)
    )
    clean, hard = (
        -network(x).log_softmax(1)[torch.arange(40), y].mean()
        for x in (X.double(), (X.double() + 0.2).clamp(max=1))
    )
    # forty logarithms of size ten and a mean, times ten
    assert abs(float((value - (clean + hard) / 2).detach())) < 10 * 40 * 10 * 2.3e-16


def test_the_loss_takes_the_attackers_images_as_given():
    X, y = images(40)
    network, opponent = learnt(2), attacker()
    attacker_loss(opponent, steps=0)(network, X, y, 0.2, random(0)).backward()
    assert all(p.grad is None for p in opponent.parameters())
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_the_attacker_takes_its_steps_on_each_batch_before_it_is_met(steps):
    X, y = images(40)
    network, ours, theirs = learnt(2), attacker(), attacker()
    loss = attacker_loss(ours, steps=steps, learning_rate=0.01)
    for _ in range(2):  # Adam remembers from one batch to the next
        value = loss(network, X, y, 0.2, random(0))
    # One batch of all images: `steps` epochs are `steps` steps, in whatever order.
    if steps:
        train_attacker(
            theirs,
            network,
            X,
            y,
            0.2,
            0,
            epochs=2 * steps,
            batch=40,
            learning_rate=0.01,
        )
        # float32: 40 images in another order, 1e-7 each; eight steps of .01
        assert float((flat(ours) - flat(theirs)).abs().max()) < 1e-4
        assert float((flat(ours) - flat(attacker())).abs().max()) > 0.005
    else:
        assert torch.equal(flat(ours), flat(theirs))
    with torch.no_grad():
        bad = in_box(X, ours(X), 0.2)
        both = torch.stack(
            [nn.functional.cross_entropy(network(x), y) for x in (X, bad)]
        )
    assert abs(float((value - both.mean()).detach())) < 1e-4


def test_the_attackers_steps_leave_the_classifier_as_it_was():
    X, y = images(40)
    network = learnt(2).train()
    with untouched(network):
        attacker_loss(attacker(), steps=3)(network, X, y, 0.2, random(0))


def test_an_attacker_that_may_not_learn_is_met_as_it_is():
    opponent = attacker().requires_grad_(False)
    before = flat(opponent).clone()
    trained(attacker_loss(opponent, steps=0))
    assert torch.equal(flat(opponent), before)


def test_each_loss_has_an_optimiser_of_its_own_and_the_callers_attacker():
    first, second = attacker(), attacker()
    one, two = trained(attacker_loss(first)), trained(attacker_loss(second))
    assert torch.equal(flat(one), flat(two))
    assert torch.equal(flat(first), flat(second))
    assert not torch.equal(flat(first), flat(attacker()))


def test_the_game_repeats_for_a_seed_and_differs_for_another():
    X, y = images()

    def run(seed):
        network = classifier()
        adversarial_training(
            network, X, y, seed, attacker_loss(attacker(), steps=2), 0.2, epochs=2
        )
        return flat(network)

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


# Bad input

X, Y = images(20)
NAN = X.clone()
NAN[3, 4] = torch.nan


class PartlyInfinite(nn.Module):
    """An attacker of which one number among others is no longer finite."""

    def __init__(self):
        super().__init__()
        self.body = attacker()
        self.spare = nn.Parameter(torch.tensor([1.0, torch.inf]))

    def forward(self, x):
        return self.body(x)


def attack(**changed):
    given = {
        "attacker": attacker(),
        "model": classifier(),
        "X": X,
        "y": Y,
        "epsilon": 0.2,
        "seed": 0,
        "epochs": 1,
    }
    return train_attacker(**{**given, **changed})


def meet(x=X, y=Y, epsilon=0.2, network=None, opponent=None):
    network = classifier() if network is None else network
    loss = attacker_loss(attacker() if opponent is None else opponent)
    return loss(network, x, y, epsilon, random(0))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: in_box([[0.1]], torch.zeros(1, 1), 0.2),
            TypeError,
            "x must be a tens",
        ),
        (lambda: in_box(X, X.tolist(), 0.2), TypeError, "raw must be a tensor"),
        (lambda: in_box(X, X.double(), 0.2), TypeError, "floats of one type"),
        (lambda: in_box(X.long(), X.long(), 0.2), TypeError, "floats of one type"),
        (lambda: in_box(X, X[:, :3], 0.2), ValueError, "raw must have the shape"),
        (lambda: in_box(X + 0.5, X, 0.2), ValueError, r"x must lie in \[0, 1\]"),
        (lambda: in_box(X - 0.5, X, 0.2), ValueError, r"x must lie in \[0, 1\]"),
        (lambda: in_box(NAN, X, 0.2), ValueError, "x must lie in"),
        (lambda: in_box(X, NAN, 0.2), ValueError, "raw must hold numbers, got NaN"),
        (lambda: in_box(X, X, -0.1), ValueError, "epsilon must lie in"),
        (lambda: in_box(X, X, 1.1), ValueError, "epsilon must lie in"),
        (lambda: in_box(X, X, np.nan), ValueError, "epsilon must be finite"),
        (lambda: in_box(X, X, "0.2"), TypeError, "epsilon must hold real"),
        (lambda: attack(attacker=len), TypeError, "attacker must be a torch.nn.Module"),
        (lambda: attack(attacker=Constant(0)), ValueError, "attacker must have param"),
        (
            lambda: attack(attacker=mlp([64, 10], random(0))),
            ValueError,
            "raw must have",
        ),
        (lambda: attack(attacker=attacker().double()), RuntimeError, "dtype"),
        (lambda: attack(model=len), TypeError, "model must be a torch.nn.Module"),
        (lambda: attack(X=X + 0.5), ValueError, r"x must lie in \[0, 1\]"),
        (lambda: attack(X=NAN), ValueError, "x must be finite"),
        (lambda: attack(X=X[:0], y=Y[:0]), ValueError, "X must hold at least one"),
        (lambda: attack(X=X.numpy()), TypeError, "x must be a tensor"),
        (lambda: attack(y=Y[:5]), ValueError, "x must have shape"),
        (lambda: attack(y=Y.float()), TypeError, "int64"),
        (lambda: attack(y=Y - 10), ValueError, "y must not be negative"),
        (lambda: attack(y=Y + 10), ValueError, "y must"),
        (lambda: attack(epsilon=-0.1), ValueError, "epsilon must lie in"),
        (lambda: attack(epsilon=None), TypeError, "epsilon must hold real"),
        (lambda: attack(seed=-1), ValueError, "seed must be"),
        (lambda: attack(seed=0.5), TypeError, "seed must be an integer"),
        (lambda: attack(epochs=0), ValueError, "epochs must be at least 1"),
        (lambda: attack(batch=0), ValueError, "batch must be at least 1"),
        (lambda: attack(learning_rate=0), ValueError, "learning_rate must lie"),
        (lambda: attack(learning_rate=np.inf), ValueError, "learning_rate must be fin"),
        (lambda: attack(attacker=PartlyInfinite()), RuntimeError, "diverged"),
        (
            lambda: attack(learning_rate=1e38),
            (RuntimeError, ValueError),
            "diverged|NaN",
        ),
        (lambda: attacker_loss(len), TypeError, "attacker must be a torch.nn.Module"),
        (lambda: attacker_loss(Constant(0)), ValueError, "attacker must have param"),
        (lambda: attacker_loss(attacker(), steps=-1), ValueError, "steps must be at"),
        (lambda: attacker_loss(attacker(), steps=1.0), TypeError, "steps must be an"),
        (
            lambda: attacker_loss(attacker(), learning_rate=-1),
            ValueError,
            "learning_rate must lie",
        ),
        (lambda: meet(x=X + 0.5), ValueError, r"x must lie in \[0, 1\]"),
        (lambda: meet(x=X[:0], y=Y[:0]), ValueError, "x must hold at least one"),
        (lambda: meet(y=Y + 10), ValueError, "y must"),
        (lambda: meet(epsilon=-0.1), ValueError, "epsilon must lie in"),
        (lambda: meet(epsilon=np.nan), ValueError, "epsilon must be finite"),
        (lambda: meet(network=len), TypeError, "model must be a torch.nn.Module"),
        (lambda: meet(opponent=mlp([64, 10], random(0))), ValueError, "raw must have"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_what_is_refused_leaves_attacker_and_classifier_as_they_were():
    opponent, model = attacker(), classifier()
    for wrong in (
        {"epsilon": -1.0},
        {"X": NAN},
        {"y": Y.float()},
        {"seed": -1},
        {"epochs": 0},
        {"learning_rate": 0},
        {"model": len},
    ):
        with (
            untouched(opponent),
            untouched(model),
            pytest.raises((TypeError, ValueError)),
        ):
            attack(**{"attacker": opponent, "model": model, **wrong})
    loss = attacker_loss(opponent)
    for bad in ({"x": NAN, "y": Y, "epsilon": 0.2}, {"x": X, "y": Y, "epsilon": 2.0}):
        with (
            untouched(opponent),
            untouched(model),
            pytest.raises(ValueError, match="must"),
        ):
            loss(model, generator=random(0), **bad)


def test_the_callers_images_are_not_changed():
    x, y = X.clone(), Y.clone()
    attack(X=x, y=y)
    meet(x=x, y=y)
    assert torch.equal(x, X)
    assert torch.equal(y, Y)


def test_a_copy_of_an_attacker_learns_on_without_the_first():
    first = attack()
    second = copy.deepcopy(first)
    before = flat(first).clone()
    attack(attacker=second)
    assert torch.equal(flat(first), before)
    assert not torch.equal(flat(second), before)
