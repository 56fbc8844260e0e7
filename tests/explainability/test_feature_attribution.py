"""Attributions of functions whose maps are known: linear, quadratic, homogeneous, with a known back."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from companion.explainability.feature_attribution import (
    grad_cam,
    gradient_times_input,
    occlusion,
    pointing_game,
    saliency,
    smooth_grad,
)
from companion.networks import convnet
from companion.scores import class_score
from tests.rounding import EPS, rounding
from tests.untouched import untouched

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
few = settings(max_examples=25, derandomize=True, deadline=None)


def seeded(seed: int = 0, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def assert_near(ours: torch.Tensor, expected: torch.Tensor, bound: float) -> None:
    torch.testing.assert_close(ours, expected, rtol=0, atol=bound)


def linear(weight: torch.Tensor):
    return lambda x: (x * weight).flatten(1).sum(dim=1)


def net(seed: int = 0) -> nn.Sequential:
    """A convolutional net of images (n, 1, 8, 8), in float64."""
    return convnet(seeded(seed), channels=(4, 6))[1:].double()


def restless() -> nn.Sequential:
    """A net in training mode, with batch statistics, dropout, and gradients that it holds."""
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(3 * 16, 4),
    ).double()
    model(drawn(5, 1, 4, 4)).sum().backward()
    model[0].weight.requires_grad_(False)
    return model.train()


# Gradients


def test_a_linear_score_has_its_weights_as_saliency_wherever_it_stands():
    weight = drawn(1, 4, 4)
    maps = saliency(linear(weight), drawn(3, 1, 4, 4, seed=1))
    assert torch.equal(maps, weight.expand(3, 1, 4, 4))


def test_saliency_keeps_the_sign_and_does_not_see_a_constant():
    x = drawn(2, 5)
    maps = saliency(lambda x: -x.sin().sum(dim=1), x)
    assert_near(maps, -x.cos(), rounding(2, 1))
    assert torch.equal(maps, saliency(lambda x: 7 - x.sin().sum(dim=1), x))


def test_gradient_times_input_of_a_linear_score_is_what_each_value_adds():
    weight, x = drawn(6), drawn(3, 6, seed=1)
    maps = gradient_times_input(linear(weight), x)
    assert torch.equal(maps, weight * x)


@few
@given(seed=st.integers(0, 2**32))
def test_gradient_times_input_sums_to_a_score_without_biases(seed):
    # Euler: a rectifier net without biases is homogeneous of degree one.
    model = net(seed)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.bias.zero_()
    f, x = class_score(model, 2), drawn(2, 1, 8, 8, seed=1)
    gap = gradient_times_input(f, x).sum(dim=(1, 2, 3)) - f(x)
    # 9, 36 and 96 products in a row, at most 64 pixels; all values below 10.
    assert float(gap.abs().max()) <= rounding(9 + 36 + 96 + 64, 10)


def test_gradient_times_input_is_zero_where_the_input_is():
    x = drawn(2, 1, 8, 8)
    x[:, :, 2:5] = 0
    assert not gradient_times_input(class_score(net(), 0), x)[:, :, 2:5].any()


# SmoothGrad


def quadratic(A: torch.Tensor):
    return lambda x: ((x @ A) * x).sum(dim=1) / 2


def symmetric(d: int) -> torch.Tensor:
    A = drawn(d, d)
    return A + A.T


def test_smooth_grad_of_a_quadratic_is_its_gradient_at_the_mean_draw():
    A, x, samples, sigma = symmetric(4), drawn(3, 4, seed=1), 9, 0.7
    ours = smooth_grad(
        quadratic(A), x, sigma=sigma, samples=samples, generator=seeded(5)
    )
    noise = torch.randn(samples, 1, 4, generator=seeded(5), dtype=torch.float64)
    expected = (x + sigma * noise.mean(dim=0)) @ A
    scale = float(A.abs().max() * (x.abs().max() + sigma * noise.abs().max()))
    assert_near(ours, expected, rounding(4 + samples, 4 * scale))


def test_smooth_grad_of_a_quadratic_has_the_mean_and_variance_of_the_formula():
    d, sigma, samples, repeats = 3, 0.5, 4, 2000
    A, x = symmetric(d), drawn(1, d, seed=1)
    generator = seeded(3)
    maps = torch.cat(
        [
            smooth_grad(
                quadratic(A), x, sigma=sigma, samples=samples, generator=generator
            )
            for _ in range(repeats)
        ]
    )
    variance = sigma**2 * (A @ A.T).diag() / samples
    error = (maps.mean(dim=0) - (x @ A)[0]) / (variance / repeats).sqrt()
    assert float(error.abs().max()) < 5
    # A variance from r draws of a Gaussian has the relative error sqrt(2 / r).
    ratio = maps.var(dim=0) / variance
    assert float((ratio - 1).abs().max()) < 5 * math.sqrt(2 / repeats)


@pytest.mark.parametrize("place", [-0.3, 0.0, 0.1, 0.8])
def test_smooth_grad_is_the_gradient_of_the_blurred_score(place):
    # Of max(0, x), blurred by a Gaussian, the slope is Phi(x / sigma).
    sigma, samples = 0.4, 20_000
    x = torch.tensor([[place]], dtype=torch.float64)
    ours = smooth_grad(
        lambda x: x.relu().sum(dim=1),
        x,
        sigma=sigma,
        samples=samples,
        generator=seeded(),
    )
    phi = (1 + math.erf(place / sigma / math.sqrt(2))) / 2
    assert abs(float(ours) - phi) < 5 * math.sqrt(phi * (1 - phi) / samples)


def test_smooth_grad_without_noise_is_saliency():
    f, x = class_score(net(), 1), drawn(3, 1, 8, 8)
    ours = smooth_grad(f, x, sigma=0, samples=3, generator=seeded())
    assert_near(ours, saliency(f, x), rounding(200, float(ours.abs().max())))


@pytest.mark.parametrize("batch", [1, 7, 8, 10_000])
def test_smooth_grad_does_not_depend_on_how_much_is_asked_at_once(batch):
    f, x = class_score(net(), 1), drawn(4, 1, 8, 8)
    options = {"sigma": 0.2, "samples": 11}
    once = smooth_grad(f, x, generator=seeded(2), **options)
    ours = smooth_grad(f, x, generator=seeded(2), batch=batch, **options)
    assert_near(ours, once, rounding(200, float(once.abs().max())))


def test_the_same_generator_gives_the_same_bits_and_moves_on():
    f, x = class_score(net(), 1), drawn(2, 1, 8, 8)
    generator = seeded(4)
    first = smooth_grad(f, x, sigma=0.2, generator=generator)
    second = smooth_grad(f, x, sigma=0.2, generator=generator)
    assert torch.equal(first, smooth_grad(f, x, sigma=0.2, generator=seeded(4)))
    assert not torch.equal(first, second)


# Occlusion


def brute(f, x, window, stride, fill):
    """Pixel by pixel: the mean fall over all windows that cover it."""
    filling = torch.as_tensor(fill, dtype=x.dtype).expand_as(x)
    rows, columns = x.shape[-2:]
    tops, lefts = (
        [k * s for k in range(math.ceil((n - w) / s) + 1)]
        for n, w, s in ((rows, window[0], stride[0]), (columns, window[1], stride[1]))
    )
    maps = torch.zeros_like(x)
    for i, j in itertools.product(range(rows), range(columns)):
        falls = []
        for top, left in itertools.product(tops, lefts):
            if top <= i < top + window[0] and left <= j < left + window[1]:
                part = (
                    ...,
                    slice(top, top + window[0]),
                    slice(left, left + window[1]),
                )
                covered = x.clone()
                covered[part] = filling[part]
                falls.append(f(x) - f(covered))
        fall = torch.stack(falls).mean(dim=0)
        maps[..., i, j] = fall.view(-1, *[1] * (x.ndim - 3))
    return maps


@few
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_occlusion_is_the_mean_fall_over_the_windows_that_cover_a_pixel(
    size, window, stride, channels, seed
):
    window = tuple(min(w, n) for w, n in zip(window, size, strict=True))
    stride = tuple(min(s, w) for s, w in zip(stride, window, strict=True))
    x, weight = (
        drawn(2, channels, *size, seed=seed),
        drawn(channels, *size, seed=seed + 1),
    )
    fill = drawn(channels, *size, seed=seed + 2)

    def f(x):
        return linear(weight)(x).sin() + linear(weight)(x**2)

    ours = occlusion(f, x, window=window, stride=stride, fill=fill, batch=7)
    # Sums of 50 products, of which each is at most the largest weight times a square.
    scale = 50 * float(weight.abs().max()) * (1 + float(x.abs().max() ** 2))
    scale += 50 * float(weight.abs().max()) * float(fill.abs().max() ** 2)
    assert_near(ours, brute(f, x, window, stride, fill), rounding(100, scale))


def test_occlusion_of_single_pixels_of_a_linear_score_is_weight_times_change():
    weight, x, fill = (
        drawn(1, 5, 6),
        drawn(2, 1, 5, 6, seed=1),
        drawn(1, 5, 6, seed=2),
    )
    ours = occlusion(linear(weight), x, window=1, fill=fill)
    # A difference of two sums of 30 products.
    scale = 30 * float(weight.abs().max() * (x.abs().max() + fill.abs().max()))
    assert_near(ours, weight * (x - fill), rounding(60, scale))


def test_occlusion_of_the_sum_is_the_same_at_every_pixel():
    ours = occlusion(
        lambda x: x.flatten(1).sum(dim=1), torch.ones(1, 1, 7, 7), window=3
    )
    assert torch.equal(ours, torch.full((1, 1, 7, 7), 9.0))


def test_a_window_that_sticks_out_is_cut_off():
    # Windows of two columns at 0, 2 and 4: the last one covers a single column.
    ours = occlusion(
        lambda x: x.flatten(1).sum(dim=1), torch.ones(1, 2, 5), window=2, stride=2
    )
    assert torch.equal(ours, torch.tensor([4.0, 4, 4, 4, 2]).expand(1, 2, 5))


def test_what_equals_the_filling_gets_nothing_from_any_model():
    f, x = class_score(net(), 3), drawn(3, 1, 8, 8)
    x[..., 2:4, 2:4] = 1.0
    ours = occlusion(f, x, window=2, stride=2, fill=1.0)
    # The same image scored twice in one batch: 141 operations on values below 10.
    assert float(ours[..., 2:4, 2:4].abs().max()) <= rounding(141, 10)
    assert float(ours.abs().max()) > 1e-3


def test_occlusion_counts_the_pixels_of_all_channels_and_tells_each_the_same():
    x = torch.ones(1, 3, 2, 2)
    ours = occlusion(lambda x: x.flatten(1).sum(dim=1), x, window=1)
    assert torch.equal(ours, torch.full((1, 3, 2, 2), 3.0))
    ours[0, 0, 0, 0] = 9  # its own memory, not a view of one channel
    assert float(ours[0, 1, 0, 0]) == 3


def test_occlusion_needs_no_gradient():
    def step(x):
        return (x.flatten(1).sum(dim=1) > 3.5).double()

    ours = occlusion(step, torch.ones(1, 2, 2, dtype=torch.float64), window=1)
    assert torch.equal(ours, torch.ones(1, 2, 2, dtype=torch.float64))


@pytest.mark.parametrize("batch", [1, 5, 64, 10_000])
def test_occlusion_does_not_depend_on_how_much_is_asked_at_once(batch):
    f, x = class_score(net(), 1), drawn(3, 1, 8, 8)
    once = occlusion(f, x)
    assert_near(occlusion(f, x, batch=batch), once, rounding(141, 10))


def test_a_filling_is_a_number_or_an_image_or_one_for_each():
    f, x = class_score(net(), 1), drawn(3, 1, 8, 8)
    number = occlusion(f, x, fill=0.5)
    for fill in (
        torch.tensor(0.5),
        torch.full((1, 8, 8), 0.5),
        torch.full((3, 1, 8, 8), 0.5),
    ):
        assert torch.equal(occlusion(f, x, fill=fill), number)


# Grad-CAM


def test_grad_cam_is_cam_where_the_back_averages_and_is_linear():
    front = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU()).double()
    back = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)
    ).double()
    x = drawn(4, 1, 6, 6)
    weight = back[2].weight[1].detach()
    with torch.no_grad():
        cam = torch.einsum("k,nkhw->nhw", weight, front(x))
    ours = grad_cam(front, class_score(back, 1), x, relu=False)
    assert_near(16 * ours, cam, rounding(16 + 5, 5 * float(cam.abs().max() + 1)))
    # The score itself is the mean of CAM and the bias.
    with torch.no_grad():
        score = back(front(x))[:, 1] - back[2].bias[1]
    assert_near(ours.sum(dim=(1, 2)), score, rounding(100, 10))


def test_grad_cam_is_not_gradient_times_maps_where_the_back_tells_places_apart():
    model, x = net(), drawn(2, 1, 8, 8)
    front, back = model[:4], class_score(model[4:], 1)
    with torch.no_grad():
        maps = front(x)
    gradient = saliency(back, maps)
    expected = torch.zeros(2, 4, 4, dtype=torch.float64)
    for k in range(6):
        for i in range(2):
            expected[i] += gradient[i, k].sum() / 16 * maps[i, k]
    ours = grad_cam(front, back, x, relu=False)
    assert_near(ours, expected, rounding(16 + 6, 10))
    naive = (gradient * maps).sum(dim=1)
    assert float((naive - ours).abs().max()) > 1e-3


def test_grad_cam_cuts_negative_sums_unless_told_otherwise():
    model, x = net(), drawn(2, 1, 8, 8)
    whole = grad_cam(model[:4], class_score(model[4:], 1), x, relu=False)
    assert bool((whole < 0).any())
    cut = grad_cam(model[:4], class_score(model[4:], 1), x)
    assert torch.equal(cut, whole.clamp(min=0))


# The pointing game


def test_pointing_shares_ties_and_gives_a_blank_map_the_chance_level():
    region = torch.zeros(4, 4, dtype=torch.bool)
    region[:2, :2] = True
    one, two = torch.zeros(2, 4, 4)
    one[1, 1] = 3
    two[1, 1], two[3, 3], two[2, 3] = 1, 1, 1
    maps = torch.stack([one, -one, two, torch.zeros(4, 4)])
    hits = pointing_game(maps, region)
    np.testing.assert_allclose(
        hits.numpy(), [1, 3 / 15, 1 / 3, 4 / 16], rtol=0, atol=2 * EPS
    )


@few
@given(seed=st.integers(0, 2**32))
def test_pointing_inside_and_outside_add_up_to_one(seed):
    maps = drawn(3, 5, 5, seed=seed).round()  # many ties
    region = drawn(5, 5, seed=seed + 1) > 0
    both = pointing_game(maps, region) + pointing_game(maps, ~region)
    assert_near(both, torch.ones(3, dtype=torch.float64), 4 * EPS)


# What every function keeps

CALLS = {
    "saliency": lambda model, x: saliency(class_score(model, 1), x),
    "gradient times input": lambda model, x: gradient_times_input(
        class_score(model, 1), x
    ),
    "SmoothGrad": lambda model, x: smooth_grad(
        class_score(model, 1), x, sigma=0.1, samples=5, generator=seeded(0)
    ),
    "occlusion": lambda model, x: occlusion(class_score(model, 1), x, batch=9),
    "Grad-CAM": lambda model, x: grad_cam(model[:3], class_score(model[3:], 1), x),
}
each = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@each
def test_the_model_is_left_as_it_was(call):
    model, x = restless(), drawn(3, 1, 4, 4)
    with untouched(model):
        maps = call(model, x)
    assert not maps.requires_grad
    assert torch.equal(maps, call(model.eval(), x))


@each
def test_the_model_is_left_as_it_was_after_an_exception(call):
    model, x = restless(), drawn(3, 1, 4, 4)
    with untouched(model):
        for bad in (x[:, :, :3, :3], torch.full_like(x, torch.nan)):
            with pytest.raises((RuntimeError, ValueError)):
                call(model, bad)


@each
def test_inputs_and_global_random_state_are_left_alone(call):
    model, x = restless(), drawn(3, 1, 4, 4).requires_grad_()
    before, state = x.detach().clone(), torch.get_rng_state()
    with torch.no_grad():  # also where gradients are switched off
        call(model, x)
    assert torch.equal(x.detach(), before)
    assert x.grad is None
    assert torch.equal(torch.get_rng_state(), state)
    assert x.requires_grad


@each
def test_a_row_alone_gets_the_map_that_it_gets_in_the_batch(call):
    model, x = restless(), drawn(4, 1, 4, 4)
    whole = call(model, x)
    scale = float(whole.abs().max()) + 1
    assert_near(call(model, x[2:3]), whole[2:3], rounding(9 + 48 + 16, 10 * scale))


@each
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_type_and_device_follow_the_input(call, dtype, device):
    model = restless().to(device=device, dtype=dtype)
    maps = call(model, drawn(3, 1, 4, 4).to(device=device, dtype=dtype))
    assert maps.dtype == dtype
    assert maps.device.type == device


@pytest.mark.parametrize("device", DEVICES)
def test_draws_and_masks_travel_to_the_inputs_device(device):
    x = drawn(2, 1, 8, 8).to(device)
    f = class_score(net().to(device), 1)
    for maker in {"cpu", device}:
        smooth_grad(f, x, sigma=0.1, generator=seeded(0, maker))
    maps = occlusion(f, x, fill=torch.zeros(1, 8, 8))
    region = torch.ones(1, 8, 8, dtype=torch.bool)
    assert pointing_game(maps, region).tolist() == [1, 1]


@each
def test_maps_have_the_inputs_shape(call):
    x = drawn(3, 1, 4, 4)
    maps = call(restless(), x)
    assert maps.shape == (x.shape if maps.ndim == 4 else (3, 4, 4))


# Bad input

IMAGES = torch.ones(2, 1, 4, 4)


def total(x):
    return x.flatten(1).sum(dim=1)


def smooth(f=total, x=IMAGES, **changed):
    return smooth_grad(
        f, x, **({"sigma": 0.1, "generator": seeded(), "samples": 2} | changed)
    )


GRADIENTS = [saliency, gradient_times_input, smooth]
FUNCTIONS = [*GRADIENTS, occlusion]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (IMAGES.int(), TypeError, "x must be a tensor of floats"),
        (IMAGES.numpy(), TypeError, "x must be a tensor of floats"),
        (None, TypeError, "x must be a tensor of floats"),
        (torch.ones(3), ValueError, "x must have shape"),
        (torch.ones(0, 1, 4, 4), ValueError, "x must have shape"),
        (IMAGES * torch.nan, ValueError, "x must be finite"),
        (IMAGES * torch.inf, ValueError, "x must be finite"),
    ],
)
def test_unfit_inputs_are_refused(function, x, error, message):
    with pytest.raises(error, match=message):
        function(total, x)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x.flatten(1), r"f must return shape \(\d+,\)"),
        (lambda x: total(x) * torch.nan, "f must return finite scores"),
        (lambda x: total(x) - x.flatten(1).mean(), "f must treat rows apart"),
    ],
)
def test_what_is_no_score_is_refused(function, f, message):
    with pytest.raises(ValueError, match=message):
        function(f, IMAGES * torch.arange(1.0, 3.0)[:, None, None, None])


@pytest.mark.parametrize("function", GRADIENTS)
def test_a_score_without_gradients_is_refused(function):
    for f in (
        lambda x: total(x.detach()),
        lambda x: (total(x) > 3).float(),
        lambda x: torch.from_numpy(x.detach().numpy().sum(axis=(1, 2, 3))),
    ):
        with pytest.raises(ValueError, match="f must be differentiable"):
            function(f, IMAGES)


def test_bad_input_does_not_move_the_generator():
    generator = seeded()
    before = generator.get_state()
    for bad in ({"x": IMAGES * torch.nan}, {"sigma": -1}, {"samples": 0}):
        with pytest.raises(ValueError, match="must"):
            smooth(**bad, generator=generator)
    assert torch.equal(generator.get_state(), before)


FRONT = nn.Conv2d(1, 2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: smooth(sigma=-0.1), ValueError, "sigma must lie in"),
        (lambda: smooth(sigma=np.nan), ValueError, "sigma must be finite"),
        (lambda: smooth(sigma="1"), TypeError, "sigma must hold real"),
        (lambda: smooth(samples=0), ValueError, "samples must be at least 1"),
        (lambda: smooth(samples=1.5), TypeError, "samples must be an integer"),
        (lambda: smooth(batch=0), ValueError, "batch must be at least 1"),
        (lambda: smooth(generator=0), TypeError, "generator must be a torch.Gen"),
        (lambda: occlusion(total, torch.ones(2, 16)), ValueError, "rows, columns"),
        (lambda: occlusion(total, IMAGES, window=0), ValueError, "window must be"),
        (lambda: occlusion(total, IMAGES, window=5), ValueError, "between 1 and 4"),
        (lambda: occlusion(total, IMAGES, window=1.0), TypeError, "window must be"),
        (lambda: occlusion(total, IMAGES, window=(1,)), ValueError, "one or two"),
        (lambda: occlusion(total, IMAGES, stride=(1, 1, 1)), ValueError, "one or two"),
        (lambda: occlusion(total, IMAGES, stride=0), ValueError, "stride must be"),
        (lambda: occlusion(total, IMAGES, stride=3), ValueError, "between 1 and 2"),
        (
            lambda: occlusion(total, IMAGES, window=(3, 2), stride=(3, 3)),
            ValueError,
            "stride must be between 1 and 2",
        ),
        (lambda: occlusion(total, IMAGES, batch=0), ValueError, "batch must be"),
        (
            lambda: occlusion(total, IMAGES, fill=np.nan),
            ValueError,
            "fill must be finite",
        ),
        (lambda: occlusion(total, IMAGES, fill=None), TypeError, "fill must hold real"),
        (
            lambda: occlusion(total, IMAGES, fill=torch.ones(4, 4)),
            ValueError,
            "fill must be a number or have shape",
        ),
        (
            lambda: occlusion(total, IMAGES, fill=IMAGES[:1]),
            ValueError,
            "fill must be a number or have shape",
        ),
        (
            lambda: occlusion(total, IMAGES, fill=IMAGES * torch.inf),
            ValueError,
            "fill must be finite",
        ),
        (lambda: grad_cam(total, total, IMAGES), TypeError, "front must be a torch"),
        (
            lambda: grad_cam(nn.Flatten(), total, IMAGES),
            ValueError,
            "front must return",
        ),
        (
            lambda: grad_cam(FRONT, total, IMAGES * torch.nan),
            ValueError,
            "x must be finite",
        ),
        (lambda: grad_cam(FRONT, total, None), TypeError, "x must be a tensor"),
        (
            lambda: grad_cam(FRONT, lambda maps: total(maps.detach()), IMAGES),
            ValueError,
            "f must be differentiable",
        ),
        (
            lambda: grad_cam(FRONT, lambda maps: maps, IMAGES),
            ValueError,
            "f must return shape",
        ),
        (
            lambda: pointing_game(IMAGES.int(), IMAGES[0] > 0),
            TypeError,
            "maps must be a tensor of floats",
        ),
        (
            lambda: pointing_game(IMAGES, IMAGES[0]),
            TypeError,
            "region must be a tensor of bool",
        ),
        (
            lambda: pointing_game(IMAGES, torch.ones(4, 4, dtype=torch.bool)),
            ValueError,
            "maps must be",
        ),
        (
            lambda: pointing_game(IMAGES[:0], IMAGES[0] > 0),
            ValueError,
            "maps must be",
        ),
        (
            lambda: pointing_game(IMAGES * torch.nan, IMAGES[0] > 0),
            ValueError,
            "maps must be finite",
        ),
        (
            lambda: pointing_game(
                torch.where(torch.eye(4) > 0, torch.nan, IMAGES), IMAGES[0] > 0
            ),
            ValueError,
            "maps must be finite",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


class Mixing(nn.Module):
    """A front that subtracts the batch's mean."""

    def forward(self, x):
        return x - x.mean(dim=0)


def test_a_front_that_mixes_the_rows_is_refused():
    with pytest.raises(ValueError, match="must treat rows apart"):
        grad_cam(Mixing(), total, drawn(2, 1, 4, 4))
