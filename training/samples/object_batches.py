"""What the object head is trained on: batches drawn from all objects of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from saom_core.config import option_field, other_default

from ..dataset import Dataset
from ..networks.object_head import ObjectViews
from ..networks.tiny import SaomTiny
from ..running.checks import TrainingError
from ..running.config import RunConfig
from ..running.processes import Processes
from .class_weights import class_weights
from .object_crops import ObjectCrops, read_objects, varied_views
from .seeded_order import rows_of_step, step_seed


@dataclass(frozen=True)
class ObjectsConfig(RunConfig):
    """A run on single objects, and how they are seen."""

    batch: int = other_default(RunConfig, "batch", 128, description="Objects per step and process", minimum=2)
    workers: int = other_default(RunConfig, "workers", 2, description="Processes that read the objects")
    drop_depth: float = option_field(0.35, "Share of objects without depth", minimum=0.0, maximum=1.0)
    drawn_share: float = option_field(
        0.5,
        "Share of images whose objects are also seen under the masks that the network draws",
        minimum=0.0,
        maximum=1.0,
    )


@dataclass
class NamedViews:
    """A batch: what the object head sees of n objects, and what they are."""

    views: ObjectViews
    class_ids: Tensor  # (n,) int64
    class_weights: Tensor  # (C,), the same in every batch


class ObjectBatches:
    """The batches of a run, drawn from all objects of a data set, which are read when the first batch is asked for.

    Each step has a seed of its own, so a resumed run draws what an unbroken one draws.

    Args:
        data: the training split.
        network: draws the masks under which some objects are seen.
        config: the run.
        processes: that train together; each step they draw the same objects and each takes its part of them.
    """

    def __init__(self, data: Dataset, network: SaomTiny, config: ObjectsConfig, processes: Processes) -> None:
        self.steps = config.steps
        self._data, self._network, self._config, self._processes = data, network, config, processes

    def after(self, done: int) -> Iterator[NamedViews]:
        """See `Batches.after`."""
        if done == self.steps:
            return
        config, processes = self._config, self._processes
        objects = read_objects(self._data, self._network, config.drawn_share, config.workers, processes)
        if not len(objects):
            raise TrainingError("expected a data set with objects in its training split, got none: run `saom collect`")
        counts = torch.bincount(objects.class_ids, minlength=len(self._network.config.class_names))
        objects, weights = objects.to(processes.device), class_weights(counts)[:-1].to(processes.device)
        for step in range(done, self.steps):
            yield self.batch(objects, weights, step)

    def batch(self, objects: ObjectCrops, weights: Tensor, step: int) -> NamedViews:
        """This process's part of a step's objects; seeds what the network draws in that step, too."""
        config, processes = self._config, self._processes
        device, seed = objects.class_ids.device, step_seed(config.seed, step)
        chosen, part = rows_of_step(len(objects), config.batch, seed, processes)
        chosen = chosen.to(device)
        views = varied_views(objects, chosen, config.drop_depth, torch.Generator(device).manual_seed(seed), part)
        return NamedViews(views, objects.class_ids[chosen[part]], weights)
