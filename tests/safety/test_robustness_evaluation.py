"""The properties that make `companion.safety.robustness_evaluation` correct."""

import math
from fractions import Fraction
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from companion.networks import convnet, mlp
from companion.safety import robustness_evaluation
from companion.safety.adversarial_examples import margin_loss
from companion.safety.robustness_evaluation import (
    apgd,
    dlr_loss,
    masking_report,
    robust_accuracy,
    square_attack,
)
from tests.untouched import untouched

quick = settings(derandomize=True, deadline=None, max_examples=40)
EPS = torch.finfo(torch.float64).eps
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def shaped(call):
    """Call with the shape of eight flat pixels."""
    return lambda *args, **more: call(*args, **{"image_shape": (1, 2, 4), **more})


CALLS = {
    "apgd": apgd,
    "square": shaped(square_attack),
    "robust_accuracy": shaped(robust_accuracy),
    "masking_report": shaped(masking_report),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, *shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, *shape, generator=seeded(seed), dtype=torch.float64)


def network(seed: int = 0, pixels: int = 8, classes: int = 4) -> nn.Module:
    """A small network whose weights are large enough to disagree about near images."""
    net = mlp([pixels, 16, classes], seeded(seed)).double()
    with torch.no_grad():
        for p in net.parameters():
            p *= 4
    return net


class Watched(nn.Module):
    """Remembers every batch that it is asked about."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.asked: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.asked.append(x.detach().clone())
        return self.model(x)


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def named(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(x).argmax(dim=1)


def cross_entropy(logits, y):
    return nn.functional.cross_entropy(logits, y, reduction="none")


# The difference-of-logits ratio


logit_tables = st.integers(0, 2**32 - 1).map(
    lambda seed: torch.randn(6, 5, generator=seeded(seed), dtype=torch.float64)
)


@quick
@given(logit_tables)
def test_the_ratio_is_its_definition_on_sorted_logits(z):
    y = torch.arange(6) % 5
    for i, (row, got) in enumerate(
        zip(z.tolist(), dlr_loss(z, y).tolist(), strict=True)
    ):
        order = sorted(row, reverse=True)
        gain = max(v for j, v in enumerate(row) if j != y[i]) - row[y[i]]
        spread = order[0] - order[2]
        # Eight roundings of logits below 8, magnified by what they are divided by,
        # in the numerator once and in the denominator once more.
        bound = 10 * 8 * EPS * 8 / spread * (1 + abs(gain / spread))
        assert abs(got - gain / spread) < bound


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1.0, 1e170, 5e307])
def test_the_ratio_does_not_see_the_scale_of_the_logits(scale):
    z = torch.randn(50, 5, generator=seeded(), dtype=torch.float64)
    y = torch.arange(50) % 5
    top = z.topk(3).values
    spread = float((top[:, 0] - top[:, 2]).min())
    # As above: the scale rounds each logit, and no spread is smaller than that one.
    bound = 10 * 8 * EPS * 8 / spread * (1 + 8 / spread)
    torch.testing.assert_close(
        dlr_loss(scale * z, y), dlr_loss(z, y), rtol=0, atol=bound
    )


def test_the_ratio_does_not_see_a_shift_and_cross_entropy_sees_the_scale():
    z = torch.randn(50, 5, generator=seeded(), dtype=torch.float64)
    y = torch.arange(50) % 5
    spread = float((z.topk(3).values[:, 0] - z.topk(3).values[:, 2]).min())
    # The logits are now below 72, and so is the error of each of eight roundings.
    bound = 10 * 8 * EPS * 72 / spread * (1 + 8 / spread)
    torch.testing.assert_close(dlr_loss(z + 64, y), dlr_loss(z, y), rtol=0, atol=bound)
    assert (cross_entropy(100 * z, y) - cross_entropy(z, y)).abs().max() > 1


@quick
@given(logit_tables)
def test_the_ratio_is_positive_exactly_where_the_model_is_wrong(z):
    for label in range(5):
        y = torch.full((6,), label)
        value = dlr_loss(z, y)
        wrong = z.argmax(dim=1) != y
        assert torch.equal(value > 0, wrong)
        assert (value[~wrong] >= -1).all()


def test_the_ratio_exceeds_one_for_a_label_below_the_third():
    z = torch.tensor([[4.0, 3.0, 2.0, -4.0]])
    assert float(dlr_loss(z, torch.tensor([3]))) == 4


def test_no_difference_of_logits_overflows():
    z = torch.tensor([[1.0, 0.0, 0.0, -1.0]], dtype=torch.float64)
    for scale in (1.0, 1.5e308):  # twice that is no number of float64
        assert float(dlr_loss(scale * z, torch.tensor([3]))) == 2


def test_the_ratio_keeps_its_gradient_where_three_logits_tie():
    z = torch.tensor([[1.0, 1.0, 1.0, 0.0]], requires_grad=True)
    value = dlr_loss(z, torch.tensor([3]))
    (slope,) = torch.autograd.grad(value.sum(), z)
    assert float(value.detach()) == 1
    assert slope.isfinite().all()
    assert slope[0, 3] < 0
    assert float(dlr_loss(torch.zeros(1, 4), torch.tensor([0]))) == 0


def test_the_gradient_of_the_ratio_is_orthogonal_to_shift_and_scale():
    z = torch.randn(20, 6, generator=seeded(), dtype=torch.float64).requires_grad_()
    y = torch.arange(20) % 6
    (slope,) = torch.autograd.grad(dlr_loss(z, y).sum(), z)
    size = float(slope.abs().max() * z.detach().abs().max())
    # Sums of six products, whose factors have seen a dozen roundings.
    assert slope.sum(dim=1).abs().max() < 10 * 18 * EPS * size
    assert (slope * z).sum(dim=1).abs().max() < 10 * 18 * EPS * size


def test_the_ratio_needs_three_classes():
    with pytest.raises(ValueError, match="at least 3 classes, got 2"):
        dlr_loss(torch.zeros(1, 2), torch.tensor([0]))
    dlr_loss(torch.zeros(1, 3), torch.tensor([0]))


def test_unfit_logits_and_labels_are_refused():
    z, y = torch.randn(2, 5, generator=seeded()), torch.tensor([0, 1])
    for bad in (torch.full((2, 5), torch.nan), z[0], z[:1]):
        with pytest.raises(ValueError, match="logits must"):
            dlr_loss(bad, y)
    for bad in (torch.tensor([0, 5]), torch.tensor([-1, 0])):
        with pytest.raises(ValueError, match="y must lie in 0 to 4"):
            dlr_loss(z, bad)
    with pytest.raises(TypeError, match="y must hold int64"):
        dlr_loss(z, y.double())
    with pytest.raises(TypeError, match="logits must be a tensor"):
        dlr_loss(z.numpy(), y)


# APGD


def two_class(w: torch.Tensor, b: float) -> nn.Module:
    """A linear model with one margin."""
    return Apply(
        lambda x: torch.stack([x @ w + b, torch.zeros(len(x), dtype=w.dtype)], 1)
    )


def box(x: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    return (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_on_one_margin_the_answer_is_the_corner_of_the_clipped_box(loss):
    w = torch.randn(8, generator=seeded(3), dtype=torch.float64)
    x = images(30, 8).round(decimals=1)  # some pixels at 0 and 1
    low, high = box(x, 0.1)
    model = two_class(w, 9.0)  # so sure that no image is fooled on the way
    y = torch.zeros(30, dtype=torch.int64)
    found = apgd(model, x, y, 0.1, loss=loss, generator=seeded())
    # The first step, from one edge to the other, rounds twice before it is clamped.
    corner = torch.where(w > 0, low, high)
    torch.testing.assert_close(found, corner, rtol=0, atol=10 * 2 * EPS)


def _naive_apgd(model, x, y, epsilon, start, steps, loss):
    """Algorithm 1 of the paper for one image, in plain words: its points, its last step, its answer."""
    low, high = box(x, epsilon)

    def look(point):
        point = point.clone().requires_grad_()
        logits = model(point[None])
        value = loss(logits, y[None])[0]
        (slope,) = torch.autograd.grad(value, point)
        return float(value.detach()), slope, bool(logits.argmax() != y)

    p = [Fraction(0), Fraction(22, 100)]
    while p[-1] <= 1:
        p.append(p[-1] + max(p[-1] - p[-2] - Fraction(3, 100), Fraction(6, 100)))
    checkpoints = [math.ceil(share * steps) for share in p]
    eta = 2 * epsilon
    value, slope, fooled = look(start)
    seen, rises, last = [(fooled, value, start)], 0, value
    best_value, best, best_slope = value, start, slope
    eta_then, best_then = None, value
    current = previous = start
    for k in range(steps):
        z = (current + eta * slope.sign()).clamp(low, high)
        a = 1.0 if k == 0 else 0.75
        new = current + a * (z - current) + (1 - a) * (current - previous)
        previous, current = current, new.clamp(low, high)
        value, slope, fooled = look(current)
        seen.append((fooled, value, current))
        rises, last = rises + (value > last), value
        if value > best_value:
            best_value, best, best_slope = value, current, slope
        if k + 1 in checkpoints:
            since = k + 1 - checkpoints[checkpoints.index(k + 1) - 1]
            stuck = (eta_then, best_then) == (eta, best_value)
            eta_then, best_then = eta, best_value
            if rises <= 0.75 * since or stuck:
                eta, current, slope = eta / 2, best, best_slope
            rises = 0
    return [point for _, _, point in seen], eta, max(seen, key=lambda s: s[:2])[2]


@pytest.mark.parametrize(
    ("name", "loss"),
    [("cross_entropy", cross_entropy), ("margin", margin_loss), (dlr_loss, dlr_loss)],
)
def test_every_image_is_attacked_as_the_papers_algorithm_says(name, loss):
    model = Watched(network(2))
    x = images(12, 8)
    y = named(model.model, x)
    found = apgd(model, x, y, 0.08, loss=name, steps=100, generator=seeded(5))
    asked = torch.stack(model.asked)  # steps + 1, images, pixels
    assert len(asked) == 101  # some image survives, so it went on to the end
    halvings = 0
    for i in range(12):
        points, eta, answer = _naive_apgd(
            model.model, x[i], y[i], 0.08, asked[0, i], 100, loss
        )
        # Each step is a sum of four numbers below one: 101 times 4 roundings.
        bound = {"rtol": 0, "atol": 10 * 404 * EPS}
        torch.testing.assert_close(torch.stack(points), asked[:, i], **bound)
        torch.testing.assert_close(answer, found[i], **bound)
        halvings += round(math.log2(0.16 / eta))
    assert halvings > 12  # the branch that halves has been tried


@pytest.mark.parametrize("seed", range(5))
def test_the_step_is_halved_as_the_papers_algorithm_says_on_scripted_losses(seed):
    """Losses and slopes are given, so that no rounding decides whether one has risen."""
    n, steps = 40, 100
    rising = torch.rand(steps + 1, n, generator=seeded(seed)) < 0.78
    values = torch.where(rising, 1.0, -3.0).double().cumsum(dim=0)
    values[50:] -= 40 * (torch.arange(n) % 2)  # half of them never find better again
    signs = torch.randint(2, (steps + 1, n), generator=seeded(seed)) * 2.0 - 1
    model = Watched(Apply(lambda x: torch.stack([x.sum(dim=1) + 9, 0 * x[:, 0]], 1)))

    def scripted(logits, y):
        turn, z = len(model.asked) - 1, logits[:, 0]
        return values[turn] + signs[turn] * (z - z.detach())

    x, y = torch.full((n, 4), 0.5, dtype=torch.float64), torch.zeros(n, dtype=int)
    apgd(model, x, y, 0.25, steps=steps, loss=scripted, generator=seeded(seed))
    asked = torch.stack(model.asked)
    checks = [0, 22, 41, 57, 70, 80, 87, 93, 99]
    low, high = box(x[0], 0.25)
    stuck_once = 0
    for i in range(n):
        eta, at, before = 0.5, asked[0, i], asked[0, i]
        best, peak, slope = float(values[0, i]), at, float(signs[0, i])
        peak_slope, rises, then = slope, 0, (None, best)
        for k in range(steps):
            z = (at + eta * slope).clamp(low, high)
            new = z if k == 0 else (at + (z - at) * 0.75 + (at - before) * 0.25)
            before, at = at, new.clamp(low, high)
            torch.testing.assert_close(at, asked[k + 1, i], rtol=0, atol=1e-12)
            value, slope = float(values[k + 1, i]), float(signs[k + 1, i])
            rises += value > float(values[k, i])
            if value > best:
                best, peak, peak_slope = value, at, slope
            if k + 1 in checks:
                few = rises <= 0.75 * (k + 1 - checks[checks.index(k + 1) - 1])
                stuck = then == (eta, best)
                stuck_once += stuck and not few
                then, rises = (eta, best), 0
                if few or stuck:
                    eta, at, slope = eta / 2, peak, peak_slope
    assert stuck_once > 0


@pytest.mark.parametrize("seed", range(5))
def test_of_all_points_visited_the_worst_that_fools_is_returned(seed):
    model = Watched(network(seed, classes=3))
    x = images(40, 8, seed=seed)
    y = named(model.model, x)
    found = apgd(model, x, y, 0.1, steps=30, generator=seeded(seed))
    asked = torch.stack(model.asked)
    for i in range(40):
        with torch.no_grad():
            logits = model.model(asked[:, i])
        fooled = (logits.argmax(dim=1) != y[i]).tolist()
        values = cross_entropy(logits, y[i].expand(len(asked))).tolist()
        ranks = list(zip(fooled, values, strict=True))
        at = (asked[:, i] == found[i]).all(dim=1).nonzero().flatten().tolist()
        fools, worst = max(ranks)
        # The same logits in a batch of another size: the sums of 16 terms may round anew.
        assert any(
            ranks[k][0] == fools and ranks[k][1] > worst - 1e-9 * (1 + worst)
            for k in at
        )


def test_a_fooled_iterate_is_kept_although_the_loss_leads_away_from_it():
    model, x = Watched(network(1)), images(60, 8)
    y = named(model.model, x)
    found = apgd(
        model,
        x,
        y,
        0.1,
        loss=lambda z, y: -margin_loss(z, y),
        steps=10,
        generator=seeded(),
    )
    at_start = named(model.model, model.asked[0]) != y
    assert 0 < at_start.sum() < 60
    assert (named(model.model, found) != y)[at_start].all()


def test_iterates_stay_in_the_box_and_the_start_touches_its_edge():
    model, x = Watched(network()), images(20, 8)
    y = named(model.model, x)
    apgd(model, x, y, 0.05, steps=20, generator=seeded())
    asked = torch.stack(model.asked)
    assert asked.min() >= 0
    assert asked.max() <= 1
    # x + epsilon is rounded once, and so is the difference: two roundings of one.
    assert (asked - x).abs().max() <= 0.05 + 10 * 2 * EPS
    reach = (asked[0] - x).abs().amax(dim=1)
    inside = ((x > 0.05) & (x < 0.95)).all(dim=1)
    assert inside.any()
    assert (reach[inside] >= 0.05 - 10 * 4 * EPS).all()
    assert asked[0].unique().numel() > 150  # and it is no corner


def test_it_ends_early_once_every_image_is_fooled():
    model, x = Watched(network()), images(5, 8)
    wrong = (named(model.model, x) + 1) % 4
    assert torch.equal(apgd(model, x, wrong, 0.0, generator=seeded()), x)
    assert len(model.asked) == 1


# The square attack


def test_what_is_returned_has_the_largest_margin_that_was_seen():
    model, x = Watched(network(3, pixels=64)), images(30, 64)
    y = named(model.model, x)
    found = square_attack(
        model, x, y, 0.05, image_shape=(1, 8, 8), queries=60, generator=seeded()
    )
    final = margin_loss(model.model(found), y)
    alive = (final <= 0).nonzero().flatten().tolist()
    assert 0 < len(alive) < 30
    tried = torch.cat(model.asked)
    owner = (tried[:, None] - x).abs().amax(dim=2).argmin(dim=1)
    for i in alive:
        own = tried[owner == i]
        margins = margin_loss(model.model(own), y[i].expand(len(own)))
        # The same logits in another batch: sums of 64 terms below 64 may round anew.
        assert len(own) == 60
        assert abs(margins.max() - final[i]) < 10 * 64 * EPS * 64
    fooled = (final > 0).nonzero().flatten().tolist()
    assert all((owner == i).sum() < 60 for i in fooled)


def test_no_gradient_is_asked_for():
    def no_slope(x):
        assert not torch.is_grad_enabled()
        return torch.stack([x.detach().sum(dim=1), torch.full((len(x),), 4.0)], dim=1)

    x, y = torch.full((3, 8), 0.6), torch.zeros(3, dtype=torch.int64)
    found = CALLS["square"](Apply(no_slope), x, y, 0.2, generator=seeded())
    assert (found.sum(dim=1) < 4).all()  # 4.8 at first, 3.2 in the corner


def indifferent() -> Watched:
    """A model that is right whatever it sees, so that every trial is refused."""
    return Watched(Apply(lambda x: torch.eye(2)[:1].repeat(len(x), 1)))


def _naive_starts(rows: int, side: int) -> set[int]:
    """Where the windows of three published programs begin: their draw leaves out its end."""
    return set(range(max(rows - side, 1)))


def test_every_window_is_drawn_the_last_row_and_column_included():
    rows, columns = 5, 7
    model, x = indifferent(), torch.full((600, rows * columns), 0.5)
    y = torch.zeros(600, dtype=torch.int64)
    square_attack(
        model,
        x,
        y,
        0.125,
        image_shape=(1, rows, columns),
        queries=30,
        generator=seeded(),
    )
    stripes, *trials = (asked.view(600, rows, columns) for asked in model.asked)
    assert stripes.unique().tolist() == [0.375, 0.625]
    assert (stripes == stripes[:, :1]).all()
    assert len(stripes[:, 0].unique(dim=0)) > 99
    for trial in trials:
        changed = trial != stripes
        assert changed.flatten(1).any(dim=1).all()  # no query is wasted
        tall = changed.any(dim=2)
        side = int(tall.sum(dim=1).max())
        assert (tall.sum(dim=1) == side).all()
        # Columns that had the sign already do not show: the widest do in some image.
        wide = changed.any(dim=1)
        assert int(wide.sum(dim=1).max()) == side
        full = wide.sum(dim=1) == side
        for ends, size in ((tall, rows), (wide[full], columns)):
            starts = set(ends.int().argmax(dim=1).tolist())
            assert starts == set(range(size - side + 1))
            assert side == size or starts > _naive_starts(size, side)
        assert trial.unique().tolist() == [0.375, 0.625]


def test_a_window_is_a_square_with_one_sign_in_each_channel():
    # Right about two queries, and wrong from the third on, so that it ends there.
    model = Watched(
        Apply(lambda x: torch.eye(2)[[int(len(model.asked) > 2)]].repeat(len(x), 1))
    )
    x, y = torch.full((200, 3, 6, 6), 0.5), torch.zeros(200, dtype=torch.int64)
    square_attack(model, x, y, 0.25, queries=10_000, share=1 / 4, generator=seeded())
    stripes, trial, _ = model.asked
    changed = trial != stripes  # 36 / 4 pixels: windows of 3 x 3
    assert (changed.any(dim=1).any(dim=2).sum(dim=1) == 3).all()
    assert changed.any(dim=1).any(dim=1).sum(dim=1).max() == 3
    signs = [
        [trial[i, c][changed[i, c]].unique().tolist() for c in range(3)]
        for i in range(200)
    ]
    assert all(len(sign) <= 1 for image in signs for sign in image)
    assert any(len({tuple(s) for s in image if s}) == 2 for image in signs)


@pytest.mark.parametrize(
    ("query", "halvings"),
    [
        (at + more, count + more)
        for count, at in enumerate((10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000))
        for more in (0, 1)
    ],
)
def test_windows_shrink_as_the_paper_says(query, halvings):
    side = robustness_evaluation._side(0.8, query / 10_000, 224, 224)
    assert side == round(math.sqrt(0.8 / 2**halvings) * 224)


def test_a_window_has_at_least_one_pixel_and_fits_the_shorter_side():
    assert robustness_evaluation._side(0.8, 0.99, 8, 8) == 1
    assert robustness_evaluation._side(1.0, 0.0, 2, 50) == 2
    assert robustness_evaluation._side(1.0, 0.0, 50, 2) == 2


def test_flat_images_are_attacked_like_square_ones():
    net, x = network(2, pixels=12), images(20, 12)
    y = named(net, x)
    flat = square_attack(net, x, y, 0.1, image_shape=(1, 3, 4), generator=seeded())
    whole = nn.Sequential(nn.Flatten(), net)
    full = square_attack(whole, x.view(20, 1, 3, 4), y, 0.1, generator=seeded())
    assert torch.equal(flat, full.flatten(1))


def test_a_fooled_image_is_asked_about_no_more_and_queries_are_counted():
    model, x = Watched(network(3, pixels=64)), images(50, 64)
    y = named(model.model, x)
    square_attack(
        model, x, y, 0.1, image_shape=(1, 8, 8), queries=25, generator=seeded()
    )
    assert len(model.asked) == 25
    left = len(x)
    for asked in model.asked:
        assert len(asked) == left
        owner = (asked[:, None] - x).abs().amax(dim=2).argmin(dim=1)
        left -= int((named(model.model, asked) != y[owner]).sum())
    assert 0 < left < 50


def test_one_query_tries_the_stripes_alone():
    model, x = Watched(network(pixels=64)), images(4, 64)
    y = named(model.model, x)
    found = square_attack(
        model, x, y, 0.1, image_shape=(1, 8, 8), queries=1, generator=seeded()
    )
    assert len(model.asked) == 1
    assert torch.equal(found, model.asked[0])


# The worst over an ensemble


def moves(rows):
    """An attack that moves the first pixel of some images across the line."""

    def attack(model, x, y, epsilon, *, generator):
        out = x.clone()
        out[torch.isin(x[:, 1], rows), 0] += epsilon
        return out

    return attack


def threshold() -> nn.Module:
    """Says one where the first pixel exceeds one half."""
    return Apply(lambda x: torch.stack([0.5 - x[:, 0], x[:, 0] - 0.5], dim=1))


def numbered(n: int) -> torch.Tensor:
    """Images that carry their number in the second pixel."""
    return torch.stack([torch.full((n,), 0.4), torch.arange(n) / 16.0], dim=1)


def test_the_worst_is_taken_for_each_image_and_not_over_the_averages():
    model, x, y = threshold(), numbered(8), torch.zeros(8, dtype=torch.int64)
    attacks = {"first": moves(x[:4, 1]), "second": moves(x[3:6, 1])}
    result = robust_accuracy(model, x, y, 0.2, attacks=attacks, generator=seeded())
    assert result.accuracy == 2 / 8
    assert result.survived.tolist() == [False] * 6 + [True] * 2
    assert result.broken_by == ("first",) * 4 + ("second",) * 2 + ("", "")
    alone = [
        robust_accuracy(model, x, y, 0.2, attacks={n: a}, generator=seeded())
        for n, a in attacks.items()
    ]
    assert min(one.accuracy for one in alone) == 4 / 8
    fooled = named(model, result.adversarial) != y
    assert torch.equal(fooled, ~result.survived)
    assert torch.equal(result.adversarial[6:], x[6:])


def test_only_survivors_are_attacked_and_wrong_images_never():
    x, y, seen = numbered(6), torch.tensor([0, 0, 0, 0, 0, 1]), []

    def counting(name, rows):
        def attack(model, x, y, epsilon, *, generator):
            seen.append((name, x[:, 1].mul(16).int().tolist()))
            return moves(rows)(model, x, y, epsilon, generator=generator)

        return attack

    rows = {"a": x[:2, 1], "b": x[2:5, 1], "c": x[:, 1]}
    attacks = {name: counting(name, some) for name, some in rows.items()}
    result = robust_accuracy(
        threshold(), x, y, 0.2, attacks=attacks, generator=seeded()
    )
    assert seen == [("a", [0, 1, 2, 3, 4]), ("b", [2, 3, 4])]
    assert result.accuracy == 0
    assert result.broken_by == ("a", "a", "b", "b", "b", "clean")


def test_on_one_margin_what_survives_is_exact():
    w = torch.randn(8, generator=seeded(3), dtype=torch.float64)
    x = images(300, 8)
    model = two_class(w, -float((x @ w).median()))
    y = named(model, x)
    low, high = box(x, 0.15)
    falling = (y[:, None] == 0) == (w > 0)
    exact = named(model, torch.where(falling, low, high)) == y
    result = CALLS["robust_accuracy"](model, x, y, 0.15, generator=seeded())
    assert 30 < exact.sum() < 270
    assert torch.equal(result.survived, exact)


def test_the_default_ensemble_breaks_at_least_what_each_of_its_attacks_breaks():
    net, x = network(5, pixels=64, classes=6), images(200, 64)
    y = named(net, x)
    result = robust_accuracy(net, x, y, 0.02, image_shape=(1, 8, 8), generator=seeded())
    ensemble = {"", "apgd-ce", "apgd-margin", "apgd-targeted", "square"}
    assert set(result.broken_by) <= ensemble
    assert 0.05 < result.accuracy < 0.95
    fooled = named(net, result.adversarial) != y
    assert torch.equal(fooled, ~result.survived)
    first = robust_accuracy(
        net, x, y, 0.02, attacks={"alone": apgd}, generator=seeded()
    )
    assert torch.equal(
        first.survived, torch.tensor([name != "apgd-ce" for name in result.broken_by])
    )


def test_every_class_is_aimed_at_and_not_only_the_likeliest():
    """The runner-up never wins; the class behind it does, but falls in the first half of the way."""

    def hidden(x):
        z = x[:, 0]
        return torch.stack([0 * z + 1, 0 * z + 0.9, 4 * (z - 0.5) + 0.2, 0 * z], dim=1)

    x, y = torch.tensor([[0.5, 0.5]]), torch.tensor([0])
    assert Apply(hidden)(x).argsort(descending=True).tolist() == [[0, 1, 2, 3]]
    aimed = robustness_evaluation._targeted(
        Apply(hidden), x, y, 0.25, generator=seeded()
    )
    assert named(Apply(hidden), aimed).tolist() == [2]


@pytest.mark.parametrize(
    ("move", "match"),
    [
        (lambda x: x + 0.21, "must stay within"),
        (lambda x: x - 0.41, "must stay within"),
        (lambda x: x + 0.01 - 0.02 * (x == 0), "must stay within"),
        (lambda x: x * torch.nan, "must stay within"),
        (lambda x: x[:, :1], "must return images of shape"),
        (lambda x: None, "must return images of shape"),
    ],
)
def test_an_attack_that_leaves_its_bounds_is_refused(move, match):
    attacks = {"cheat": lambda model, x, y, epsilon, *, generator: move(x)}
    x, y = numbered(3), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match=match):
        robust_accuracy(threshold(), x, y, 0.2, attacks=attacks, generator=seeded())


def test_an_attack_that_moves_nothing_breaks_nothing():
    attacks = {"idle": lambda model, x, y, epsilon, *, generator: x}
    x, y = numbered(3), torch.zeros(3, dtype=torch.int64)
    result = robust_accuracy(
        threshold(), x, y, 0.2, attacks=attacks, generator=seeded()
    )
    assert result.accuracy == 1
    assert result.broken_by == ("", "", "")


# Signs of masked gradients


class Reversed(torch.autograd.Function):
    """The identity, whose gradient points the wrong way."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, slope):
        return -slope


PLANTED = {
    "sure": lambda net: Apply(lambda x: 1e4 * net(x)),
    "rounded": lambda net: Apply(lambda x: net((x * 64).round() / 64)),
    "reversed": lambda net: Apply(lambda x: net(Reversed.apply(x))),
}


def linear() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A linear classifier and images that it names correctly."""
    weight = torch.randn(5, 16, generator=seeded(2))
    x = images(60, 16).float()
    model = Apply(lambda x: x @ weight.T)
    return model, x, named(model, x)


def report(model, x, y, epsilon=0.1, **more):
    return masking_report(
        model, x, y, epsilon, image_shape=(1, 4, 4), generator=seeded(), **more
    )


def test_an_honest_model_raises_no_flag():
    signs = report(*linear())
    assert signs.flags == ()
    assert signs.zero_gradient == 0


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("sure", "zero gradient"),
        ("rounded", "zero gradient"),
        ("reversed", "unlimited"),
        ("reversed", "random search"),
    ],
)
def test_a_planted_defect_raises_its_flag(name, flag):
    honest, x, y = linear()
    signs = report(PLANTED[name](honest), x, y, 0.2)
    assert flag in signs.flags
    shares = {
        "zero gradient": signs.zero_gradient,
        "unlimited": signs.unlimited,
        "random search": signs.random_search,
    }
    assert set(signs.flags) == {n for n, share in shares.items() if share > 0.01}


def test_a_flag_is_raised_above_its_threshold_and_not_at_it():
    honest, x, y = linear()
    for limit, raised in ((1.0, False), (0.999, True)):
        signs = report(PLANTED["rounded"](honest), x, y, threshold=limit)
        assert signs.zero_gradient == 1
        assert ("zero gradient" in signs.flags) == raised


def test_a_network_that_is_only_sure_is_fooled_without_a_limit():
    """Because that attack aims, and does not climb the cross-entropy."""
    honest, x, y = linear()
    signs = report(PLANTED["sure"](honest), x, y)
    assert signs.flags == ("zero gradient",)
    assert signs.unlimited == 0


def test_what_one_gradient_attack_breaks_was_not_found_by_random_search(monkeypatch):
    honest, x, y = linear()
    monkeypatch.setattr(
        robustness_evaluation, "_targeted", lambda model, x, y, epsilon, **draws: x
    )
    signs = report(honest, x, y, 0.2)
    assert signs.unlimited == 1
    squares = partial(square_attack, image_shape=(1, 4, 4))
    alone = robust_accuracy(
        honest, x, y, 0.2, attacks={"square": squares}, generator=seeded()
    )
    assert alone.accuracy < 0.5
    assert signs.random_search < 0.1  # what the squares find and one attack misses


def test_only_a_gradient_without_any_slope_counts_as_zero():
    honest, x, y = linear()
    deaf = Apply(lambda x: honest(x * (torch.arange(16) > 0)))  # to the first pixel
    y = named(deaf, x)
    assert report(deaf, x, y).zero_gradient == 0


def test_a_wrong_image_is_in_no_share():
    honest, x, y = linear()
    wrong = y.clone()
    wrong[:30] = (y[:30] + 1) % 5
    # Where a sure network is wrong, its gradient is large.
    assert report(PLANTED["sure"](honest), x, wrong, 0.0).zero_gradient > 0.9


def test_each_flag_belongs_to_its_own_sign():
    honest, x, y = linear()
    signs = report(PLANTED["reversed"](honest), x, y, 0.2)
    assert set(signs.flags) == {"unlimited", "random search"}
    shares = signs.unlimited, signs.random_search
    higher = ("unlimited", "random search")[shares.index(max(shares))]
    assert len(set(shares)) == 2
    between = report(PLANTED["reversed"](honest), x, y, 0.2, threshold=min(shares))
    assert between.flags == (higher,)


def test_shares_are_of_the_images_named_correctly():
    honest, x, y = linear()
    wrong = y.clone()
    wrong[:30] = (y[:30] + 1) % 5
    signs = report(PLANTED["rounded"](honest), x, wrong, 0.0)
    assert signs.zero_gradient == 1
    assert signs.random_search == 0


# Bad input, and a model that comes back as it was


def mixed_model() -> nn.Module:
    """Parts in several modes, one parameter fixed, gradients left from a step before."""
    net = nn.Sequential(
        nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 4)
    )
    net[1].eval()
    net[0].bias.requires_grad_(False)
    net(torch.rand(5, 8)).sum().backward()
    return net


X, Y = torch.rand(3, 8, generator=seeded()), torch.tensor([0, 1, 2])


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("argument", "value", "error", "match"),
    [
        ("x", X + 1, ValueError, "x must lie in"),
        ("x", X - 1, ValueError, "x must lie in"),
        ("x", X * torch.nan, ValueError, "x must be finite"),
        ("x", X.int(), TypeError, "x must hold floats"),
        ("x", X.numpy(), TypeError, "x must be a tensor"),
        ("x", X[0], ValueError, "x must have shape"),
        ("y", Y[:2], ValueError, "y shape"),
        ("y", Y - 1, ValueError, "y must not be negative"),
        ("y", Y + 3, ValueError, "y must lie in 0 to 3"),
        ("y", Y.double(), TypeError, "y int64"),
        ("epsilon", -0.1, ValueError, "epsilon must lie in"),
        ("epsilon", math.nan, ValueError, "epsilon must be finite"),
        ("epsilon", math.inf, ValueError, "epsilon must be finite"),
        ("epsilon", "0.1", TypeError, "epsilon must hold real numbers"),
        ("epsilon", None, TypeError, "epsilon must hold real numbers"),
        ("epsilon", True, TypeError, "epsilon must be a number"),
        ("generator", 0, TypeError, "generator must be a torch.Generator"),
        ("generator", None, TypeError, "generator must be a torch.Generator"),
    ],
)
def test_bad_input_is_refused_and_the_model_left_alone(
    name, argument, value, error, match
):
    model = mixed_model()
    given = {"x": X, "y": Y, "epsilon": 0.1, "generator": seeded(), argument: value}
    with pytest.raises(error, match=match), untouched(model):
        CALLS[name](
            model,
            given["x"],
            given["y"],
            given["epsilon"],
            generator=given["generator"],
        )


@pytest.mark.parametrize("name", CALLS)
def test_a_model_that_is_none_or_returns_nan_is_refused(name):
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        CALLS[name](lambda x: x, X, Y, 0.1, generator=seeded())
    broken = nn.Sequential(nn.Linear(8, 4), Apply(lambda z: z * torch.nan))
    with pytest.raises(ValueError, match="got NaN"), untouched(broken):
        CALLS[name](broken, X, Y, 0.1, generator=seeded())


@pytest.mark.parametrize("name", CALLS)
def test_model_images_and_torchs_random_state_are_left_as_they_were(name):
    model, x = mixed_model(), torch.rand(6, 8, generator=seeded(4))
    model[0].register_forward_hook(lambda *_: None)
    y = named(model.eval(), x)
    model.train()
    kept, state = x.clone(), torch.get_rng_state()
    with untouched(model):
        CALLS[name](model, x, y, 0.1, generator=seeded())
        with torch.no_grad():
            CALLS[name](model, x, y, 0.1, generator=seeded())
    assert torch.equal(x, kept)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["apgd", "square"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_seed_gives_the_same_images_of_the_same_type(name, dtype):
    model, x = network(pixels=64).to(dtype), images(9, 64).to(dtype)
    y = named(model, x)
    more = (
        {"image_shape": (1, 8, 8), "queries": 5} if name == "square" else {"steps": 5}
    )
    first, again, other = (
        CALLS[name](model, x, y, 0.1, generator=seeded(s), **more) for s in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == dtype
    assert not first.requires_grad


NONE = torch.zeros(0, 8), torch.zeros(0, dtype=torch.int64)


@pytest.mark.parametrize("name", ["apgd", "square"])
def test_no_images_give_no_images(name):
    found = CALLS[name](mixed_model(), *NONE, 0.1, generator=seeded())
    assert found.shape == (0, 8)


@pytest.mark.parametrize("name", ["robust_accuracy", "masking_report"])
def test_a_share_of_no_images_is_refused(name):
    with pytest.raises(ValueError, match="x must hold at least one image"):
        CALLS[name](mixed_model(), *NONE, 0.1, generator=seeded())


def test_no_image_named_correctly_leaves_nothing_to_report():
    model, x, y = linear()
    with pytest.raises(ValueError, match="x must hold an image that the model names"):
        report(model, x, (y + 1) % 5)


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("steps", 0, ValueError),
        ("steps", 2.0, TypeError),
        ("loss", "hinge", ValueError),
        ("loss", None, ValueError),
    ],
)
def test_unknown_losses_and_no_steps_are_refused(argument, value, error):
    with pytest.raises(error, match=f"{argument} must"):
        apgd(mixed_model(), X, Y, 0.1, generator=seeded(), **{argument: value})


def test_a_loss_that_is_not_one_number_for_each_image_is_refused():
    with pytest.raises(ValueError, match="loss must return one number for each"):
        apgd(
            mixed_model(),
            X,
            Y,
            0.1,
            loss=nn.functional.cross_entropy,
            generator=seeded(),
        )


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("queries", 0, ValueError),
        ("queries", True, TypeError),
        ("share", 0.0, ValueError),
        ("share", 1.5, ValueError),
        ("image_shape", None, ValueError),
        ("image_shape", (2, 4), ValueError),
        ("image_shape", (1, 3, 3), ValueError),
        ("image_shape", (1, 2, 4.0), TypeError),
        ("image_shape", (0, 2, 4), ValueError),
    ],
)
def test_unfit_windows_and_shapes_are_refused(argument, value, error):
    names = ["square"]
    if argument == "image_shape":
        names += ["robust_accuracy", "masking_report"]
    for name in names:
        with pytest.raises(error, match=f"{argument} must"):
            CALLS[name](
                mixed_model(), X, Y, 0.1, generator=seeded(), **{argument: value}
            )


def test_the_threshold_is_a_share():
    with pytest.raises(ValueError, match="threshold must lie in"):
        report(*linear(), threshold=1.1)


def test_attacks_must_be_a_mapping():
    with pytest.raises(TypeError, match="attacks must map names"):
        robust_accuracy(mixed_model(), X, Y, 0.1, attacks=[apgd], generator=seeded())


def test_a_model_without_a_gradient_is_refused_by_those_that_need_one():
    cut = Apply(lambda x: x.detach() @ torch.eye(8))
    with pytest.raises(ValueError, match="must be differentiable"):
        apgd(cut, X, Y, 0.1, generator=seeded())
    CALLS["square"](cut, X, Y, 0.1, generator=seeded())


def test_a_model_whose_gradient_is_nan_is_refused():
    model = Apply(lambda x: (x - x).abs().sqrt() @ torch.eye(8))  # zero times infinity
    with pytest.raises(ValueError, match="gradients"):
        apgd(model, X, Y, 0.1, generator=seeded())


@pytest.mark.parametrize("name", ["robust_accuracy", "masking_report"])
def test_a_model_that_answers_at_random_is_refused(name):
    noise = seeded(9)
    model = Apply(lambda x: x[:, :4] + torch.rand(len(x), 4, generator=noise))
    with pytest.raises(ValueError, match="same images alike"):
        CALLS[name](model, X, Y, 0.1, generator=seeded())


@pytest.mark.parametrize("device", DEVICES)
def test_a_convolutional_network_on_flat_images_is_evaluated(device):
    net = convnet(seeded(), channels=(4, 8)).to(device)
    x = torch.rand(20, 64, generator=seeded()).to(device)
    y = named(net, x)
    result = robust_accuracy(net, x, y, 0.02, image_shape=(1, 8, 8), generator=seeded())
    assert len(result.broken_by) == 20
    assert result.accuracy == float(result.survived.double().mean())
    assert result.adversarial.device == result.survived.device == x.device
    signs = masking_report(net, x, y, 0.02, image_shape=(1, 8, 8), generator=seeded())
    assert signs.zero_gradient == 0
