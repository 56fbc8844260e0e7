"""The properties that make `companion.safety.group_robustness` correct."""

import numpy as np
import pytest
import torch
from torch import nn

from companion.datasets import digits
from companion.networks import mlp
from companion.safety.group_robustness import (
    group_accuracy,
    group_dro,
    group_dro_gap,
    marked_digits,
    subsample_groups,
    worst_group_accuracy,
)
from tests.rounding import EPS
from tests.untouched import untouched

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
F32 = float(torch.finfo(torch.float32).eps)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def linear(inputs=2, classes=2, seed=0):
    return mlp([inputs, classes], generator(seed))[0]


def data(seed=0, sizes=(40, 6, 4), d=2):
    """Overlapping classes in groups of unequal sizes, each with its own rule."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(group), d))
    y = (X[:, 0] * (1 - group) + rng.normal(size=len(group)) > 0).astype(int)
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y), torch.tensor(group)


def means(model, X, y, group):
    """Each group's mean loss, one group after the other, in float64."""
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model(X).double(), y, reduction="none")
    return torch.stack([loss[group == g].mean() for g in range(int(group.max()) + 1)])


def objective(model, X, y, group, l2):
    size = sum(float(p.detach().double().square().sum()) for p in model.parameters())
    return float(means(model, X, y, group).max()) + l2 / 2 * size


# Training


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shares", [True, False])
def test_without_a_group_rate_all_rows_at_once_are_plain_or_reweighted_adam(
    shares, device
):
    X, y, group = (column.to(device) for column in data())
    counts = torch.bincount(group)
    weight = torch.ones(len(y)).to(device) if shares else (len(y) / 3 / counts)[group]
    model, other = linear().to(device), linear().to(device)
    start = (counts / len(y)) if shares else None
    got = group_dro(
        model, X, y, group, 0, steps=50, batch=99, l2=0.1, group_rate=0, start=start
    )
    optimiser = torch.optim.Adam(other.parameters(), lr=1e-3)
    for _ in range(50):
        loss = nn.functional.cross_entropy(other(X), y, reduction="none")
        size = sum(p.square().sum() for p in other.parameters())
        optimiser.zero_grad()
        ((weight * loss).mean() + 0.05 * size).backward()
        optimiser.step()
    # 50 steps of .001, whose sign may turn where a gradient is within float32's noise.
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
    wanted = counts / len(y) if shares else torch.full_like(counts.double(), 1 / 3)
    torch.testing.assert_close(got.weights, wanted.double(), rtol=0, atol=3 * F32)


def test_the_weights_are_exponentials_of_the_groups_losses_summed():
    X, y, group = data()
    model = linear()
    start = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    # So slow a model stands still, and all rows give the losses exactly.
    weights = group_dro(
        model,
        X,
        y,
        group,
        0,
        steps=30,
        batch=50,
        learning_rate=1e-12,
        group_rate=0.2,
        start=start,
    ).weights
    expected = (start.log() + 0.2 * 30 * means(model, X, y, group)).softmax(dim=0)
    # 30 sums of float32 losses of up to about 3, in the exponent.
    torch.testing.assert_close(weights, expected, rtol=0, atol=10 * 30 * 0.2 * 3 * F32)
    assert weights.sum() == pytest.approx(1, rel=30 * EPS, abs=0)


@pytest.mark.parametrize("balanced", [True, False])
def test_a_batch_estimates_each_groups_loss_without_bias(balanced):
    X, y, group = data()
    model, steps, rate = linear(), 1000, 0.001
    weights = group_dro(
        model, X, y, group, 0, steps=steps, batch=5, learning_rate=1e-12,
        group_rate=rate, balanced=balanced,
    ).weights  # fmt: skip
    # log(q_g / q_0) is the rate times the sum of the differences of the estimates.
    got = (weights.log() - weights.log()[0]) / (rate * steps)
    exact = means(model, X, y, group)
    # One estimate has a deviation below 3 losses of 2 over the share; the mean of 1000 is
    # 31 times as sharp, and five deviations are allowed.
    share = 1 / 3 if balanced else 4 / 50
    atol = 5 * 2 / np.sqrt(5 * share) / np.sqrt(steps)
    torch.testing.assert_close(got, exact - exact[0], rtol=0, atol=atol)


def _naive_weights(X, y, group, steps, batch, rate):
    """The popular form: the mean over those of the group that are in the batch."""
    model, log_q = linear(), torch.zeros(3, dtype=torch.float64)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        rows = torch.tensor(rng.choice(len(y), batch, replace=False))
        for g in group[rows].unique():
            inside = rows[group[rows] == g]
            log_q[g] += (
                rate
                * means(model, X[inside], y[inside], torch.zeros_like(y[inside]))[0]
            )
    return log_q.softmax(dim=0)


def test_the_mean_within_the_batch_is_biased_against_small_groups():
    X, y, group = data()
    naive = _naive_weights(X, y, group, 400, 5, 0.01)
    exact = (0.01 * 400 * means(linear(), X, y, group)).softmax(dim=0)
    # A group that is missing in most batches hardly ever climbs.
    assert naive[2] < 0.5 * exact[2]


@pytest.mark.parametrize("common", [5, 500])
def test_contradicting_groups_end_at_even_odds_whatever_their_sizes(common):
    X, y = torch.ones(common + 5, 1), torch.tensor([1] * common + [0] * 5)
    model = linear(1)
    out = group_dro(
        model,
        X,
        y,
        y,
        0,
        steps=600,
        batch=len(y),
        learning_rate=0.02,
        l2=0.01,
        group_rate=0.1,
    )
    # The optimum of the game is zero, by symmetry; half of each group's weight is its.
    assert abs(float(model(X[:1]).softmax(dim=1)[0, 0].detach()) - 0.5) < 0.01
    assert (out.weights - 0.5).abs().max() < 0.02
    plain = linear(1)
    share = torch.bincount(y) / len(y)
    group_dro(
        plain,
        X,
        y,
        y,
        0,
        steps=600,
        batch=len(y),
        learning_rate=0.02,
        group_rate=0,
        start=share,
    )
    odds = float(plain(X[:1]).softmax(dim=1)[0, 1].detach())
    assert odds == pytest.approx(common / (common + 5), abs=0.01)


def test_the_game_serves_the_worst_group_better_than_equal_weights_do():
    X, y, group = data(sizes=(60, 20, 10))
    losses = []
    for rate in (0.2, 0.0):
        model = linear()
        group_dro(
            model,
            X,
            y,
            group,
            0,
            steps=600,
            batch=90,
            learning_rate=0.02,
            l2=0.01,
            group_rate=rate,
        )
        losses.append(objective(model, X, y, group, 0.01))
    assert losses[0] < losses[1] - 1e-3


def test_the_same_seed_trains_the_same_and_global_randomness_is_left_alone():
    X, y, group = data()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    for balanced in (False, True):
        nets = [linear() for _ in range(3)]
        for net, seed in zip(nets, (1, 1, 2), strict=True):
            group_dro(net, X, y, group, seed, steps=20, batch=8, balanced=balanced)
        assert torch.equal(nets[0].weight, nets[1].weight)
        assert not torch.equal(nets[0].weight, nets[2].weight)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])


def test_every_row_is_seen_once_before_any_is_seen_again():
    X = torch.arange(10.0)[:, None]
    seen = []

    class Spy(nn.Linear):
        def forward(self, x):
            if self.training:
                seen.append(x[:, 0].tolist())
            return super().forward(x)

    y = torch.arange(10) % 2
    group_dro(Spy(1, 2), X, y, y, 0, steps=8, batch=3)
    assert [len(rows) for rows in seen] in ([3, 3, 3, 1] * 2, [1, 3, 3, 3] * 2)
    for epoch in (seen[:4], seen[4:]):
        assert sorted(row for rows in epoch for row in rows) == list(range(10))
    seen.clear()
    # Balanced: nine rows of one group and one of the other are drawn alike.
    lopsided = torch.tensor([0] * 9 + [1])
    group_dro(Spy(1, 2), X, y, lopsided, 0, steps=200, batch=50, balanced=True)
    share = np.mean(np.array(seen) == 9.0)
    assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(200 * 50)


def test_it_is_watched_before_the_first_step_and_after_each_in_evaluation_mode():
    X, y, group = data()
    seen = []
    net = nn.Sequential(nn.Dropout(), linear())

    def watch(step, network):
        seen.append((step, network.training))

    out = group_dro(net, X, y, group, 0, steps=3, watch=watch)
    assert seen == [(0, False), (1, False), (2, False), (3, False)]
    assert out.network is net
    assert not net.training


def test_a_learning_rate_that_diverges_is_an_error():
    X, y, group = data()
    with pytest.raises(FloatingPointError, match="losses must stay finite"):
        group_dro(linear(), X * 1e30, y, group, 0, learning_rate=1e30, steps=50)


def test_nothing_that_was_passed_is_changed():
    X, y, group = data()
    start = torch.full((3,), 1 / 3)
    copies = [t.clone() for t in (X, y, group, start)]
    group_dro(linear(), X, y, group, 0, steps=5, start=start, balanced=True)
    for old, new in zip(copies, (X, y, group, start), strict=True):
        assert torch.equal(old, new)


# The certificate


@pytest.mark.parametrize("seed", range(5))
def test_no_linear_model_is_further_below_than_the_certificate(seed):
    X, y, group = data(seed)
    l2 = 0.1
    model = linear(seed=seed)
    out = group_dro(
        model,
        X,
        y,
        group,
        0,
        steps=200,
        batch=50,
        learning_rate=0.02,
        l2=l2,
        group_rate=0.1,
    )
    here = objective(model, X, y, group, l2)
    for weights in (out.weights, torch.tensor([0.2, 0.5, 0.3])):
        gap = group_dro_gap(model, X, y, group, weights, l2)
        assert gap >= 0
        other = linear()
        rng = generator(seed)
        for size in (0.01, 0.1, 1.0):
            for _ in range(100):
                with torch.no_grad():
                    for p, q in zip(
                        other.parameters(), model.parameters(), strict=True
                    ):
                        p.copy_(q + size * torch.randn(p.shape, generator=rng))
                # Both are means of float64 losses of float32 logits.
                assert objective(other, X, y, group, l2) >= here - gap - 100 * F32


def test_the_certificate_is_its_formula_by_hand():
    # One feature, two rows: zero logits, losses log 2, gradients of half a one-hot.
    X, y = torch.tensor([[2.0], [2.0]]), torch.tensor([0, 1])
    model = linear(1)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    q, l2 = torch.tensor([0.75, 0.25]), 0.5
    # d/d logits of q . L is (-.5, .5) * (.75 - .25); times x = 2 and 1 for the bias.
    slope = 2 * (0.25 * 2) ** 2 + 2 * 0.25**2
    got = group_dro_gap(model, X, y, y, q, l2)
    assert got == pytest.approx(slope / (2 * l2), rel=100 * EPS, abs=0)
    # The penalty's own gradient counts, too.
    with torch.no_grad():
        model.weight[0, 0] = 1.0
    p = torch.sigmoid(torch.tensor(2.0, dtype=torch.float64))
    losses = torch.stack([-p.log(), -(1 - p).log()])
    lean = 0.75 * (p - 1) + 0.25 * p
    slope = (2 * lean + l2) ** 2 + (2 * lean) ** 2 + 2 * lean**2
    expected = losses.max() - q.double() @ losses + slope / (2 * l2)
    got = group_dro_gap(model, X, y, y, q, l2)
    assert got == pytest.approx(float(expected), rel=1000 * EPS, abs=0)


def test_the_certificate_closes_as_the_game_converges():
    X, y, group = data(sizes=(60, 20, 10))
    gaps = []
    for steps in (30, 150, 700):
        model = linear()
        out = group_dro(
            model,
            X,
            y,
            group,
            0,
            steps=steps,
            batch=90,
            learning_rate=0.02,
            l2=0.1,
            group_rate=0.2,
        )
        gaps.append(group_dro_gap(model, X, y, group, out.weights, 0.1))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


def test_the_certificate_leaves_the_model_alone_and_needs_no_gradients_of_the_caller():
    X, y, group = data()
    model = linear()
    q = torch.full((3,), 1 / 3)
    with untouched(model):
        free = group_dro_gap(model, X, y, group, q, 0.1)
        with torch.no_grad():
            assert group_dro_gap(model, X, y, group, q, 0.1) == free
        with pytest.raises(ValueError, match="l2 must"):
            group_dro_gap(model, X, y, group, q, 0.0)
    without = nn.Linear(2, 2, bias=False)
    assert group_dro_gap(without, X, y, group, q, 0.1) > 0


# Subsamples and accuracies


def test_a_subsample_has_equal_groups_of_rows_that_are_drawn_once():
    group = torch.tensor([2, 0, 0, 1, 0, 2, 1, 0, 2, 2])
    seen = torch.zeros(10)
    for seed in range(600):
        rows = subsample_groups(group, generator(seed))
        assert torch.equal(rows, rows.unique())
        assert torch.bincount(group[rows]).tolist() == [2, 2, 2]
        seen[rows] += 1
    # Each row of a group is kept alike: 2 of 4 or 2 of 2, five deviations of a binomial.
    share = torch.tensor([2 / 4, 2 / 2, 2 / 4])[group]
    assert ((seen / 600 - share).abs() <= 5 * (share * (1 - share) / 600).sqrt()).all()
    again = subsample_groups(group, generator(3))
    assert torch.equal(again, subsample_groups(group, generator(3)))


def test_accuracies_are_counted_group_by_group():
    X = torch.eye(3)[torch.tensor([0, 1, 2, 2, 1])]
    y = torch.tensor([0, 1, 1, 2, 0])
    group = torch.tensor([0, 0, 1, 1, 1])
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Dropout(0.9))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(3))
    with untouched(model):
        got = group_accuracy(model, X, y, group)
        assert worst_group_accuracy(model, X, y, group) == got.min()
    np.testing.assert_allclose(got, [1.0, 1 / 3], rtol=2 * EPS)


# The marked digits


def test_marked_digits_are_digits_but_for_the_mark():
    train, validation, test = marked_digits(3)
    split, free = digits(), np.setdiff1d(np.arange(64), [0, 8, 16])
    np.testing.assert_array_equal(
        test.X[:, free], split.X_test[:, free].astype(np.float32)
    )
    np.testing.assert_array_equal(test.y, split.y_test % 2)
    for part in (train, validation, test):
        mark = part.X[:, 0].long()
        assert torch.equal(part.X[:, [0, 8, 16]], mark[:, None].expand(-1, 3).float())
        assert torch.equal(part.group, 2 * part.y + mark)
        assert torch.bincount(part.group).min() > 10
    # Together the two parts are the 1347 images, each once.
    both = torch.cat([train.X, validation.X])[:, free].numpy()
    whole = split.X_train[:, free].astype(np.float32)
    np.testing.assert_array_equal(both[np.lexsort(both.T)], whole[np.lexsort(whole.T)])


@pytest.mark.parametrize("aligned", [0.0, 0.3, 0.95, 1.0])
def test_the_mark_agrees_with_the_label_as_often_as_asked(aligned):
    train, validation, test = marked_digits(0, aligned)
    for part, share in ((train, aligned), (validation, 0.5), (test, 0.5)):
        agree = (part.X[:, 0].long() == part.y).double().mean()
        deviation = np.sqrt(share * (1 - share) / len(part.y))
        assert abs(agree - share) <= 5 * deviation


def test_another_seed_draws_other_images_and_marks():
    first, second = marked_digits(0), marked_digits(1)
    assert not torch.equal(first[0].X, second[0].X)
    assert not torch.equal(first[2].X, second[2].X)
    assert torch.equal(first[0].X, marked_digits(0)[0].X)


# Bad input

X, Y, GROUP = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])
NET = linear()
HALF = torch.tensor([0.5, 0.5])


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ((X.numpy(), Y, GROUP), TypeError, "X must be a tensor"),
        ((X.long(), Y, GROUP), TypeError, "X must hold floats"),
        ((X, Y.float(), GROUP), TypeError, "y int64"),
        ((X, Y, GROUP.int()), TypeError, "group must be a tensor of int64"),
        ((X, Y, None), TypeError, "group must"),
        ((X, None, GROUP), TypeError, "y must be a tensor"),
        ((X[:3], Y, GROUP), ValueError, "one row for each"),
        ((X, Y[:3], GROUP), ValueError, "one row for each"),
        ((X, Y, GROUP[:3]), ValueError, "one row for each"),
        ((X[:, 0], Y, GROUP), ValueError, "one row for each"),
        ((X, Y[:, None], GROUP), ValueError, "one row for each"),
        ((X[:0], Y[:0], GROUP[:0]), ValueError, "group must be at least one row"),
        ((X * torch.nan, Y, GROUP), ValueError, "X must be finite"),
        ((X, Y - 1, GROUP), ValueError, "y not negative"),
        ((X, Y, GROUP - 1), ValueError, "groups from 0 on"),
        ((X, Y, 2 * GROUP), ValueError, "no group empty, 1 is"),
        ((X, Y, GROUP[:, None]), ValueError, "group must be"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_the_model_is_left_alone(
    rows, error, message
):
    for call in (
        lambda: group_dro(NET, *rows, 0),
        lambda: group_dro_gap(NET, *rows, HALF, 0.1),
        lambda: group_accuracy(NET, *rows),
        lambda: worst_group_accuracy(NET, *rows),
    ):
        with untouched(NET), pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must"),
        ({"batch": 0}, ValueError, "batch must"),
        ({"batch": 2.5}, TypeError, "batch must"),
        ({"learning_rate": 0}, ValueError, "learning_rate must"),
        ({"l2": -1.0}, ValueError, "l2 must"),
        ({"group_rate": -0.1}, ValueError, "group_rate must"),
        ({"group_rate": np.nan}, ValueError, "group_rate must"),
        ({"seed": -1}, ValueError, "seed must"),
        ({"seed": 0.5}, TypeError, "seed must"),
        ({"start": [0.5, 0.5]}, TypeError, "start must be a tensor"),
        (
            {"start": torch.tensor([1, 0])},
            TypeError,
            "start must be a tensor of floats",
        ),
        ({"start": torch.ones(3) / 3}, ValueError, "start must have shape"),
        ({"start": torch.tensor([1.5, -0.5])}, ValueError, "start must be positive"),
        ({"start": torch.tensor([1.0, 0.0])}, ValueError, "start must be positive"),
        ({"start": torch.tensor([0.5, 0.6])}, ValueError, "sum to 1"),
        (
            {"start": torch.tensor([0.5, torch.nan])},
            ValueError,
            "start must be positive",
        ),
    ],
)
def test_options_out_of_range_are_refused_before_the_first_step(
    options, error, message
):
    with untouched(NET), pytest.raises(error, match=message):
        group_dro(NET, X, Y, GROUP, **{"seed": 0, **options})


def test_other_unfit_arguments_are_refused():
    with pytest.raises(ValueError, match="y must be below the number of logits"):
        group_dro(NET, X, Y + 1, GROUP, 0)
    with pytest.raises(ValueError, match="y must be below the number of logits"):
        group_dro_gap(NET, X, Y + 1, GROUP, HALF, 0.1)
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Linear"):
        group_dro_gap(mlp([2, 3, 2], generator()), X, Y, GROUP, HALF, 0.1)
    with pytest.raises(ValueError, match="weights must be positive"):
        group_dro_gap(NET, X, Y, GROUP, torch.tensor([1.0, 0.0]), 0.1)
    with pytest.raises(TypeError, match="generator must be"):
        subsample_groups(GROUP, 0)
    with pytest.raises(ValueError, match="no group empty"):
        subsample_groups(2 * GROUP, generator())
    with pytest.raises(TypeError, match="model must be"):
        group_accuracy(len, X, Y, GROUP)
    lost = linear()
    with torch.no_grad():
        lost.bias.fill_(torch.nan)
    with untouched(lost), pytest.raises(ValueError, match="model must return numbers"):
        group_accuracy(lost, X, Y, GROUP)
    for seed, aligned, error in ((-1, 0.5, ValueError), (None, 0.5, TypeError)):
        with pytest.raises(error, match="seed must"):
            marked_digits(seed, aligned)
    for aligned, error in ((1.5, ValueError), (-0.1, ValueError), (None, TypeError)):
        with pytest.raises(error, match="aligned must"):
            marked_digits(0, aligned)
