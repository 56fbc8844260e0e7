"""What explains a model gives it back bit for bit: every public function of the chapter on explainability."""

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from companion.explainability.activation_patching import (
    ablate,
    activation_patching,
    causal_effects,
)
from companion.explainability.counterfactual_explanations import (
    along_line,
    class_margin,
    counterfactual,
)
from companion.explainability.feature_attribution import (
    grad_cam,
    gradient_times_input,
    occlusion,
    saliency,
    smooth_grad,
)
from companion.explainability.feature_effects import (
    accumulated_local_effects,
    partial_dependence,
)
from companion.explainability.integrated_gradients import (
    conductance,
    exact_integrated_gradients,
    expected_gradients,
    integrated_gradients,
)
from companion.explainability.local_surrogates import lime
from companion.explainability.mechanistic_interpretability import (
    AttentionOnlyTransformer,
    attention_patterns,
    direct_logit_attribution,
    logit_lens,
    run,
)
from companion.explainability.permutation_importance import (
    exact_permutation_importance,
    permutation_importance,
)
from companion.explainability.shapley_values import (
    coalition_values,
    exact_shapley,
    kernel_shap,
    permutation_shapley,
)
from companion.networks import convnet, mlp
from companion.scores import class_score
from tests.untouched import untouched

CHAPTER = Path(__file__).resolve().parent.parent / "companion" / "explainability"


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rng():
    return np.random.default_rng(0)


X = torch.rand(6, 3, generator=generator())
IMAGES = torch.rand(2, 1, 4, 4, generator=generator())
TOKENS = torch.randint(5, (3, 6), generator=generator())
OTHER = (TOKENS + 1) % 5


def classifier():
    """In training mode, with a part that rests, with statistics, gradients and a parameter that does not learn."""
    model = nn.Sequential(
        mlp([3, 8, 4], generator(1)),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.Dropout(),
        mlp([4, 2], generator(2)),
    )
    model(X).sum().backward()
    model[3].eval()
    next(model.parameters()).requires_grad_(False)
    return model


def image_classifier():
    _, convolution, rectifier, flat, last = convnet(generator(), (1, 4, 4), (2,), 2)
    model = nn.Sequential(
        convolution, nn.BatchNorm2d(2), rectifier, nn.Dropout(), flat, last
    )
    model(IMAGES).sum().backward()
    return model


def transformer():
    model = AttentionOnlyTransformer(5, 6, generator(), 8, 2, 2)
    model(TOKENS).sum().backward()
    return model


def black_box(f):
    return lambda A: (
        f(torch.as_tensor(A, dtype=torch.float32)).detach().double().numpy()
    )


def squared(y, scores):
    return (y - scores) ** 2


def lead(logits):
    return logits[:, -1, 0] - logits[:, -1, 1]


A, Y = X.double().numpy(), np.arange(6.0)

# What asks a function of tensors, of arrays, and what takes a model itself.
TENSORS = {
    "saliency": lambda f: saliency(f, X),
    "gradient_times_input": lambda f: gradient_times_input(f, X),
    "smooth_grad": lambda f: smooth_grad(f, X, sigma=0.1, generator=generator()),
    "integrated_gradients": lambda f: integrated_gradients(f, X, X[0] * 0),
    "expected_gradients": lambda f: expected_gradients(f, X, X, generator=generator()),
    "along_line": lambda f: along_line(f, X[:1], X[1:2]),
    "counterfactual": lambda f: counterfactual(f, X, steps=3),
}
ARRAYS = {
    "coalition_values": lambda f: coalition_values(f, A[0], A, [[0, 1, 1]]),
    "exact_shapley": lambda f: exact_shapley(f, A[0], A),
    "kernel_shap": lambda f: kernel_shap(f, A[0], A),
    "permutation_shapley": lambda f: permutation_shapley(
        f, A[0], A, permutations=2, rng=rng()
    ),
    "lime": lambda f: lime(f, A[0], scale=1.0, width=2.0, rng=rng()),
    "permutation_importance": lambda f: permutation_importance(
        f, A, Y, squared, rng=rng()
    ),
    "exact_permutation_importance": lambda f: exact_permutation_importance(
        f, A, Y, squared
    ),
    "partial_dependence": lambda f: partial_dependence(f, A, 0),
    "accumulated_local_effects": lambda f: accumulated_local_effects(f, A, 0, bins=3),
}
IMAGE_MODELS = {
    "occlusion": lambda m, x: occlusion(class_score(m, 0), x),
    "grad_cam": lambda m, x: grad_cam(m[:3], class_score(m[3:], 0), x),
    "conductance": lambda m, x: conductance(
        m[:2], class_score(m[2:], 0), x, torch.zeros(1, 4, 4)
    ),
    "exact_integrated_gradients": lambda m, x: exact_integrated_gradients(
        m, 0, x, torch.zeros(1, 4, 4)
    ),
    "class_margin": lambda m, x: saliency(class_margin(m, 0), x),
}
TRANSFORMERS = {
    "run": lambda m, t: run(m, t, {"layer0.head0": torch.zeros(3, 6, 8)}),
    "direct_logit_attribution": lambda m, t: direct_logit_attribution(m, t),
    "logit_lens": lambda m, t: logit_lens(m, t),
    "attention_patterns": lambda m, t: attention_patterns(m, t),
    "activation_patching": lambda m, t: activation_patching(m, t, OTHER, lead),
    "ablate": lambda m, t: ablate(m, t, "layer1.head0"),
    "causal_effects": lambda m, t: causal_effects(m, t, "layer0.head1", lead),
}
# These see no model of torch, or are there to train one.
WITHOUT = {
    *("pointing_game", "quadrature", "all_coalitions", "shapley_of_game"),
    *("tree_shap", "tree_leaves", "leaf_shapley", "fit_additive_model"),
    *("weighted_ridge", "effective_share", "closest_counterfactual_linear"),
    *("logit_lead", "repeated_sequences", "repeat_accuracy", "fit_repeats"),
    *("induction_score", "previous_token_score"),
}


def public_functions():
    modules = [
        importlib.import_module(f"companion.explainability.{path.stem}")
        for path in CHAPTER.glob("[!_]*.py")
    ]
    return {
        name
        for module in modules
        for name in module.__all__
        if inspect.isfunction(getattr(module, name))
    }


def test_no_public_function_of_the_chapter_is_left_out():
    asked = [*TENSORS, *ARRAYS, *IMAGE_MODELS, *TRANSFORMERS]
    assert sorted([*asked, *WITHOUT]) == sorted(public_functions())


@pytest.mark.parametrize("name", [*TENSORS, *ARRAYS])
def test_a_model_that_is_asked_comes_back_as_it_was(name):
    model = classifier()
    score = class_score(model, 0)

    def no_score(x):
        return score(x)[:0]

    explain = TENSORS.get(name) or (lambda f: ARRAYS[name](black_box(f)))
    with untouched(model):
        explain(score)
    with untouched(model), pytest.raises(ValueError, match="must (have|return) shape"):
        explain(no_score)


@pytest.mark.parametrize(
    ("name", "make", "x", "bad"),
    [
        *((name, image_classifier, IMAGES, IMAGES / 0) for name in IMAGE_MODELS),
        *((name, transformer, TOKENS, TOKENS + 9) for name in TRANSFORMERS),
    ],
)
def test_a_model_that_is_opened_comes_back_as_it_was(name, make, x, bad):
    model = make()
    explain = {**IMAGE_MODELS, **TRANSFORMERS}[name]
    with untouched(model):
        explain(model, x)
    with untouched(model), pytest.raises(ValueError, match="must"):
        explain(model, bad)
