"""An encoder that learned on photographs is to keep what it knows: which of its layers stay as they are."""

from __future__ import annotations

import re

from torch import nn

from saom_core.errors import ConfigError

_STAGE = re.compile(r"(blocks\.|stages[._]|layers?[._]?|s)\d+")
"""Names of stages in timm's networks: blocks.0, stages.0 and stages_0, layer1, s1."""


def first_stages(encoder: nn.Module, stages: int) -> list[nn.Module]:
    """The stem and so many first stages of a network of timm; 0: nothing, not even the stem.

    Raises:
        ConfigError: the network's stages are not known by their names.
    """
    if stages == 0:
        return []
    parts = list(_parts(encoder))
    numbers = [k for k, (name, _) in enumerate(parts) if _STAGE.fullmatch(name)]
    if not numbers:
        raise ConfigError(
            f"--frozen-stages: expected an encoder with numbered stages, got one of {', '.join(n for n, _ in parts)}: "
            "take another encoder, or leave the option out"
        )
    end = numbers[stages] if stages < len(numbers) else len(parts)
    return [module for _, module in parts[:end]]


def _parts(encoder: nn.Module) -> list[tuple[str, nn.Module]]:
    """Layers in their order; where the stages stand in one list, each of them."""
    parts: list[tuple[str, nn.Module]] = []
    for name, child in encoder.named_children():
        if name in ("blocks", "stages", "layers"):
            parts += [(f"{name}.{number}", stage) for number, stage in child.named_children()]
        else:
            parts.append((name, child))
    return parts


def keep_statistics(modules: list[nn.Module]) -> None:
    """Lets the batch norms in these modules keep the statistics that they have, in place; after each `train()`."""
    for part in modules:
        for module in part.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
