"""Training with each estimator in each place, over seeds; the exact gradients of large models' usual sums; TRL."""

from __future__ import annotations

import copy
import functools
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from companion.language import (
    TinyTransformer,
    all_strings,
    fit_language_model,
    random_language,
    sequence_log_probs,
    token_log_probs,
)
from companion.value_alignment.kl_estimators import (
    forward_kl_policy,
    kl_estimators,
    kl_regularised_loss,
)
from companion.value_alignment.rlhf import (
    gibbs_policy,
    readability,
    reward_and_kl,
    rlhf,
)

PEERS = ["trl", "transformers"]
SEEDS = range(5)
STRINGS = all_strings(4, 5)
REWARD = readability(STRINGS).double().numpy()
BETA = 1.0
CHOICES = [(k, place) for place in ("reward", "loss") for k in ("k1", "k2", "k3")]


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    torch.set_num_threads(1)
    reference = reference_model(0)
    return {
        "agreement": agreement(),
        "runs": runs(reference),
        "letters": [letters(seed) for seed in SEEDS],
    }


def reference_model(seed: int) -> TinyTransformer:
    """A transformer that has learnt a random language."""
    model = TinyTransformer(4, 5, torch.Generator().manual_seed(seed))
    log_p = random_language(4, 5, torch.Generator().manual_seed(seed))
    fit_language_model(model, STRINGS, log_p.exp())
    return model


def table(model: nn.Module) -> np.ndarray:
    """The log-probability of every string."""
    with torch.no_grad():
        return sequence_log_probs(model, STRINGS).double().numpy()


def distance(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """Total variation."""
    return float(np.abs(np.exp(log_p) - np.exp(log_q)).sum() / 2)


def runs(reference: nn.Module) -> dict[str, Any]:
    """Five seeds with each estimator in each place and without any, all else equal."""
    log_ref = table(reference)
    aims = {
        "gibbs": gibbs_policy(log_ref, REWARD, BETA),
        "forward": forward_kl_policy(log_ref, REWARD, BETA),
    }
    found: dict[str, Any] = {}
    for name, beta, choice in [
        *((f"{k} in the {place}", BETA, (k, place)) for k, place in CHOICES),
        ("none", 0.0, ("k1", "reward")),
    ]:
        k, place = choice
        loss = functools.partial(kl_regularised_loss, estimator=k, place=place)
        found[name] = []
        for seed in SEEDS:
            start = copy.deepcopy(reference)
            model = rlhf(
                start, reference, readability, beta, seed, steps=400, loss=loss
            )
            log_pi = table(model)
            mean, kl = reward_and_kl(log_pi, log_ref, REWARD)
            found[name].append(
                {
                    "reward": mean,
                    "kl": kl,
                    **{aim: distance(log_pi, log_p) for aim, log_p in aims.items()},
                }
            )
    found["aims"] = {
        name: reward_and_kl(log_p, log_ref, REWARD) for name, log_p in aims.items()
    }
    found["reference"] = {
        name: distance(log_ref, log_p) for name, log_p in aims.items()
    }
    return found


def letters(seed: int) -> dict[str, float]:
    """Cosines of exact expected gradients with the true one: whole strings, and sums over letters."""
    reference = reference_model(seed).double()
    loss = functools.partial(kl_regularised_loss, estimator="k1", place="reward")
    model = rlhf(
        copy.deepcopy(reference).float(),
        copy.deepcopy(reference).float(),
        readability,
        BETA / 2,
        seed,
        steps=200,
        loss=loss,
    ).double()
    parameters = list(model.parameters())
    log_pi, log_ref = (sequence_log_probs(m, STRINGS) for m in (model, reference))
    by_letter = token_log_probs(model, STRINGS)
    log_ref, p = log_ref.detach(), log_pi.detach().exp()
    whole = kl_estimators(log_pi, log_ref)
    parts = kl_estimators(by_letter, token_log_probs(reference, STRINGS).detach())
    ratio = (by_letter - by_letter.detach()).exp()  # one, with a gradient

    def gradient(value: torch.Tensor) -> torch.Tensor:
        grads = torch.autograd.grad(value, parameters, retain_graph=True)
        return torch.cat([g.flatten() for g in grads])

    D = gradient((log_pi.exp() * (log_pi - log_ref)).sum())
    F = gradient((log_ref.exp() * (log_ref - log_pi)).sum())
    values = {
        "k2 of strings": (whole.k2, D),
        "k3 of strings": (whole.k3, F),
        "k3 of strings, ratio": (whole.k3 * (log_pi - log_pi.detach()).exp(), D),
        "k2 of letters": (parts.k2.sum(1), D),
        "k3 of letters, beside F": (parts.k3.sum(1), F),
        "k3 of letters": (parts.k3.sum(1), D),
        "k3 of letters, ratio": ((parts.k3 * ratio).sum(1), D),
    }
    found = {
        name: float(torch.cosine_similarity(gradient((p * v).sum()), aim, dim=0))
        for name, (v, aim) in values.items()
    }
    found["F beside D"] = float(torch.cosine_similarity(F, D, dim=0))
    for name, k1 in (("k1 of strings", whole.k1), ("k1 of letters", parts.k1.sum(1))):
        found[f"{name}, size"] = float(gradient((p * k1).sum()).norm() / D.norm())
    return found


def agreement() -> dict[str, Any]:
    """The divergence in TRL's GRPO loss and its gradient, with its ratio and without, beside ours."""
    worst = {"loss": 0.0, "gradient": 0.0}
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        log_pi, log_ref = (
            -3 * torch.rand(16, 5, generator=g, dtype=torch.float64) for _ in range(2)
        )
        log_pi.requires_grad_()
        for corrected in (False, True):
            k3 = kl_estimators(log_pi, log_ref).k3
            ratio = (log_pi - log_pi.detach()).exp() if corrected else 1.0
            ours = 0.7 * (k3 * ratio).mean()
            theirs = grpo_loss(log_pi, log_ref, 0.7, corrected)
            (one,) = torch.autograd.grad(theirs, log_pi)
            (other,) = torch.autograd.grad(ours, log_pi)
            gap = float((theirs - ours).detach().abs())
            worst["loss"] = max(worst["loss"], gap)
            worst["gradient"] = max(worst["gradient"], float((one - other).abs().max()))
    if max(worst.values()) > 1e-12:
        raise AssertionError(f"TRL's estimate differs: {worst}")
    return {"batches": 20, "strings": 16, "letters": 5, "largest difference": worst}


def grpo_loss(
    log_pi: torch.Tensor, log_ref: torch.Tensor, beta: float, corrected: bool
) -> torch.Tensor:
    """TRL's own loss for advantages of zero, so that only its divergence is left."""
    from trl import GRPOTrainer

    trainer = SimpleNamespace(
        aux_loss_enabled=False,
        _get_per_token_logps_and_entropies=lambda *_, **__: (
            log_pi,
            torch.zeros_like(log_pi),
            None,
        ),
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=beta,
        args=SimpleNamespace(use_bias_correction_kl=corrected, delta=None),
        loss_type="grpo",
        epsilon_low=0.2,
        epsilon_high=0.2,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1,
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(
            reduce=lambda x, **_: x,
            gather=lambda x: x,
        ),
        _metrics={"train": defaultdict(list)},
    )
    ones = torch.ones(log_pi.shape, dtype=torch.int64)
    loss: torch.Tensor = GRPOTrainer._compute_loss(
        trainer,
        None,
        {
            "prompt_ids": ones,
            "prompt_mask": ones,
            "completion_ids": ones,
            "completion_mask": ones,
            "advantages": torch.zeros(len(log_pi), dtype=log_pi.dtype),
            "ref_per_token_logps": log_ref,
        },
    )
    return loss
