"""The properties that make `companion.safety.generative_adversarial_networks` correct."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.optimize import minimize
from scipy.spatial.distance import jensenshannon
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from companion.networks import mlp
from companion.safety.generative_adversarial_networks import (
    discriminator_loss,
    frechet_distance,
    gaussian_frechet_distance,
    generator_loss,
    optimal_discriminator_loss,
    r1_penalty,
    saturating_generator_loss,
    train_gan,
)
from tests.bad_input import TABLES
from tests.rounding import EPS, rounding
from tests.untouched import untouched

quick = settings(derandomize=True, deadline=None, max_examples=40)
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def logits(seed: int, count: int = 50, scale: float = 5.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, 1, generator=generator, dtype=torch.float64)


# Losses


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", DEVICES)
def test_the_discriminators_loss_is_cross_entropy_with_real_as_one(device, dtype):
    real = logits(0, 40).to(device, dtype)
    fake = logits(1, 60).to(device, dtype)
    expected = binary_cross_entropy_with_logits(
        real, torch.ones_like(real)
    ) + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    loss = discriminator_loss(real, fake)
    assert (loss.dtype, loss.device) == (dtype, real.device)
    # Two means of up to 60 terms up to 25, and a few roundings in each term.
    assert abs(float(loss - expected)) < 10 * 70 * torch.finfo(dtype).eps * 25


def test_the_generators_loss_is_cross_entropy_towards_real():
    fake = logits(2)
    expected = binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    assert abs(float(generator_loss(fake) - expected)) < rounding(60, 25)


def _naive_discriminator_loss(real, fake):
    """From probabilities: the logarithm of what has been rounded to 0."""
    p, q = torch.sigmoid(real), torch.sigmoid(fake)
    return -p.log().mean() - (1 - q).log().mean()


def test_a_sure_and_wrong_discriminator_has_a_finite_loss_and_the_naive_one_has_not():
    far = torch.tensor([-200.0], dtype=torch.float32)
    assert float(discriminator_loss(far, -far)) == 400.0
    assert float(generator_loss(far)) == 200.0
    assert not _naive_discriminator_loss(far, -far).isfinite()


def test_a_perfect_discriminator_loses_nothing_and_swapped_labels_lose_everything():
    sure = torch.full((9,), 100.0)
    assert float(discriminator_loss(sure, -sure)) < 1e-40
    assert float(discriminator_loss(-sure, sure)) == 200.0


def slopes(loss, values: torch.Tensor) -> torch.Tensor:
    values = values.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(values), values)
    return slope * len(values)


def test_the_two_generators_slopes_are_sigmoids_and_differ_by_the_factor_exp_of_the_logit():
    D = torch.linspace(-30, 30, 121, dtype=torch.float64)
    plain, saturating = slopes(generator_loss, D), slopes(saturating_generator_loss, D)
    # A division, an exponential and a mean's factor, each to a few units.
    torch.testing.assert_close(plain, -torch.sigmoid(-D), rtol=100 * EPS, atol=0)
    torch.testing.assert_close(saturating, -torch.sigmoid(D), rtol=100 * EPS, atol=0)
    torch.testing.assert_close(saturating / plain, D.exp(), rtol=300 * EPS, atol=0)
    # The factor is D/(1-D) of the probability, as the paper writes it.
    p = torch.sigmoid(D[D < 10])
    ratio = (saturating / plain)[D < 10]
    torch.testing.assert_close(ratio, p / (1 - p), rtol=1e-10, atol=0)


def test_the_saturating_loss_is_the_fakes_part_of_the_game_with_its_sign_turned():
    real, fake = logits(3), logits(4)
    game = discriminator_loss(real, fake)
    rest = nn.functional.softplus(-real).mean()
    assert abs(float(rest - saturating_generator_loss(fake) - game)) < rounding(200, 25)


# The best discriminator

distributions = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(
    lambda w: np.array(w) / sum(w)
)


def expected_loss(D: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.logaddexp(0, -D) + q * np.logaddexp(0, D)).sum())


@quick
@given(p=distributions, q=distributions, move=st.lists(st.floats(-3, 3), min_size=4))
def test_log_p_minus_log_q_attains_the_minimum_and_no_other_logit_goes_below(
    p, q, move
):
    best = np.log(p) - np.log(q)
    least = optimal_discriminator_loss(p, q)
    # Some twenty operations on numbers below 10.
    assert abs(expected_loss(best, p, q) - least) < rounding(40, 10)
    elsewhere = expected_loss(best + np.array(move[:4]), p, q)
    assert elsewhere >= least - rounding(40, 10)
    # So what any discriminator attains bounds the divergence from below.
    js = jensenshannon(p, q) ** 2
    assert np.log(2) - elsewhere / 2 <= js + rounding(40, 10)


@quick
@given(p=distributions, q=distributions)
def test_the_minimum_is_two_log_two_less_twice_the_divergence_of_scipy(p, q):
    js = jensenshannon(p, q) ** 2
    assert abs(optimal_discriminator_loss(p, q) - 2 * np.log(2) + 2 * js) < rounding(
        100, 10
    )
    assert optimal_discriminator_loss(p, q) == optimal_discriminator_loss(q, p)


def test_equal_densities_cost_two_log_two_and_densities_that_never_meet_nothing():
    p = np.array([0.5, 0.5, 0, 0])
    assert abs(optimal_discriminator_loss(p, p) - 2 * np.log(2)) < rounding(10, 1)
    assert optimal_discriminator_loss(p, p[::-1]) == pytest.approx(
        0, abs=rounding(9, 1)
    )


@pytest.mark.parametrize("shared", [0.0, 0.25, 0.5, 1.0])
def test_two_shifted_uniforms_cost_what_their_overlap_costs(shared):
    # On [0, 1] and [1 - s, 2 - s] the logit is 0 on the overlap and infinite elsewhere.
    p = np.array([1 - shared, shared, 0])
    expected = 2 * np.log(2) * shared
    assert optimal_discriminator_loss(p, p[::-1]) == pytest.approx(
        expected, abs=rounding(20, 1)
    )


def trapezium(points: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(0, 1, points)
    w = np.full(points, 1 / (points - 1))
    w[[0, -1]] /= 2
    return x, w


def test_a_uniform_and_a_rising_density_have_the_closed_form():
    closed = 9 / 4 * np.log(3) - np.log(2) - 1 / 2
    errors = []
    for points in (201, 401):
        x, w = trapezium(points)
        errors.append(optimal_discriminator_loss(np.ones(points), 2 * x, w) - closed)
    # The integrand has an unbounded second derivative at 0 only in x log x, so the
    # error of the trapezium rule shrinks about as the square of the step.
    assert abs(errors[1]) < 1e-4
    assert 3 < errors[0] / errors[1] < 4.2


def test_gaussians_of_one_variance_have_a_linear_best_logit():
    x, w = np.polynomial.legendre.leggauss(200)
    x, w = 9 * x + 0.5, 9 * w
    p, q = (np.exp(-((x - m) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (0, 1))
    best = minimize(
        lambda t: (
            float(w @ (p * np.logaddexp(0, -t[0] - t[1] * x)))
            + float(w @ (q * np.logaddexp(0, t[0] + t[1] * x)))
        ),
        [0.0, 0.0],
        tol=1e-12,
    )
    np.testing.assert_allclose(best.x, [0.5, -1], rtol=0, atol=1e-4)
    assert best.fun == pytest.approx(optimal_discriminator_loss(p, q, w), abs=1e-9)


def test_the_penalty_moves_the_best_logit_away_from_the_log_ratio():
    x, w = np.polynomial.legendre.leggauss(200)
    x, w = 9 * x + 0.5, 9 * w
    p, q = (np.exp(-((x - m) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (0, 1))

    def best_slope(gamma):
        def loss(t):
            D = t[0] + t[1] * x
            game = w @ (p * np.logaddexp(0, -D)) + w @ (q * np.logaddexp(0, D))
            return float(game + gamma / 2 * t[1] ** 2)

        return minimize(loss, [0.0, 0.0], tol=1e-12).x[1]

    assert best_slope(0.0) == pytest.approx(-1, abs=1e-4)
    assert best_slope(0.1) == pytest.approx(-0.785, abs=1e-3)


def test_densities_of_every_scale_are_masses_in_the_end():
    for scale in (1e-300, 1e300):
        p = np.array([0.75, 0.25]) * scale
        loss = optimal_discriminator_loss(p, p[::-1], 1 / scale)
        expected = -1.5 * np.log(0.75) - 0.5 * np.log(0.25)
        assert loss == pytest.approx(expected, abs=rounding(40, 2))


# The penalty


def quadratic(A: torch.Tensor) -> nn.Module:
    class Quadratic(nn.Module):
        def __init__(self):
            super().__init__()
            self.A = nn.Parameter(A)

        def forward(self, x):
            return torch.einsum("ni,ij,nj->n", x, self.A, x)

    return Quadratic()


def test_the_penalty_of_a_quadratic_logit_is_its_slope_by_hand():
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    x = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    expected = (x @ (A + A.T)).square().sum(dim=1).mean()
    penalty = r1_penalty(quadratic(A), x)
    assert abs(float(penalty.detach() - expected)) < rounding(60, float(expected))


def test_the_penalty_can_be_differentiated_for_the_discriminator():
    linear = nn.Linear(4, 1).double()
    x = torch.zeros(5, 4, dtype=torch.float64)
    (slope,) = torch.autograd.grad(r1_penalty(linear, x), linear.weight)
    torch.testing.assert_close(slope, 2 * linear.weight.detach(), rtol=1e-14, atol=0)


def test_the_penalty_of_images_sums_over_all_their_pixels():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 1, 3, 3, generator=generator)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(9, 1))
    expected = flat[1].weight.detach().square().sum()
    torch.testing.assert_close(
        r1_penalty(flat, x).detach(), expected, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_the_penalty_changes_neither_the_discriminator_nor_the_samples(mode):
    D = mlp([4, 8, 1], torch.Generator().manual_seed(0))
    x = torch.ones(3, 4, requires_grad=True)
    with mode(), untouched(D):
        assert float(r1_penalty(D, x).detach()) > 0
    assert x.grad is None
    assert torch.equal(x, torch.ones(3, 4))
    x = torch.ones(3, 4)
    r1_penalty(D, x)
    assert not x.requires_grad


# The Fréchet distance


def samples(seed: int, n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def _naive_frechet(mean_a, cov_a, mean_b, cov_b):
    """The formula as it is printed, with SciPy's matrix square root."""
    root = np.real(sqrtm(cov_a @ cov_b))
    return ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_the_distance_is_the_printed_formula_with_scipys_square_root(d):
    a, b = samples(0, 3 * d + 5, d), samples(1, 4 * d + 5, d)
    parts = [p for x in (a, b) for p in (x.mean(0), np.cov(x.T).reshape(d, d))]
    expected = _naive_frechet(*parts)
    # Theirs: a square root of a product whose condition may reach 1e6.
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8, abs=0)
    assert gaussian_frechet_distance(*parts) == pytest.approx(expected, rel=1e-8, abs=0)


def test_commuting_covariances_have_the_closed_form():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    s, t = rng.uniform(0, 3, size=(2, 6))
    mean = rng.normal(size=6)
    expected = (mean**2).sum() + ((s - t) ** 2).sum()
    distance = gaussian_frechet_distance(
        np.zeros(6), turn * s**2 @ turn.T, mean, turn * t**2 @ turn.T
    )
    assert distance == pytest.approx(expected, abs=rounding(6**3, 9 * 6))


def test_a_difference_that_cancels_in_the_printed_formula_keeps_its_digits():
    d, tiny = 8, 1e-9
    a, b = np.eye(d), (1 + tiny) ** 2 * np.eye(d)
    zero = np.zeros(d)
    exact = d * tiny**2
    ours = gaussian_frechet_distance(zero, a, zero, b)
    # A root near 1 is off by a few eps, so tiny is known to a few eps / tiny.
    assert ours == pytest.approx(exact, rel=10 * 8 * EPS / tiny, abs=0)
    assert abs(_naive_frechet(zero, a, zero, b) / exact - 1) > 0.5


def test_a_feature_that_never_varies_has_a_covariance_all_the_same():
    distance = gaussian_frechet_distance(
        [0, 0], np.diag([1, 0]), [0, 2], np.diag([9, 0])
    )
    # Two means apart, and standard deviations of 1 and 3.
    assert distance == pytest.approx(4 + 4, rel=1e-12, abs=0)


def test_fewer_samples_than_features_are_nothing_special():
    a, b = samples(0, 5, 12), samples(1, 40, 12)
    root = np.linalg.svd(
        (a - a.mean(0)) / 2 @ ((b - b.mean(0)) / np.sqrt(39)).T, compute_uv=False
    ).sum()
    traces = np.trace(np.cov(a.T)) + np.trace(np.cov(b.T))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + traces - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, abs=rounding(1e3, traces))
    assert frechet_distance(b, a) == pytest.approx(expected, abs=rounding(1e3, traces))
    assert frechet_distance(a[:2], a[2:4]) >= 0


@quick
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12), d=st.integers(1, 6))
def test_the_distance_is_one(seed, n, d):
    a, b, c = (samples(seed + i, n, d) for i in range(3))
    scale = max(np.abs(x).max() for x in (a, b, c)) ** 2 * d
    error = rounding(20 * d**2, scale)
    # Nothing cancels: what is left of a itself is rounding, squared.
    assert 0 <= frechet_distance(a, a) < (1e-13 * n * d) ** 2 * scale
    ab, ba = frechet_distance(a, b), frechet_distance(b, a)
    assert abs(ab - ba) < error
    bc, ac = frechet_distance(b, c), frechet_distance(a, c)
    assert np.sqrt(ac) <= np.sqrt(ab) + np.sqrt(bc) + np.sqrt(error)
    # A common turn and a common shift change nothing.
    turn = np.linalg.qr(samples(seed + 3, d, d))[0]
    moved = frechet_distance(a @ turn + 1, b @ turn + 1)
    assert abs(moved - ab) < error + rounding(20 * d**2, 4 * d)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_the_distance_grows_with_the_square_of_the_unit(scale):
    a, b = samples(0, 9, 3), samples(1, 9, 3)
    ratio = frechet_distance(scale * a, scale * b) / scale / scale
    assert ratio == pytest.approx(frechet_distance(a, b), rel=1e-12, abs=0)
    mean, cov = a.mean(0), np.cov(a.T)
    far = gaussian_frechet_distance(
        mean * scale, cov * scale**2, mean * 0, cov * scale**2
    )
    assert far / scale / scale == pytest.approx((mean**2).sum(), rel=1e-12, abs=0)


def test_the_estimate_is_too_high_and_the_more_so_the_fewer_the_samples():
    rng = np.random.default_rng(0)
    values = {
        n: [frechet_distance(*rng.normal(size=(2, n, 5))) for _ in range(40)]
        for n in (25, 100, 400)
    }
    # The true distance is 0: one law.
    means = [np.mean(values[n]) for n in (25, 100, 400)]
    assert means[0] > 3 * means[1] > 9 * means[2] > 0
    assert min(min(v) for v in values.values()) > 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32])
def test_numbers_of_every_width_are_the_same_numbers(dtype):
    a, b = np.array([[0, 100], [100, 0], [7, 9]]), np.array([[90, 2], [3, 80], [1, 1]])
    assert frechet_distance(a.astype(dtype), b.astype(dtype)) == frechet_distance(a, b)


def test_nothing_that_was_passed_is_changed():
    a, b = samples(0, 9, 3), samples(1, 9, 3)
    before = a.copy(), b.copy()
    a.flags.writeable = b.flags.writeable = False
    frechet_distance(a, b)
    cov = np.eye(3)
    cov.flags.writeable = False
    gaussian_frechet_distance(a[0], cov, b[0], cov)
    p = np.array([0.5, 0.5])
    p.flags.writeable = False
    optimal_discriminator_loss(p, p)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


# Training


def cloud(count: int = 200, d: int = 4, dtype=torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randn(count, d, generator=generator).to(dtype)


def flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def both(gan) -> torch.Tensor:
    return torch.cat([flat(gan.generator), flat(gan.discriminator)])


class Plain:
    """Adam as its authors write it, one step at a time."""

    def __init__(self, parameters, rate: float, beta: float = 0.99):
        self.p, self.rate, self.beta = list(parameters), rate, beta
        self.square, self.step_number = [torch.zeros_like(p) for p in self.p], 0

    @torch.no_grad()
    def step(self, loss: torch.Tensor) -> None:
        slopes = torch.autograd.grad(loss, self.p)
        self.step_number += 1
        for p, g, v in zip(self.p, slopes, self.square, strict=True):
            v.mul_(self.beta).add_((1 - self.beta) * g * g)
            p -= self.rate * g / ((v / (1 - self.beta**self.step_number)).sqrt() + 1e-8)


def independent_gan(X, steps, batch, gamma, rate, noise, average):
    """The same game written a second time: BCE with labels, slopes sample by sample, Adam by hand."""
    random = torch.Generator().manual_seed(3)
    G = mlp([2, 5, 3], random).to(X)
    D = mlp([3, 5, 1], random, lambda: nn.LeakyReLU(0.2)).to(X)
    mlp([2, 5, 3], random)  # the running mean's weights are drawn, and overwritten
    mean = [p.detach().clone() for p in G.parameters()]
    play_D, play_G = Plain(D.parameters(), rate), Plain(G.parameters(), rate)

    def normal(*shape):
        return torch.empty(shape, dtype=X.dtype).normal_(generator=random)

    def shown(x):
        return x + noise * normal(*x.shape) if noise else x

    for _ in range(steps):
        rows = torch.randint(len(X), (batch,), generator=random)
        fake = G(normal(batch, 2)).detach()
        real = shown(X[rows])
        fake = shown(fake)
        one, zero = torch.ones(batch, 1).to(X), torch.zeros(batch, 1).to(X)
        loss = binary_cross_entropy_with_logits(D(real), one)
        loss = loss + binary_cross_entropy_with_logits(D(fake), zero)
        for x in real if gamma else ():
            slope = torch.func.grad(lambda x: D(x)[0])(x)
            loss = loss + gamma / 2 * (slope**2).sum() / batch
        play_D.step(loss)
        judged = D(shown(G(normal(batch, 2))))
        play_G.step(binary_cross_entropy_with_logits(judged, one))
        for m, p in zip(mean, G.parameters(), strict=True):
            m += (1 - average) * (p.detach() - m)
    return torch.cat([m.flatten() for m in mean] + [flat(D)])


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_training_is_the_game_written_a_second_time(gamma, noise):
    X = cloud(20, 3, torch.float64)
    gan = train_gan(
        X,
        3,
        steps=4,
        batch=6,
        gamma=gamma,
        learning_rate=0.01,
        latent=2,
        hidden=(5,),
        noise=noise,
        average=0.7,
    )
    expected = independent_gan(X, 4, 6, gamma, 0.01, noise, 0.7)
    # Steps of .01 whose direction may be a slope near 0 over its own size: eps
    # is magnified by 1 / 1e-8, Adam's own constant, at most.
    torch.testing.assert_close(both(gan), expected, rtol=0, atol=1e-8)


def test_a_game_of_two_numbers_finds_the_law_of_the_data():
    generator = torch.Generator().manual_seed(0)
    X = 2 + 0.5 * torch.randn(2000, 2, generator=generator)
    gan = train_gan(X, 0, steps=1000, gamma=0.1, hidden=(32,), latent=4)
    made = gan.sample(4000, torch.Generator().manual_seed(1))
    assert (made.mean(dim=0) - 2).abs().max() < 0.2
    assert (made.std(dim=0) - 0.5).abs().max() < 0.15
    start = train_gan(X, 0, steps=1, hidden=(32,), latent=4)
    begun = start.sample(4000, torch.Generator().manual_seed(1))
    assert (begun.mean(dim=0) - 2).abs().min() > 1


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_seed_trains_the_same_and_another_seed_does_not(device):
    X = cloud().to(device)
    first, again, other = (both(train_gan(X, s, steps=5)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_training_under_inference_mode_is_the_same_training():
    plain = both(train_gan(cloud(), 0, steps=3))
    with torch.inference_mode():
        inside = train_gan(cloud(), 0, steps=3)
    assert torch.equal(plain, both(inside))
    with torch.no_grad():
        assert torch.equal(plain, both(train_gan(cloud(), 0, steps=3)))


def test_training_leaves_the_samples_and_the_global_random_state_alone():
    X = cloud().requires_grad_()
    torch.manual_seed(7)
    before, state = X.detach().clone(), torch.get_rng_state()
    gan = train_gan(X, 0, steps=3)
    gan.sample(3, torch.Generator().manual_seed(0))
    assert torch.equal(before, X.detach())
    assert X.grad is None
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_returned_is_ready_for_use():
    gan = train_gan(cloud(dtype=torch.float64), np.int64(0), steps=2, latent=7)
    assert gan.latent == 7
    for network in (gan.generator, gan.discriminator):
        assert not network.training
        assert all(p.requires_grad for p in network.parameters())
        assert {p.dtype for p in network.parameters()} == {torch.float64}
    made = gan.sample(5, torch.Generator().manual_seed(0))
    assert made.shape == (5, 4)
    assert made.dtype == torch.float64
    assert not made.requires_grad
    z = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gan.generator(z.double()).detach(), made)
    assert gan.sample(0, torch.Generator()).shape == (0, 4)


def test_the_returned_generator_is_the_running_mean_of_the_newest():
    begun = []
    newest = train_gan(
        cloud(), 0, steps=1, average=0.0, watch=lambda n, g: begun.append(flat(g[0]))
    )
    mean = train_gan(cloud(), 0, steps=1, average=0.75)
    expected = 0.75 * begun[0] + 0.25 * flat(newest.generator)
    torch.testing.assert_close(flat(mean.generator), expected, rtol=0, atol=1e-6)
    assert torch.equal(flat(mean.discriminator), flat(newest.discriminator))


def test_the_last_module_keeps_the_samples_in_their_range():
    gan = train_gan(cloud().sigmoid(), 0, steps=5, output=nn.Sigmoid)
    made = gan.sample(100, torch.Generator().manual_seed(0))
    assert made.min() >= 0
    assert made.max() <= 1


def test_the_watcher_sees_every_hundredth_step_and_the_end():
    seen = []
    train_gan(cloud(), 0, steps=201, batch=2, watch=lambda n, gan: seen.append(n))
    assert seen == [0, 100, 200, 201]


def test_the_generators_loss_is_the_one_that_was_asked_for():
    plain, other = (
        train_gan(cloud(), 0, steps=3, loss=loss)
        for loss in (generator_loss, saturating_generator_loss)
    )
    assert not torch.equal(flat(plain.generator), flat(other.generator))


def test_networks_that_diverge_are_no_answer():
    with pytest.raises(RuntimeError, match="diverged"):
        train_gan(cloud(), 0, steps=2, loss=lambda fake: fake.sum() * torch.nan)


# Bad input

TWO = torch.zeros(2)
GAUSS = ([0, 0], np.eye(2), [0, 0], np.eye(2))


def gauss(place: int, value: object) -> float:
    arguments = list(GAUSS)
    arguments[place] = value
    return gaussian_frechet_distance(*arguments)


def learn(**changed):
    return train_gan(**{"X": cloud(8), "seed": 0, "steps": 1, **changed})


class TwoLogits(nn.Module):
    def forward(self, x):
        return x[:, :2]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: discriminator_loss(np.zeros(2), TWO), TypeError, "real must be a ten"),
        (lambda: discriminator_loss(TWO, None), TypeError, "fake must be a tensor"),
        (lambda: discriminator_loss(TWO, TWO.long()), TypeError, "fake must hold flo"),
        (lambda: discriminator_loss(TWO[:0], TWO), ValueError, "real must not be emp"),
        (lambda: generator_loss(TWO[:0]), ValueError, "fake must not be empty"),
        (lambda: generator_loss(1.0), TypeError, "fake must be a tensor"),
        (lambda: saturating_generator_loss([1.0]), TypeError, "fake must be a ten"),
        (lambda: saturating_generator_loss(TWO.int()), TypeError, "fake must hold"),
        (lambda: r1_penalty(len, cloud()), TypeError, "discriminator must be a torch"),
        (lambda: r1_penalty(nn.Identity(), np.eye(2)), TypeError, "x must be a ten"),
        (lambda: r1_penalty(nn.Identity(), TWO), ValueError, "x must be finite and"),
        (
            lambda: r1_penalty(nn.Linear(4, 1), cloud() * torch.nan),
            ValueError,
            "x must be finite",
        ),
        (lambda: r1_penalty(TwoLogits(), cloud()), ValueError, "one logit a sample"),
        (
            lambda: optimal_discriminator_loss([0.5, 0.5], [1.0]),
            ValueError,
            "p, q and weights must have one shape",
        ),
        (
            lambda: optimal_discriminator_loss([0.5, 0.5], [1.0, 0.0], [1.0]),
            ValueError,
            "p, q and weights must have one shape",
        ),
        (
            lambda: optimal_discriminator_loss([1.5, -0.5], [0.5, 0.5]),
            ValueError,
            "p must not be negative",
        ),
        (
            lambda: optimal_discriminator_loss([0.5, 0.5], [0.5, 0.6]),
            ValueError,
            "q must sum to 1",
        ),
        (
            lambda: optimal_discriminator_loss([2.0], [2.0], [-0.5]),
            ValueError,
            "weights must not be negative",
        ),
        (lambda: optimal_discriminator_loss([], []), ValueError, "p must sum to 1"),
        (
            lambda: optimal_discriminator_loss([0.5, 0.5001], [0.5, 0.5]),
            ValueError,
            "p must sum to 1",
        ),
        (
            lambda: optimal_discriminator_loss([np.nan], [1.0]),
            ValueError,
            "p must be finite",
        ),
        (lambda: optimal_discriminator_loss("a", [1.0]), TypeError, "p must hold real"),
        (lambda: gauss(0, [[0, 0]]), ValueError, "mean_a must have shape"),
        (lambda: gauss(2, [0]), ValueError, "mean_a and mean_b must have one length"),
        (lambda: gauss(1, np.eye(3)), ValueError, "cov_a must have shape"),
        (lambda: gauss(3, [[1, 2], [0, 1]]), ValueError, "cov_b must be symmetric"),
        (lambda: gauss(3, [[1, 2], [2, 1]]), ValueError, "cov_b must have no negative"),
        (lambda: gauss(1, [[1, np.inf], [0, 1]]), ValueError, "cov_a must be finite"),
        (
            lambda: gaussian_frechet_distance([], np.eye(0), [], np.eye(0)),
            ValueError,
            "at least 1",
        ),
        (
            lambda: gauss(2, [1e200, 0]),
            ValueError,
            "distance must fit into float64",
        ),
        (
            lambda: frechet_distance([[0.0], [1e-200]], [[0.0], [3e-200]]),
            ValueError,
            "distance must fit into float64",
        ),
        (
            lambda: frechet_distance(np.eye(3), np.eye(4)),
            ValueError,
            "b must have shape",
        ),
        (lambda: learn(X=np.eye(3)), TypeError, "X must be a tensor"),
        (lambda: learn(X=cloud().long()), TypeError, "X must hold floats"),
        (lambda: learn(X=cloud()[:0]), ValueError, "X must not be empty"),
        (lambda: learn(X=cloud() / 0), ValueError, "X must be finite"),
        (lambda: learn(X=cloud()[:, 0]), ValueError, "X must be finite and of shape"),
        (lambda: learn(X=cloud()[:, None]), ValueError, "X must have one sample"),
        (lambda: learn(seed=-1), ValueError, "seed must be"),
        (lambda: learn(seed=0.5), TypeError, "seed must be an integer"),
        (lambda: learn(steps=0), ValueError, "steps must be at least 1"),
        (lambda: learn(batch=0), ValueError, "batch must be at least 1"),
        (lambda: learn(latent=0), ValueError, "latent must be at least 1"),
        (lambda: learn(gamma=-1), ValueError, "gamma must lie"),
        (lambda: learn(gamma=np.nan), ValueError, "gamma must be finite"),
        (lambda: learn(noise=-1), ValueError, "noise must lie"),
        (lambda: learn(learning_rate=0), ValueError, "learning_rate must lie"),
        (lambda: learn(average=1.0), ValueError, "average must lie"),
        (lambda: learn(hidden=8), TypeError, "hidden must list"),
        (lambda: learn(loss="hinge"), TypeError, "loss must be callable"),
        (lambda: learn(output=None), TypeError, "output must be callable"),
        (lambda: learn(hidden="64"), TypeError, "hidden must list"),
        (lambda: learn(hidden=(0,)), ValueError, "hidden must be at least 1"),
        (lambda: learn().sample(-1, torch.Generator()), ValueError, "count must be"),
        (lambda: learn().sample(1, 0), TypeError, "generator must be a torch.Gen"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(("table", "error"), TABLES)
def test_what_is_no_table_of_samples_is_refused(table, error):
    with pytest.raises(error, match="a must"):
        frechet_distance(table, np.zeros((9, 3)))
    with pytest.raises(error, match="b must"):
        frechet_distance(np.zeros((9, 3)), table)
