"""Any model, ready to be evaluated: a SAM checkpoint, an exported file, or a folder of `saom finetune`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from saom_core.config import SaomConfig
from saom_core.errors import ConfigError, ModelError
from saom_core.everything import OnnxSegmenter
from saom_core.loading import load_segmenter
from saom_core.model_file.contract import THRESHOLDS
from saom_core.prompting.grid import trained_config
from saom_core.runtime import ModelInfo
from saom_core.sam.segmenter import SamSegmenter, everything_options
from saom_core.segmenter import Segmenter

from ..networks.checkpoint import WEIGHTS
from ..networks.everything import grid_prompts_xy
from ..networks.exportable import load_exportable
from .prompted_models import PromptedFile, PromptedModel, PromptedSam

MASKS_PER_PROMPT = ("best", "all")


@dataclass(frozen=True)
class EvaluatedModel:
    """A model in both its uses: everything mode, and answering single points."""

    segmenter: Segmenter
    prompted: PromptedModel
    grid: tuple[int, int]  # columns and rows of its points

    @property
    def info(self) -> ModelInfo:
        """What the model is and where it runs."""
        return self.segmenter.info


def load_model(
    config: SaomConfig, grid: tuple[int, int] | None = None, masks_per_prompt: str | None = None
) -> EvaluatedModel:
    """The model that `config.model` names, by itself: photographs have no say in the names of simulated pictures.

    Args:
        config: the model, where it runs, thresholds.
        grid: columns and rows of the points; None: those it was trained for or has built in, else 32 x 32.
        masks_per_prompt: best or all; None: as the network was taught (`SamModel.one_mask_per_prompt`).

    Raises:
        ModelError: the model cannot be loaded.
        ConfigError: an exported file has another grid, or its number of masks cannot be chosen.
    """
    config = config.replace(photo_names=False)
    if (Path(config.model) / WEIGHTS).is_file():
        network = CheckpointNetwork(Path(config.model), config.provider, config.threads, grid)
        return _of_file(OnnxSegmenter(config, network), grid, masks_per_prompt)
    segmenter = load_segmenter(config)
    if isinstance(segmenter, SamSegmenter):
        grid = grid or segmenter.model.grid
        options = everything_options(segmenter.model, config, grid)
        if masks_per_prompt:
            options = replace(options, one_mask_per_prompt=masks_per_prompt == "best")
        segmenter.options = options
        return EvaluatedModel(segmenter, PromptedSam(segmenter.model), grid)
    assert isinstance(segmenter, OnnxSegmenter)
    return _of_file(segmenter, grid, masks_per_prompt)


def _of_file(segmenter: OnnxSegmenter, grid: tuple[int, int] | None, masks_per_prompt: str | None) -> EvaluatedModel:
    if masks_per_prompt:
        raise ConfigError(
            f"masks per prompt of {segmenter.info.path}: expected a SAM checkpoint, whose prompts have several, got "
            "another model: leave --masks-per-prompt out"
        )
    columns, rows = segmenter.info.metadata["grid"]
    if grid not in (None, (columns, rows)):
        raise ConfigError(
            f"{segmenter.info.path}: expected a grid of {columns}x{rows}, which is built into the file, got "
            f"{grid[0]}x{grid[1]}: leave --grid out, or export the checkpoint with --grid"
        )
    return EvaluatedModel(segmenter, PromptedFile(segmenter.model, segmenter.config), (columns, rows))


class CheckpointNetwork:
    """A checkpoint folder (saom-tiny, fast head) in torch on the CPU, with an exported file's inputs and outputs.

    Args:
        folder: written by training.
        provider: auto or cpu.
        threads: CPU threads; 0: torch's own choice.
        grid: columns and rows of the points; None: those it was trained for.

    Raises:
        ModelError: no such checkpoint, or a provider that is not there.
    """

    def __init__(self, folder: Path, provider: str, threads: int, grid: tuple[int, int] | None) -> None:
        if provider not in ("auto", "cpu"):
            raise ModelError(
                f"provider {provider}: expected auto or cpu for a checkpoint folder: export it with `saom export` first"
            )
        if threads:
            torch.set_num_threads(threads)
        source = load_exportable(folder)
        grid = grid or source.grid
        # the size that it was trained at, where there is only one
        trained_hw = trained_config(source.record).get("augment", {}).get("size_hw", source.default_size_hw)
        height, width = int(trained_hw[0]), int(trained_hw[1])
        source.check_size((height, width))
        self._graph = source.graph
        self._grid_xy = grid_prompts_xy(*grid, (height, width))
        self.info = ModelInfo(
            name=f"{folder.parent.name}/{folder.name}",
            path=str(folder),
            class_names=source.class_names,
            provider="cpu",
            provider_requested=provider,
            fallback_reason="",
            input_size_hw=(height, width),
            uses_depth=source.uses_depth,
            prompt_count=len(self._grid_xy),
            metadata={"grid": list(grid), "training": source.record},
        )

    @torch.inference_mode()
    def run(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.float32],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None = None,
        further: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """See `OnnxModel.run`."""
        defaults = SaomConfig()
        values = [torch.tensor(float(thresholds.get(name, getattr(defaults, name)))) for name in THRESHOLDS]
        depth = torch.from_numpy(depth_m) if self.info.uses_depth else None
        prompts = self._grid_xy if prompts_xy is None else torch.from_numpy(prompts_xy)
        known = [torch.from_numpy((further or {})[name]) for name in self._graph.further_inputs]
        answers = self._graph(torch.from_numpy(image_rgb), depth, prompts, *values, *known)
        return {name: answer.numpy() for name, answer in zip(self._graph.outputs, answers, strict=True)}
