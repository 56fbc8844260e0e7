"""The ground floor's network, training loop, data sets and input checks."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from companion.checks import (
    check_fitted,
    check_generator,
    check_integer,
    check_number,
    check_probability,
    check_seed,
    check_stochastic,
    check_table,
    integer_array,
    real_array,
)
from companion.datasets import digits, wisconsin_outliers
from companion.networks import convnet, mlp
from companion.training import train_classifier
from tests.bad_input import TABLES

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


@pytest.mark.parametrize("device", DEVICES)
def test_a_network_is_drawn_from_its_generator_alone(device):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again = (
        mlp([4, 8, 2], torch.Generator(device).manual_seed(0)) for _ in range(2)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )
    assert next(first.parameters()).device.type == device
    assert first(torch.zeros(3, 4, device=device)).shape == (3, 2)


def test_its_weights_have_the_scale_of_torchs_own_layers():
    ours = mlp([100, 50], torch.Generator().manual_seed(0))[0].weight
    assert ours.abs().max() <= 0.1
    assert ours.std().item() == pytest.approx(
        torch.nn.Linear(100, 50).weight.std().item(), rel=0.05, abs=0
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: mlp([4], torch.Generator()),
            ValueError,
            "at least inputs and outputs",
        ),
        (
            lambda: mlp([4, 0], torch.Generator()),
            ValueError,
            "sizes must be at least 1",
        ),
        (
            lambda: real_array("x", [1j]),
            TypeError,
            r"x must hold real numbers, got \[1j\]",
        ),
        (
            lambda: real_array("x", [1, 2], (3,)),
            ValueError,
            r"x must have shape \(3,\), got \(2,\)",
        ),
        (lambda: real_array("x", [np.inf]), ValueError, "x must be finite"),
        (
            lambda: check_integer("k", True, 0),
            TypeError,
            "k must be an integer, got True",
        ),
        (
            lambda: check_integer("k", 2.0, 0),
            TypeError,
            "k must be an integer, got 2.0",
        ),
        (
            lambda: check_integer("k", 5, 0, 4),
            ValueError,
            "k must be between 0 and 4, got 5",
        ),
        (
            lambda: check_probability("p", [0, 1.1]),
            ValueError,
            r"p must lie in \[0, 1\], got values from 0 to 1.1",
        ),
        (lambda: mlp(8, torch.Generator()), TypeError, "sizes must be a sequence"),
        (lambda: mlp([4, 2], 0), TypeError, "generator must be a torch.Generator"),
        (lambda: real_array("x", None), TypeError, "x must hold .* got None"),
        (
            lambda: real_array("x", sparse.eye_array(2)),
            TypeError,
            "x must hold real numbers, got <.* sparse array",
        ),
        (
            lambda: real_array("x", torch.ones(2, requires_grad=True)),
            TypeError,
            "x must hold real numbers, got tensor",
        ),
        (lambda: real_array("x", [[1], [1, 2]]), TypeError, "x must hold"),
        (
            lambda: real_array("x", np.longdouble("1e400")),
            ValueError,
            "x must be finite",
        ),
        (lambda: check_seed("seed", -1), ValueError, "seed must be between 0"),
        (lambda: check_seed("seed", 1.0), TypeError, "seed must be an integer"),
        (
            lambda: check_generator("rng", np.random.RandomState(0)),
            TypeError,
            "rng must be a numpy.random.Generator",
        ),
        (lambda: check_stochastic("p", []), ValueError, "at least one distribution"),
        (lambda: check_stochastic("p", 0.5), ValueError, "at least one distribution"),
        (
            lambda: check_stochastic("p", [0.5, 0.4]),
            ValueError,
            "p must sum to 1 .* got 0.9",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_checked_values_are_not_copied():
    x = np.array([0.25, 0.75])
    assert np.shares_memory(check_stochastic("x", x), x)


@pytest.mark.parametrize(
    ("ends", "inside", "outside"),
    [
        ("[]", [0, 0.5, 1], [-1e-300, 1.1]),
        ("[)", [0, 0.5], [1, -0.1]),
        ("(]", [0.5, 1], [0, 1.1]),
        ("()", [5e-324, 0.5], [0, 1]),
    ],
)
def test_brackets_say_which_ends_belong_to_the_interval(ends, inside, outside):
    for number in inside:
        assert check_number("x", number, 0, 1, ends) == number
    for number in outside:
        with pytest.raises(ValueError, match=r"x must lie in [\[(]0, 1[\])], got"):
            check_number("x", number, 0, 1, ends)


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5), np.int8(3), 2])
def test_a_number_of_any_make_becomes_a_float(number):
    found = check_number("x", number)
    assert type(found) is float
    assert found == number


@pytest.mark.parametrize("thing", [True, np.bool_(False), None, "1", 1j, [[]]])
def test_what_is_no_number_is_refused(thing):
    with pytest.raises((TypeError, ValueError), match="x must"):
        check_number("x", thing)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, [1.0]])
def test_no_interval_holds_what_is_not_one_finite_number(number):
    with pytest.raises(ValueError, match="x must"):
        check_number("x", number)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.uint64, np.int64])
def test_integers_of_every_width_become_int64_in_an_array_of_their_own(kind):
    given = np.array([[1, 0]], dtype=kind)
    array = integer_array("word", given, 0, 1)
    assert array.dtype == np.int64
    assert array.tolist() == [[1, 0]]
    array[:] = 7
    assert given.tolist() == [[1, 0]]
    assert integer_array("word", given[:, :0], 0, 1).shape == (1, 0)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.array([2**64 - 1], np.uint64), ValueError),  # as int64 it would be -1
        ([-1], ValueError),
        ([2], ValueError),
        ([1.0], TypeError),
        (None, TypeError),
        ("1", TypeError),
        ([[1], [1, 0]], TypeError),
        (sparse.csr_array(np.eye(2, dtype=int)), TypeError),
        (torch.ones(2, requires_grad=True), TypeError),
        ([2**70], TypeError),
    ],
)
def test_what_is_no_integer_of_the_range_is_refused_by_name(value, error):
    with pytest.raises(error, match="word must hold integers"):
        integer_array("word", value, -1 if error is TypeError else 0, 1)


def test_a_seed_of_numpy_becomes_an_int_and_a_generator_stays():
    assert type(check_seed("seed", np.uint8(3))) is int
    rng = np.random.default_rng(0)
    assert check_generator("rng", rng) is rng


def test_a_model_is_fitted_once_it_has_what_fitting_sets():
    class Model:
        pass

    model = Model()
    with pytest.raises(RuntimeError, match="Model is not fitted: call fit first"):
        check_fitted(model, "mean")
    model.mean = None
    check_fitted(model, "mean")


def test_the_activation_stands_between_the_layers_only():
    kinds = [type(layer) for layer in mlp([2, 3, 4], torch.Generator(), nn.Tanh)]
    assert kinds == [nn.Linear, nn.Tanh, nn.Linear]


def test_a_network_is_float32_whatever_torchs_default_is():
    torch.set_default_dtype(torch.float64)
    try:
        network = mlp([2, 3], torch.Generator())
    finally:
        torch.set_default_dtype(torch.float32)
    assert network[0].weight.dtype == torch.float32


def test_the_digits_are_split_without_loss_and_the_same_in_every_class():
    data = digits()
    assert len(data.y_train) + len(data.y_test) == 1797
    shares = [np.bincount(y) / len(y) for y in (data.y_train, data.y_test)]
    # Each class may be off by one image in either part.
    assert np.abs(shares[0] - shares[1]).max() <= 1 / 450 + 1 / 1347
    assert 0 == data.X_train.min() < data.X_train.max() == 1
    assert np.array_equal(digits().X_test, data.X_test)


def test_the_outliers_are_the_malignant_ones():
    X, outlier = wisconsin_outliers()
    assert X.shape == (378, 30)
    assert outlier.sum() == 21
    assert 0 <= X.min() < X.max() <= 1


def two_clouds(device="cpu", count=64):
    generator = torch.Generator(device).manual_seed(0)
    X = torch.randn(count, 2, generator=generator, device=device)
    return X, (X[:, 0] > 0).long()


@pytest.mark.parametrize("device", DEVICES)
def test_training_lowers_the_loss_and_repeats_itself(device):
    X, y = two_clouds(device)
    before = torch.get_rng_state()

    def run(seed):
        losses = []
        network = mlp([2, 16, 2], torch.Generator(device).manual_seed(0))
        train_classifier(
            network,
            X,
            y,
            seed,
            epochs=15,
            learning_rate=0.02,
            watch=lambda _, n: losses.append(
                nn.functional.cross_entropy(n(X), y).item()
            ),
        )
        assert not network.training
        return losses

    first = run(0)
    assert len(first) == 16
    assert first[-1] < first[0] / 2
    assert run(0) == first
    assert run(1) != first
    assert torch.equal(before, torch.get_rng_state())


def test_one_full_batch_is_one_step_of_adam():
    X, y = two_clouds()
    network, twin = (mlp([2, 2], torch.Generator().manual_seed(0)) for _ in range(2))
    train_classifier(network, X, y, 0, epochs=1, batch=64, weight_decay=0.5)
    optimiser = torch.optim.AdamW(twin.parameters(), lr=1e-3, weight_decay=0.5)
    nn.functional.cross_entropy(twin(X), y).backward()
    optimiser.step()
    # The order of 64 samples differs: their mean gradient by 64 roundings of float32,
    # and one step of Adam moves by 1e-3 times a ratio of order one.
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert (ours - theirs).abs().max() <= 10 * 64 * 1.2e-7 * 1e-3 + 1.2e-7


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.zeros((2, 2))}, TypeError, "X must be a tensor, got ndarray"),
        ({"y": torch.zeros(64)}, TypeError, "y int64 labels"),
        ({"y": torch.zeros(3, dtype=torch.int64)}, ValueError, "y shape"),
        ({"X": torch.full((64, 2), torch.nan)}, ValueError, "X must be finite"),
        ({"y": torch.full((64,), -1)}, ValueError, "y not negative"),
        ({"seed": -1}, ValueError, "seed"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"batch": 0}, ValueError, "batch"),
        ({"learning_rate": 0}, ValueError, "learning_rate"),
        ({"weight_decay": -1}, ValueError, "weight_decay"),
    ],
)
def test_training_refuses_before_its_first_step(change, error, message):
    X, y = two_clouds()
    network = mlp([2, 2], torch.Generator().manual_seed(0))
    before = [p.clone() for p in network.parameters()]
    arguments = {"X": X, "y": y, "seed": 0, **change}
    with pytest.raises(error, match=message):
        train_classifier(network, **arguments)
    assert all(
        torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)
    )


@pytest.mark.parametrize(("X", "error"), TABLES)
def test_what_is_no_table_is_refused(X, error):
    with pytest.raises(error, match="X must"):
        check_table("X", X, rows=2)


def test_a_table_has_the_columns_that_were_asked_for():
    assert check_table("X", [[1, 2]], columns=2).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match=r"X must have shape \(None, 3\)"):
        check_table("X", [[1, 2]], columns=3)


@pytest.mark.parametrize("device", DEVICES)
def test_a_convolutional_network_is_drawn_from_its_generator_alone(device):
    before = torch.get_rng_state()
    first, again = (convnet(torch.Generator(device).manual_seed(0)) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.dtype == torch.float32
    assert first(torch.zeros(3, 64, device=device)).shape == (3, 10)


def test_a_convolutional_network_has_the_scale_of_torchs_own_layers():
    ours = convnet(torch.Generator().manual_seed(0), (1, 8, 8), (64, 64), 10)
    conv, linear = ours[3], ours[-1]
    assert conv.weight.abs().max() <= (64 * 9) ** -0.5
    assert conv.bias.abs().max() <= (64 * 9) ** -0.5
    assert linear.weight.shape == (10, 64 * 4 * 4)
    assert conv.weight.std().item() == pytest.approx(
        nn.Conv2d(64, 64, 3).weight.std().item(), rel=0.05, abs=0
    )


def test_a_convolutional_network_sees_where_a_pixel_is():
    # One bright pixel, seen by one 3 x 3 convolution: nine places answer to it.
    network = convnet(torch.Generator().manual_seed(0), (1, 5, 7), (1,), 2)
    x = torch.zeros(1, 5, 7)
    x[0, 2, 4] = 1
    seen = network[:2](x.flatten(1)) != network[:2](torch.zeros(1, 35))
    assert seen.nonzero()[:, 2:].tolist() == [
        [row, column] for row in (1, 2, 3) for column in (3, 4, 5)
    ]
    assert network(torch.zeros(2, 35)).shape == (2, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: convnet(None), TypeError, "generator must be"),
        (lambda g: convnet(g, (1, 0, 8)), ValueError, "shape must be"),
        (lambda g: convnet(g, channels=()), ValueError, "at least one convolution"),
        (lambda g: convnet(g, channels=(4, 2.5)), TypeError, "channels must be"),
        (lambda g: convnet(g, classes=0), ValueError, "classes must be"),
    ],
)
def test_a_convolutional_network_without_a_size_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.Generator())
