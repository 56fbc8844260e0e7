"""The ground floor's network and input checks."""

import numpy as np
import pytest
import torch

from companion.checks import (
    check_integer,
    check_probability,
    check_stochastic,
    real_array,
)
from companion.networks import mlp

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
        torch.nn.Linear(100, 50).weight.std().item(), rel=0.05
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
            "x must hold real numbers, got complex128",
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
