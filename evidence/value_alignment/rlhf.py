"""The policy gradient against the closed form over seeds and languages, beside TRL; what the baseline is worth."""

from __future__ import annotations

import copy
import functools
import os
import tempfile
from typing import Any

import numpy as np
import torch
from scipy.optimize import brentq
from torch import nn

from companion.language import (
    TinyTransformer,
    all_strings,
    fit_language_model,
    random_language,
    sequence_log_probs,
)
from companion.value_alignment.rlhf import (
    best_of_n_policy,
    gibbs_policy,
    optimal_value,
    policy_gradient_loss,
    readability,
    reward_and_kl,
    rlhf,
)
from evidence.record import interleaved

PEERS = ["trl", "transformers"]
SEEDS = range(5)
LETTERS = "aent"
STRINGS = all_strings(4, 5)
REWARD = readability(STRINGS).double().numpy()


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    torch.set_num_threads(1)
    references = [reference_model(seed) for seed in SEEDS]
    return {
        "languages": [
            language(seed, model) for seed, model in zip(SEEDS, references, strict=True)
        ],
        "runs": runs(references[0]),
        "baseline": baseline(references[0]),
        "flipped": flipped(references[0]),
        "best of n": [best_of_n(model) for model in references],
        "peer": peer(),
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


def trained(
    reference: nn.Module, beta: float, seed: int, target: float = 1.0, **options: Any
) -> dict[str, float]:
    """One run, and how far it ends from the optimum for `target`."""
    reward = options.pop("reward", readability)
    model = rlhf(copy.deepcopy(reference), reference, reward, beta, seed, **options)
    log_ref, log_pi = table(reference), table(model)
    mean, kl = reward_and_kl(log_pi, log_ref, REWARD)
    return {
        "reward": mean,
        "kl": kl,
        "distance": distance(log_pi, gibbs_policy(log_ref, REWARD, target)),
        "short": optimal_value(log_ref, REWARD, target) - (mean - target * kl),
        "strings in effect": float(np.exp(-np.exp(log_pi) @ log_pi)),
    }


def language(seed: int, reference: nn.Module) -> dict[str, Any]:
    """One language: how far the reference lies from the optimum, and the run."""
    log_ref = table(reference)
    optimum = gibbs_policy(log_ref, REWARD, 1.0)
    run = trained(reference, 1.0, seed)
    if run["distance"] > 0.05:
        raise AssertionError(f"language {seed} ends {run['distance']} from its optimum")
    return {
        "seed": seed,
        "reference to optimum": distance(log_ref, optimum),
        "run to optimum": run["distance"],
        "short": run["short"],
        "optimum": reward_and_kl(optimum, log_ref, REWARD),
    }


def runs(reference: nn.Module) -> dict[str, Any]:
    """Five training seeds on one language, for three prices of divergence; the path of the first."""
    log_ref = table(reference)
    found: dict[str, Any] = {"ends": {}, "paths": {}}
    for beta in (1.0, 0.5, 0.0):
        points: list[tuple[float, float]] = []

        def watch(step: int, model: nn.Module, points: Any = points) -> None:
            if step % 25 == 0:
                points.append(reward_and_kl(table(model), log_ref, REWARD))

        found["ends"][str(beta)] = [
            trained(
                reference,
                beta,
                seed,
                beta or 1.0,
                steps=400,
                watch=None if seed else watch,
            )
            for seed in SEEDS
        ]
        found["paths"][str(beta)] = points
    return found


def baseline(reference: nn.Module) -> dict[str, Any]:
    """With the others' mean and without it, 300 steps of equal samples, for the same three learning rates each."""
    plain = functools.partial(policy_gradient_loss, baseline=False)
    mean = float(np.exp(table(reference)) @ REWARD)
    rates = 0.003, 0.01, 0.03
    rows = [
        ("leave one out", policy_gradient_loss, readability),
        ("none", plain, readability),
        ("none, the reward centred", plain, lambda x: readability(x) - mean),
        ("none, ten added to the reward", plain, lambda x: readability(x) + 10),
    ]
    return {
        "steps": 300,
        "samples": 300 * 128,
        "rows": [
            {
                "baseline": name,
                "learning rate": rate,
                "distances": [
                    trained(
                        reference,
                        1.0,
                        seed,
                        reward=reward,
                        loss=loss,
                        steps=300,
                        learning_rate=rate,
                    )["distance"]
                    for seed in SEEDS
                ],
            }
            for name, loss, reward in rows
            for rate in rates
        ],
    }


def flipped(reference: nn.Module) -> dict[str, Any]:
    """A sign that is wrong in the reward, with a price and without, or in everything; five seeds of 150 steps."""
    log_ref = table(reference)
    found: dict[str, Any] = {}
    for name, sign, beta, direction in (
        ("as it should be", 1, 0.5, 1),
        ("reward flipped", -1, 0.5, 1),
        ("reward flipped, no price", -1, 0.0, 1),
        ("everything flipped", 1, 0.5, -1),
    ):
        found[name] = []
        for seed in SEEDS:
            model = rlhf(
                copy.deepcopy(reference),
                reference,
                lambda x, sign=sign: sign * readability(x),
                beta,
                seed,
                steps=150,
                loss=lambda *args, d=direction: d * policy_gradient_loss(*args),
            )
            log_pi = table(model)
            p = np.exp(log_pi)
            found[name].append(
                {
                    "reward": float(p @ REWARD),
                    "reference's log-probability": float(p @ log_ref),
                    "strings in effect": float(np.exp(-p @ log_pi)),
                }
            )
    return found


def best_of_n(reference: nn.Module) -> list[dict[str, float]]:
    """What best-of-n and the Gibbs policy of the same divergence gain, in standard deviations of the reward."""
    log_ref = table(reference)
    p = np.exp(log_ref)
    mean = p @ REWARD
    sd = np.sqrt(p @ (REWARD - mean) ** 2)
    rows = []
    for n in (4, 16):
        best, kl = reward_and_kl(best_of_n_policy(log_ref, REWARD, n), log_ref, REWARD)

        def excess(log_beta: float, kl: float = kl) -> float:
            policy = gibbs_policy(log_ref, REWARD, float(np.exp(log_beta)))
            return reward_and_kl(policy, log_ref, REWARD)[1] - kl

        beta = float(np.exp(brentq(excess, -4, 4)))
        gibbs, _ = reward_and_kl(gibbs_policy(log_ref, REWARD, beta), log_ref, REWARD)
        rows.append(
            {
                "n": n,
                "kl": kl,
                "beta": beta,
                "best of n": float((best - mean) / sd),
                "gibbs": float((gibbs - mean) / sd),
            }
        )
    return rows


# The peer


class Gpt2(nn.Module):
    """A GPT-2 of transformers as a model of the small language; token 4 begins a string."""

    def __init__(self, model: nn.Module, tokens: int = 4):
        super().__init__()
        self.model, self.tokens, self.length = model, tokens, 5

    def forward(self, strings: torch.Tensor) -> torch.Tensor:
        before = nn.functional.pad(strings[:, :-1], (1, 0), value=4)
        logits = self.model(input_ids=before, use_cache=False).logits
        return logits[..., : self.tokens]


def peer() -> dict[str, Any]:
    """TRL's RLOO trainer and ours on one GPT-2 with one reward: where both end, and how long a step takes."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        PreTrainedTokenizerFast,
        logging,
        set_seed,
    )
    from trl import RLOOConfig, RLOOTrainer

    logging.set_verbosity_error()
    set_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=5,
            n_positions=8,
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_inner=32,
            bos_token_id=4,
            eos_token_id=4,
            pad_token_id=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )
    log_p = random_language(4, 5, torch.Generator().manual_seed(0))
    # All five tokens are fitted, so that the beginning's probability goes to zero.
    fit_language_model(Gpt2(model, tokens=5), STRINGS, log_p.exp())
    reference = Gpt2(model)
    optimum = gibbs_policy(table(reference), REWARD, 1.0)
    words = Tokenizer(
        models.WordLevel({**{c: i for i, c in enumerate(LETTERS)}, "^": 4}, "^")
    )
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="^",
        eos_token="^",
        pad_token="^",
        unk_token="^",
        padding_side="left",
    )

    def ours(steps: int, seed: int = 0) -> nn.Module:
        start = copy.deepcopy(reference)
        return rlhf(start, reference, readability, 1.0, seed, steps=steps)

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)

        def theirs(steps: int, seed: int = 0) -> nn.Module:
            arguments = RLOOConfig(
                output_dir=f"{folder}/out",
                beta=1.0,
                num_generations=128,
                per_device_train_batch_size=128,
                max_steps=steps,
                learning_rate=0.003,
                lr_scheduler_type="cosine",
                warmup_steps=0,
                optim="adamw_torch_fused",
                max_grad_norm=0.0,
                max_completion_length=5,
                generation_kwargs={"suppress_tokens": [4], "min_new_tokens": 5},
                temperature=1.0,
                top_k=0,
                gradient_checkpointing=False,
                bf16=False,
                use_cpu=True,
                seed=seed,
                report_to=[],
                logging_strategy="no",
                save_strategy="no",
                disable_tqdm=True,
            )
            trainer = RLOOTrainer(
                model=folder,
                reward_funcs=lambda completion_ids, **_: readability(
                    torch.tensor(completion_ids)
                ).tolist(),
                args=arguments,
                train_dataset=Dataset.from_dict({"prompt": ["^"] * 128}),
                processing_class=tokenizer,
            )
            trainer.train()
            return Gpt2(trainer.model)

        steps, seeds = 300, range(3)
        ends = {
            name: [distance(table(train(steps, s)), optimum) for s in seeds]
            for name, train in (("ours", ours), ("theirs", theirs))
        }
        times = interleaved(
            {"ours": lambda: ours(40), "theirs": lambda: theirs(40)}, repeats=5
        )
    start = distance(table(reference), optimum)
    if max(ends["ours"] + ends["theirs"]) > start / 2:
        raise AssertionError(f"one of the two misses the optimum: {ends} from {start}")
    return {
        "steps": steps,
        "seeds": len(seeds),
        "reference to optimum": start,
        "distances": ends,
        "ratio": times["theirs"]["median"] / times["ours"]["median"],
        "ms": times,
    }
