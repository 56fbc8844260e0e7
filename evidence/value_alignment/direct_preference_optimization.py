"""DPO and IPO beside TRL's trainer, and on the language of 1024 strings: where the probability goes."""

from __future__ import annotations

import copy
import itertools
import os
import tempfile
from collections.abc import Callable
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from companion.language import (
    TinyTransformer,
    all_strings,
    fit_language_model,
    random_language,
    sequence_log_probs,
    token_log_probs,
)
from companion.value_alignment.direct_preference_optimization import (
    dpo,
    dpo_loss,
    ipo_loss,
)
from companion.value_alignment.rlhf import (
    gibbs_policy,
    readability,
    reward_and_kl,
    rlhf,
)
from evidence.record import interleaved

PEERS = ["trl", "transformers"]
SEEDS = range(5)
TUNING = (100, 101)  # languages that no result is taken from
RATES = (1e-4, 3e-4, 1e-3, 3e-3)
TABLE_RATES = (3e-3, 1e-2, 3e-2, 1e-1)  # one number per string moves less per step
PAIRS, BATCH, BETA, UPDATES = 1000, 128, 0.5, 300
WATCHED = (0, 10, 25, 50, 100, 200, 400, 800, 1600)
STRINGS = all_strings(4, 5)
REWARD = readability(STRINGS).double()


def measure() -> dict[str, Any]:
    """Return everything the lesson shows as recorded; raise where an agreement fails."""
    return {"trl": beside_trl(), "language": on_the_language()}


# --- beside TRL --------------------------------------------------------------------


def beside_trl() -> dict[str, Any]:
    """The loss of TRL's trainer and ours, on random batches with prompts and padding, and the time of both."""
    rows: list[dict[str, Any]] = []
    for name, size, words in (
        ("small batch", 8, 30),
        ("larger batch", 32, 60),
    ):
        for kind in ("sigmoid", "ipo"):
            rows.append({"batch": name, "loss": kind, **compared(kind, size, words)})
    worst = max(row["largest difference"] for row in rows)
    if worst > 1e-6:
        raise AssertionError(f"the losses disagree by {worst}")
    return {"largest difference": worst, "rows": rows}


def compared(kind: str, size: int, words: int) -> dict[str, Any]:
    """One loss on ten batches of random prompts and answers, relative to its value; then the time of one."""
    policy, reference = gpt2(1), gpt2(2)
    arguments = DPOConfig(
        output_dir=tempfile.mkdtemp(),
        report_to=[],
        use_cpu=True,
        bf16=False,
        beta=0.1,
        loss_type=[kind],
        per_device_train_batch_size=size,
        disable_tqdm=True,
    )
    rng = np.random.default_rng(0)

    def text(low: int, high: int) -> str:
        return " ".join(f"w{i}" for i in rng.integers(0, 62, rng.integers(low, high)))

    texts = [
        {
            "prompt": text(2, 9) + " ",
            "chosen": text(1, words),
            "rejected": text(1, words),
        }
        for _ in range(10 * size)
    ]
    trainer = DPOTrainer(
        model=policy,
        ref_model=reference,
        args=arguments,
        train_dataset=Dataset.from_list(texts),
        processing_class=tokenizer(),
    )
    batches = list(trainer.get_train_dataloader())

    def theirs(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        loss: torch.Tensor = trainer._compute_loss(trainer.model, batch, False)
        return loss

    def ours(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            frozen = answer_log_probs(reference, batch).chunk(2)
        tokens = answer_log_probs(policy, batch).chunk(2)
        masks = batch["completion_mask"][:, 1:].bool().chunk(2)
        if kind == "ipo":
            return ipo_loss(*tokens, *frozen, 0.1, *masks, average=True)
        return dpo_loss(*tokens, *frozen, 0.1, *masks)

    differences = []
    for batch in batches:
        with torch.no_grad():
            here, there = ours(batch).item(), theirs(batch).item()
        differences.append(abs(here / there - 1))
    work = {
        "ours": lambda: ours(batches[0]).backward(),
        "peer": lambda: theirs(batches[0]).backward(),
    }
    times = interleaved(work, repeats=15)
    return {
        "pairs": size,
        "tokens": int(batches[0]["input_ids"].shape[1]),
        "batches": len(batches),
        "largest difference": max(differences),
        "ratio": times["peer"]["median"] / times["ours"]["median"],
        "ms": times,
    }


def answer_log_probs(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Log-probabilities of every token but the first: logits at t are about token t + 1."""
    tokens = batch["input_ids"]
    logits = model(input_ids=tokens, attention_mask=batch["attention_mask"]).logits
    log_probs = logits[:, :-1].log_softmax(dim=-1)
    gathered: torch.Tensor = log_probs.gather(2, tokens[:, 1:, None]).squeeze(2)
    return gathered


def gpt2(seed: int) -> GPT2LMHeadModel:
    """A random GPT-2 without dropout, so that both sides see the same network."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=64,
        n_positions=128,
        n_embd=64,
        n_layer=2,
        n_head=2,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    return GPT2LMHeadModel(config).eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """One token for each of 62 words."""
    words = ["<pad>", "<eos>"] + [f"w{i}" for i in range(62)]
    table = {word: i for i, word in enumerate(words)}
    model = Tokenizer(models.WordLevel(table, unk_token="<pad>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token="<pad>", eos_token="<eos>"
    )


# --- on the language ---------------------------------------------------------------


class Case:
    """A language, its reference model, and pairs drawn from the reference and judged by Bradley-Terry."""

    def __init__(self, seed: int):
        generator = torch.Generator().manual_seed(seed)
        language = random_language(4, 5, generator)
        model = TinyTransformer(4, 5, generator)
        self.seed = seed
        self.reference = fit_language_model(model, STRINGS, language.exp())
        self.log_ref = log_probs(self.reference)
        first, second = torch.multinomial(
            self.log_ref.exp(), 2 * PAIRS, replacement=True, generator=generator
        ).view(2, PAIRS)
        chance = torch.sigmoid(REWARD[first] - REWARD[second])
        wins = torch.rand(PAIRS, generator=generator, dtype=torch.float64) < chance
        self.chosen = torch.where(wins, first, second)
        self.rejected = torch.where(wins, second, first)
        self.unseen = torch.ones(len(STRINGS), dtype=torch.bool)
        self.unseen[torch.cat([first, second])] = False

    def judged(self, log_pi: torch.Tensor) -> dict[str, float]:
        """Exact sums over all strings, and the mean log-ratios of the pairs."""
        ratio = log_pi - self.log_ref
        reward, kl = reward_and_kl(log_pi, self.log_ref, REWARD)
        return {
            "reward": reward,
            "kl": kl,
            "value": reward - BETA * kl,
            "unseen": float(log_pi.exp()[self.unseen].sum()),
            "chosen": float(ratio[self.chosen].mean()),
            "rejected": float(ratio[self.rejected].mean()),
            "forward kl": float(-(self.log_ref.exp() @ ratio)),
        }

    def trained(self, loss: Callable[..., torch.Tensor] = dpo_loss, **options: Any):
        """DPO or a relative of it on this case's pairs."""
        given: dict[str, Any] = {
            "beta": BETA,
            "seed": self.seed,
            "steps": UPDATES,
            "batch": BATCH,
        }
        pairs = STRINGS[self.chosen], STRINGS[self.rejected]
        model = options.pop("reference", self.reference)
        return dpo(model, *pairs, **(given | {"loss": loss} | options))


def log_probs(model: nn.Module) -> torch.Tensor:
    """Of all strings, normalised in float64."""
    with torch.no_grad():
        return sequence_log_probs(model, STRINGS).double().log_softmax(dim=0)


def on_the_language() -> dict[str, Any]:
    """Everything over five languages, with learning rates chosen on others."""
    rates = tuned([Case(seed) for seed in TUNING])
    cases = [Case(seed) for seed in SEEDS]
    return {
        "seeds": len(SEEDS),
        "pairs": PAIRS,
        "beta": BETA,
        "updates": UPDATES,
        "strings per update": 2 * BATCH,
        "learning rates": rates,
        "methods": gathered([methods(case, rates) for case in cases]),
        "path": gathered([path(case) for case in cases]),
        "tabular": gathered([tabular(case) for case in cases]),
        "gibbs": {
            str(beta): gathered([{"gibbs": exact(case, beta)} for case in cases])[
                "gibbs"
            ]
            for beta in (4.0, 2.0, 1.0, 0.5, 0.25)
        },
        "at equal kl": gathered([at_equal_kl(case) for case in cases]),
        "broken": gathered([broken(case) for case in cases]),
    }


def gathered(
    rows: list[dict[str, dict[str, float]]],
) -> dict[str, dict[str, list[float]]]:
    """One list over the seeds for each quantity of each row."""
    return {
        name: {key: [round(row[name][key], 6) for row in rows] for key in quantities}
        for name, quantities in rows[0].items()
    }


def exact(case: Case, beta: float) -> dict[str, float]:
    """The optimum itself, of the true reward."""
    return case.judged(torch.as_tensor(gibbs_policy(case.log_ref, REWARD, beta)))


def clone_loss(
    chosen: torch.Tensor, rejected: torch.Tensor, *others: Any
) -> torch.Tensor:
    """Maximum likelihood of the chosen answers alone."""
    return -chosen.sum(dim=1).mean()


def fitted_reward(case: Case, rate: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """A Bradley-Terry reward: the same network, its own letters' logits added up without being normalised."""
    model = copy.deepcopy(case.reference)

    def score(strings: torch.Tensor) -> torch.Tensor:
        return model(strings).gather(2, strings[:, :, None]).sum(dim=(1, 2))

    generator = torch.Generator().manual_seed(case.seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    for _ in range(UPDATES // 2):
        rows = torch.randint(PAIRS, (BATCH,), generator=generator)
        chosen, rejected = case.chosen[rows], case.rejected[rows]
        scores = score(STRINGS[torch.cat([chosen, rejected])])
        better, worse = scores.chunk(2)
        optimiser.zero_grad(set_to_none=True)
        (-nn.functional.logsigmoid(better - worse).mean()).backward()
        optimiser.step()
    return score


def its_optimum(
    case: Case, reward: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """The Gibbs policy of a fitted reward: what perfect reinforcement learning would make of it."""
    with torch.no_grad():
        values = reward(STRINGS).double()
    return torch.as_tensor(gibbs_policy(case.log_ref, values, BETA))


def climbed(
    case: Case, reward: Callable[[torch.Tensor], torch.Tensor], rate: float
) -> torch.Tensor:
    """The policy gradient on a fitted reward, from the reference, with as many strings per update."""
    policy = rlhf(
        copy.deepcopy(case.reference),
        case.reference,
        reward,
        BETA,
        case.seed,
        steps=UPDATES // 2,
        batch=2 * BATCH,
        learning_rate=rate,
    )
    return log_probs(policy)


def tuned(cases: list[Case]) -> dict[str, float]:
    """For each method the rate of best exact value (reward minus beta times KL) on the tuning languages."""

    def best(
        made: Callable[[Case, float], torch.Tensor],
        among: tuple[float, ...] = RATES,
    ) -> float:
        values = [
            np.mean([case.judged(made(case, rate))["value"] for case in cases])
            for rate in among
        ]
        return among[int(np.argmax(values))]

    rates = {
        name: best(
            lambda case, rate, loss=loss: log_probs(
                case.trained(loss, learning_rate=rate)
            )
        )
        for name, loss in (("dpo", dpo_loss), ("clone", clone_loss))
    }
    rates["reward"] = best(
        lambda case, rate: its_optimum(case, fitted_reward(case, rate))
    )
    rewards = {case.seed: fitted_reward(case, rates["reward"]) for case in cases}
    rates["gradient"] = best(lambda case, rate: climbed(case, rewards[case.seed], rate))
    rates["table"] = best(
        lambda case, rate: free_table(case, rate, UPDATES), TABLE_RATES
    )
    return rates


def methods(case: Case, rates: dict[str, float]) -> dict[str, dict[str, float]]:
    """What becomes of the same pairs in the same number of updates."""
    reward = fitted_reward(case, rates["reward"])
    return {
        "reference": case.judged(case.log_ref),
        "gibbs": exact(case, BETA),
        "clone": case.judged(
            log_probs(case.trained(clone_loss, learning_rate=rates["clone"]))
        ),
        "dpo": case.judged(
            log_probs(case.trained(dpo_loss, learning_rate=rates["dpo"]))
        ),
        "table": case.judged(free_table(case, rates["table"], UPDATES)),
        "reward and gradient": case.judged(climbed(case, reward, rates["gradient"])),
        "reward and its optimum": case.judged(its_optimum(case, reward)),
    }


def path(case: Case) -> dict[str, dict[str, float]]:
    """DPO on its way, at one learning rate."""
    rows: dict[str, dict[str, float]] = {}

    def watch(step: int, policy: nn.Module) -> None:
        if step in WATCHED:
            rows[str(step)] = case.judged(log_probs(policy))

    case.trained(steps=WATCHED[-1], learning_rate=1e-3, watch=watch)
    return rows


def free_table(
    case: Case,
    rate: float,
    steps: int,
    watch: Callable[[int, torch.Tensor], None] = lambda step, log_pi: None,
) -> torch.Tensor:
    """The same loss on one free number per string, from the reference, with every pair in every step."""
    scores = case.log_ref.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([scores], lr=rate)
    ref = case.log_ref[:, None]
    w, l = case.chosen, case.rejected  # noqa: E741
    for step in range(steps):
        log_pi = scores.log_softmax(dim=0)
        watch(step, log_pi.detach())
        optimiser.zero_grad()
        pi = log_pi[:, None]
        dpo_loss(pi[w], pi[l], ref[w], ref[l], BETA).backward()
        optimiser.step()
    log_pi = scores.detach().log_softmax(dim=0)
    watch(steps, log_pi)
    return log_pi


def tabular(case: Case) -> dict[str, dict[str, float]]:
    """The free table on its way, at one learning rate."""
    rows: dict[str, dict[str, float]] = {}

    def watch(step: int, log_pi: torch.Tensor) -> None:
        if step in WATCHED:
            rows[str(step)] = case.judged(log_pi)

    free_table(case, 0.01, WATCHED[-1], watch)
    return rows


def at_equal_kl(case: Case) -> dict[str, dict[str, float]]:
    """DPO and IPO with three prices each: on reaching a divergence, the best reward, and what that policy does."""
    found: dict[str, dict[str, float]] = {}
    for name, loss, prices in (
        ("dpo", dpo_loss, (0.25, 0.5, 1.0)),
        ("ipo", ipo_loss, (0.05, 0.1, 0.2)),
    ):
        for price in prices:
            rows: list[dict[str, float]] = []

            def watch(step: int, policy: nn.Module, rows: Any = rows) -> None:
                if step % 10 == 0:
                    rows.append(case.judged(log_probs(policy)))

            case.trained(loss, beta=price, steps=200, learning_rate=1e-3, watch=watch)
            for kl in (0.5, 1.0):
                reached = crossing(rows, kl)
                key = f"{name} {kl}"
                if (
                    reached
                    and reached["reward"] > found.get(key, {"reward": -1})["reward"]
                ):
                    found[key] = reached
    return found


def crossing(rows: list[dict[str, float]], kl: float) -> dict[str, float] | None:
    """The policy's numbers where its divergence first reaches `kl`, on a straight line between two looks."""
    for before, after in itertools.pairwise(rows):
        if before["kl"] < kl <= after["kl"]:
            share = (kl - before["kl"]) / (after["kl"] - before["kl"])
            return {
                key: before[key] + share * (after[key] - before[key]) for key in before
            }
    return None


class Unshifted(nn.Module):
    """The popular wrong form: each letter is scored by the logits that have already seen it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, strings: torch.Tensor) -> torch.Tensor:
        """Return the logits one place too far to the left."""
        logits: torch.Tensor = self.model(strings).roll(-1, dims=1)
        return logits


def broken(case: Case) -> dict[str, dict[str, float]]:
    """What three bugs do, in as many updates: the accuracy on the pairs, and the policy."""

    def mean_loss(w, l, rw, rl, beta):  # type: ignore[no-untyped-def]  # noqa: E741
        n = w.shape[1]
        return dpo_loss(w / n, l / n, rw / n, rl / n, beta)

    def forgotten(w, l, rw, rl, beta):  # type: ignore[no-untyped-def]  # noqa: E741
        return dpo_loss(w, l, torch.zeros_like(w), torch.zeros_like(l), beta)

    rows = {}
    for name, loss, model in (
        ("right", dpo_loss, case.reference),
        ("mean", mean_loss, case.reference),
        ("no reference", forgotten, case.reference),
        ("not shifted", dpo_loss, Unshifted(case.reference)),
    ):
        policy = case.trained(loss, reference=model, steps=200, learning_rate=1e-3)
        with torch.no_grad():
            pairs = STRINGS[case.chosen], STRINGS[case.rejected]
            w, l, rw, rl = (  # noqa: E741
                token_log_probs(m, s) for m in (policy, model) for s in pairs
            )
            start, end = loss(rw, rl, rw, rl, BETA), loss(w, l, rw, rl, BETA)
            seen = (w - rw).sum(dim=1) - (l - rl).sum(dim=1)
        inner = policy.model if name == "not shifted" else policy
        rows[name] = {
            **case.judged(log_probs(inner)),
            "first loss": float(start),
            "last loss": float(end),
            "accuracy": float((seen > 0).double().mean()),
        }
    return rows
