"""A score is one finite number per row, each row on its own, and asking for it changes nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from companion.networks import mlp
from companion.scores import (
    array_scores,
    class_score,
    score_gradients,
    scores_and_gradients,
    tensor_scores,
)
from tests.untouched import untouched

X = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))


def net() -> nn.Sequential:
    return mlp([3, 8, 4], torch.Generator().manual_seed(1))


def with_batch_statistics() -> nn.Sequential:
    model = nn.Sequential(net(), nn.BatchNorm1d(4), nn.Dropout())
    model(X).sum().backward()
    return model.train()


def test_a_class_score_is_one_column_of_the_model_in_evaluation_mode():
    model = with_batch_statistics()
    with untouched(model):
        answer = class_score(model, 2)(X)
    expected = model.eval()(X)[:, 2]
    assert torch.equal(answer, expected)


def test_gradients_leave_the_model_and_the_input_as_they_were():
    model, x = with_batch_statistics(), X.clone().requires_grad_()
    with untouched(model), torch.no_grad():
        gradients = score_gradients(class_score(model, 0), x)
    assert x.grad is None
    assert gradients.shape == x.shape
    assert not gradients.requires_grad


def test_a_models_gradients_are_left_alone_also_when_it_is_asked_directly():
    model = net()
    model(X).sum().backward()
    with untouched(model):
        score_gradients(lambda x: model(x)[:, 1], X)


def test_gradients_are_each_rows_own():
    weights = torch.tensor([1.0, -2.0, 0.5])
    gradients = score_gradients(lambda x: (x @ weights) ** 2, X)
    torch.testing.assert_close(gradients, 2 * (X @ weights)[:, None] * weights)


def test_scores_come_with_their_gradients_from_one_pass():
    model, passes = net(), []

    def f(x):
        passes.append(len(x))
        return model(x)[:, 1]

    scores, gradients = scores_and_gradients(f, X)
    assert passes == [5, 1]  # the batch, and the row that is compared with it
    assert torch.equal(scores, model(X)[:, 1].detach())
    assert torch.equal(gradients, score_gradients(f, X))
    assert not scores.requires_grad


def test_gradients_come_in_the_inputs_own_precision():
    x = X.double()
    assert score_gradients(lambda x: x.sin().sum(dim=1), x).dtype == torch.float64


def test_a_function_that_mixes_the_rows_is_refused():
    with pytest.raises(ValueError, match="treat rows apart"):
        tensor_scores(lambda x: x[:, 0] - x[:, 0].mean(), X)
    with pytest.raises(ValueError, match="treat rows apart"):
        array_scores(lambda A: A[:, 0] - A[:, 0].mean(), X.double().numpy())


def test_rounding_alone_is_not_taken_for_mixed_rows():
    # In float32 a batch of 4000 rows and one row are added in another order.
    x = 1e3 * torch.randn(4000, 64, generator=torch.Generator().manual_seed(2))
    model = mlp([64, 256, 256, 2], torch.Generator().manual_seed(3))
    tensor_scores(class_score(model, 1), x)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x, r"shape \(5,\)"),
        (lambda x: x.sum(), r"shape \(5,\)"),
        (lambda x: x.sum(dim=1) / 0, "finite scores"),
        (lambda x: x.sum(dim=1).int(), "tensor of floats"),
        (lambda x: x.sum(dim=1).numpy(), "tensor of floats"),
        (lambda x: None, "tensor of floats"),
    ],
)
def test_what_is_no_score_is_refused(f, words):
    with pytest.raises((TypeError, ValueError), match=words):
        tensor_scores(f, X)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.detach().sum(dim=1),
        lambda x: x.argmax(dim=1).float(),
        lambda x: net()(x.detach())[:, 0],
    ],
)
def test_a_function_without_gradients_is_refused_and_not_given_zeros(f):
    with pytest.raises(ValueError, match="must be differentiable"):
        score_gradients(f, X)


def test_gradients_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite gradients"):
        score_gradients(lambda x: (x - x).sqrt().sum(dim=1), X)


@pytest.mark.parametrize(
    "x",
    [None, X.int(), X.tolist(), X[:0], X[0], X / 0],
)
@pytest.mark.parametrize("ask", [tensor_scores, score_gradients])
def test_inputs_that_are_no_batch_are_refused(ask, x):
    with pytest.raises((TypeError, ValueError), match="x must"):
        ask(lambda x: x.sum(dim=1), x)


@pytest.mark.parametrize(
    "f",
    [
        lambda A: A,
        lambda A: A.sum(),
        lambda A: A[:, 0] * np.nan,
        lambda A: ["high"] * len(A),
        lambda A: torch.tensor(A[:, 0], requires_grad=True),
    ],
)
def test_a_black_box_that_gives_no_scores_is_refused(f):
    with pytest.raises((TypeError, ValueError), match=r"f\(X\) must"):
        array_scores(f, X.double().numpy())


def test_a_score_needs_a_model_and_one_of_its_outputs():
    with pytest.raises(TypeError, match="model must be"):
        class_score(lambda x: x, 0)
    with pytest.raises(ValueError, match="index"):
        class_score(net(), -1)
    with pytest.raises(ValueError, match="index 4"):
        class_score(net(), 4)(X)
    with pytest.raises(ValueError, match=r"got shape \(5,\)"):
        class_score(nn.Flatten(0), 0)(X[:, :1])
