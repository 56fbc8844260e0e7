"""A model must come back from every call bit for bit as it was given."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def untouched(model: nn.Module) -> Iterator[nn.Module]:
    """Fail where the block, also one that raises, leaves anything of the model changed."""
    before = _state(model)
    try:
        yield model
    finally:
        after = _state(model)
        assert before.keys() == after.keys()
        for name, value in before.items():
            assert _same(value, after[name]), f"{name} has changed"


def _same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.equal(a.nan_to_num(nan=-7.0), b.nan_to_num(nan=-7.0))
    return a == b


def _state(model: nn.Module) -> dict[str, object]:
    """Modes, hooks, parameters with their gradients, and buffers."""
    state: dict[str, object] = {}
    for name, part in model.named_modules():
        state[f"mode of {name!r}"] = part.training
        state[f"hooks of {name!r}"] = [
            list(vars(part)[kind]) for kind in vars(part) if kind.endswith("_hooks")
        ]
    for name, p in model.named_parameters():
        state[f"parameter {name!r}"] = p.detach().clone()
        state[f"requires_grad of {name!r}"] = p.requires_grad
        state[f"gradient of {name!r}"] = None if p.grad is None else p.grad.clone()
    for name, buffer in model.named_buffers():
        state[f"buffer {name!r}"] = buffer.clone()
    return state
