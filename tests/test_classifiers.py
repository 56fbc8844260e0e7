"""Holding a classifier still, and checking what it is asked about."""

import pytest
import torch
from torch import nn

from companion.classifiers import accuracy, check_labelled_images, frozen
from tests.untouched import untouched


class Counting(nn.Module):
    """Counts its forward passes in a buffer, also in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x


def mixed_model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), Counting(), nn.Dropout(), nn.Linear(4, 2)
    )
    model[1].eval()
    model[4].bias.requires_grad_(False)
    model(torch.rand(5, 3)).sum().backward()
    return model


def test_a_frozen_model_neither_drops_units_nor_learns():
    model, x = mixed_model(), torch.rand(5, 3)
    with untouched(model), frozen(model) as held:
        assert held is model
        assert torch.equal(held(x), held(x))
        assert not any(part.training for part in held.modules())
        assert not any(p.requires_grad for p in held.parameters())


def test_gradients_of_the_inputs_are_on_wherever_the_call_stands():
    model = mixed_model()
    with torch.no_grad():
        with untouched(model), frozen(model):
            x = torch.rand(5, 3, requires_grad=True)
            (slope,) = torch.autograd.grad(model(x).sum(), x)
        assert slope.abs().sum() > 0
        assert not torch.is_grad_enabled()


def test_a_model_is_given_back_also_after_an_error():
    model = mixed_model()
    with pytest.raises(RuntimeError), untouched(model), frozen(model):
        model(torch.rand(5, 99))


def test_only_a_module_can_be_held_still():
    with pytest.raises(TypeError, match="model must be"), frozen(lambda x: x):
        pass


def test_accuracy_is_the_share_of_right_answers():
    x = torch.eye(4)
    for right in range(5):
        y = torch.arange(4)
        y[right:] = (y[right:] + 1) % 4
        assert accuracy(nn.Identity(), x, y) == right / 4


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        ([[0.5]], torch.tensor([0]), TypeError, "x must be a tensor"),
        (torch.rand(2, 3), [0, 1], TypeError, "y must be a tensor"),
        (torch.ones(2, 3).int(), torch.tensor([0, 1]), TypeError, "must hold floats"),
        (torch.rand(2, 3), torch.tensor([0.0, 1.0]), TypeError, "int64 labels"),
        (torch.rand(2), torch.tensor([0, 1]), ValueError, "must have shape"),
        (torch.rand(2, 3), torch.tensor([0]), ValueError, "must have shape"),
        (torch.full((2, 3), 1.5), torch.tensor([0, 1]), ValueError, "lie in"),
        (torch.full((2, 3), -0.5), torch.tensor([0, 1]), ValueError, "lie in"),
        (torch.full((2, 3), torch.inf), torch.tensor([0, 1]), ValueError, "lie in"),
        (torch.full((2, 3), torch.nan), torch.tensor([0, 1]), ValueError, "NaN"),
        (torch.rand(2, 3), torch.tensor([0, -1]), ValueError, "not be negative"),
        (torch.rand(2, 3, device="meta"), torch.tensor([0, 1]), ValueError, "device"),
    ],
)
def test_unfit_images_and_labels_are_refused(x, y, error, message):
    model = mixed_model()
    with pytest.raises(error, match=message), untouched(model):
        accuracy(model, x, y)
    with pytest.raises(error, match=message):
        check_labelled_images(x, y)


def test_no_image_has_no_accuracy_and_no_number_is_no_answer():
    with pytest.raises(ValueError, match="at least one image"):
        accuracy(nn.Identity(), torch.rand(0, 3), torch.zeros(0, dtype=torch.int64))
    broken = nn.Linear(3, 2)
    nn.init.constant_(broken.weight, torch.nan)
    with pytest.raises(ValueError, match="got NaN"), untouched(broken):
        accuracy(broken, torch.rand(2, 3), torch.tensor([0, 1]))
