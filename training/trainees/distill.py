"""A new encoder for a trained network: a student takes over a teacher's decoder and learns to give its features.

Features are a target at every place of every level, so the encoder learns in far fewer steps than from masks alone. The
student sees what the teacher does not: other colours, and often no depth. So it learns to give of a worse picture what
the teacher gives of the plain one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saom_core.errors import ConfigError

from ..networks.encoder import Pyramid
from ..networks.tiny import SaomTiny
from ..running.config import RunConfig
from ..running.loop import Batches
from ..running.precision import mixed_precision
from ..running.processes import Processes
from ..running.step import Term
from ..samples.augment import TrainingItem

_LEVELS = ("fine", "middle", "coarse")
_OWN = ("encoder.", "lateral")
"""What a student does not take over from its teacher."""
_DEPTH_BRANCH = "depth_branch."


def student_of(teacher: SaomTiny, encoder: str, depth_width: int) -> SaomTiny:
    """A network with another encoder and new laterals, and with the teacher's weights in all else.

    Args:
        teacher: with batch norms that can be trained on.
        encoder: timm's name.
        depth_width: of the depth branch, which is the teacher's where that has one of this width; 0: depth goes into
            the encoder.
    """
    student = SaomTiny(dataclasses.replace(teacher.config, encoder=encoder, depth_width=depth_width))
    own = _OWN if teacher.config.depth_width == depth_width else (*_OWN, _DEPTH_BRANCH)
    kept = {name: value for name, value in teacher.state_dict().items() if not name.startswith(own)}
    student.load_state_dict({**student.state_dict(), **kept})
    return student


@dataclass(frozen=True)
class FeaturesOnly:
    """A batch of a step that learns nothing but the teacher's features."""

    items: list[TrainingItem]


class FeaturesFirst:
    """Batches of which the first ones are `FeaturesOnly`.

    Args:
        batches: of the run.
        first: number of steps that learn features alone.
    """

    def __init__(self, batches: Batches, first: int) -> None:
        self.steps = batches.steps
        self._batches, self._first = batches, first

    def after(self, done: int) -> Iterator[Any]:
        """See `Batches.after`."""
        for step, items in enumerate(self._batches.after(done), done):
            yield FeaturesOnly(items) if step < self._first else items


def check_features_first(first: int, teacher: str, processes: Processes) -> None:
    """Whether so many first steps can learn features alone.

    Raises:
        ConfigError: there is no teacher to learn from, or there are processes that would wait for each other.
    """
    if first and (not teacher or processes.count > 1):
        raise ConfigError(
            f"--features-first: expected --teacher, and one process, got teacher {teacher!r} and "
            f"{processes.count} processes: give a teacher, or train the first steps in one process"
        )


class Teacher:
    """A trained network whose features of the plain pictures are the goal.

    Args:
        network: the trained network; it stays as it is.
        student: the network that learns, for the check of their shapes.
        config: of the precision.
        weight: of the term.
        device: on which the training runs.

    Raises:
        ConfigError: the networks' features have different numbers of channels.
    """

    def __init__(
        self, network: SaomTiny, student: SaomTiny, config: RunConfig, weight: float, device: torch.device
    ) -> None:
        ours, theirs = ((n.config.mask_dim, n.config.dim) for n in (student, network))
        if ours != theirs:
            raise ConfigError(
                f"--teacher: expected one with {ours} channels of features, as the network has, got {theirs}: give "
                "another --teacher, or leave --init out"
            )
        self._network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self._weight, self._bf16, self._device = weight, config.bf16, device

    def term(self, found: Pyramid, items: list[TrainingItem]) -> Term:
        """How far the student's features are from the teacher's, as a mean over images."""
        image = torch.stack([item.plain_image for item in items])
        depth = torch.stack([item.plain_depth for item in items])
        with torch.no_grad(), mixed_precision(self._device, self._bf16):
            wanted = self._network.pyramid(image, depth)
        return Term(feature_loss(found, wanted) * len(items), len(items), self._weight)


def feature_loss(found: Pyramid, wanted: Pyramid) -> Tensor:
    """Mean squared difference in units of the wanted channels' variances: their means alone would give 1."""
    losses = []
    for name in _LEVELS:
        ours, theirs = getattr(found, name).float(), getattr(wanted, name).float()
        variance = theirs.var(dim=(0, 2, 3), keepdim=True).clamp(min=1e-4)
        losses.append(((ours - theirs) ** 2 / variance).mean())
    return torch.stack(losses).mean()
