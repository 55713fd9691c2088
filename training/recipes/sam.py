"""Fine-tune a checkpoint of the SAM family to whole objects with classes (arXiv 2403.10780).

    saom finetune --model sam_vit_b_01ec64.pth --data data/rooms --out runs/saom [--recipe paper] [--grid 64x64]

Prompt encoder, mask decoder and class head are trained, with `--train-encoder` the image encoder, too. The same command
goes on where a killed run was. `torchrun --nproc-per-node 4 -m saom_cli.main finetune ...` trains on four GPUs.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import Dataset
from tqdm import tqdm

from saom_core.errors import ConfigError
from saom_core.files import write_atomically
from saom_core.sam.checkpoints import write_checkpoint
from saom_core.sam.network import SamModel

from ..dataset import Dataset as SimulatedDataset
from ..networks.fingerprints import encoder_hash, prompting_hash
from ..running.checks import check_data
from ..running.processes import Processes
from ..running.sam_loop import Terms, begin_together, sums_of, train
from ..samples.embedded_pictures import SamItem, SamStream
from ..samples.embedding_cache import EmbeddingCache, FrozenEncoder
from ..samples.workers import workers_of
from .sam_config import SamTuneConfig
from .sam_losses import image_terms
from .sam_trainee import SamAnswers, SamTrainee, model_with

logger = logging.getLogger("saom")

WEIGHTS = "last.safetensors"
FILLED = "embeddings.json"  # so that a resumed run need not look for each of them


def finetune(
    model: SamModel,
    data: SimulatedDataset,
    out: Path,
    config: SamTuneConfig,
    *,
    class_names: Sequence[str] | None = None,
    cache: Path | None = None,
    record: dict[str, Any] | None = None,
) -> Path:
    """Fine-tunes a network, from the start or on from the last checkpoint in `out`.

    Args:
        model: the network to begin from; what is trained of it is changed in place.
        data: the training split.
        out: folder of checkpoints and logs.
        config: every choice.
        class_names: of the class head; each must have objects in the data. None: the data set's.
        cache: folder of kept embeddings; None: "embeddings" beside `out`.
        record: what else is to be known of the run, JSON types; stored with it.

    Returns:
        The checkpoint, which `saom segment --model` takes.

    Raises:
        TrainingError: no objects to train on, a class without objects, or a loss that is not finite.
        ConfigError: `out` holds a run with other options.
    """
    names, processes, facts = begin_on(model, data, out, config, class_names, record or {})
    model = with_class_head(model, names)
    steps = config.total_steps(len(data), processes.count)
    stream = prepared_stream(model, data, names, out, cache, config, processes)
    trainee = SamTrainee(model, with_encoder=config.train_encoder)
    trainee.freeze_unused(quality=config.quality_weight > 0, classes=config.class_weight > 0)

    def save(trained: nn.Module, step: int) -> None:
        write_model(model, trained, out, f"SAOM ({model.sizes.name})", {"steps": step, **facts})

    def terms_of(answers: list[SamAnswers], items: list[SamItem]) -> Terms:
        return sums_of([image_terms(one, item, config) for one, item in zip(answers, items, strict=True)])

    train(trainee, stream, terms_of, save, out, config, steps, processes)
    processes.leave()
    return out / WEIGHTS


def begin_on(
    model: SamModel,
    data: SimulatedDataset,
    out: Path,
    config: SamTuneConfig,
    class_names: Sequence[str] | None,
    record: dict[str, Any],
) -> tuple[tuple[str, ...], Processes, dict[str, Any]]:
    """What training on a frozen encoder begins with, whichever head is trained; arguments and errors as `finetune`.

    Returns:
        Names of the class head, the processes of the run, and what a checkpoint tells of it beside its step.
    """
    check_data(data, class_names)
    names = tuple(class_names or data.class_names)
    processes = Processes.join()
    torch.manual_seed(config.seed)
    base = {"encoder": encoder_hash(model.sam), "weights": prompting_hash(model), "size": model.sizes.name}
    known = {"class_names": list(names), "base": base, "images": len(data), "data": data.fingerprint(), **record}
    begin_together(out, config, known, processes)
    return names, processes, {"data": data.info, "config": vars(config), "base": base, **record}


def with_class_head(model: SamModel, class_names: tuple[str, ...]) -> SamModel:
    """The model with a class head for these names: its own where the names are its own, else a new one."""
    if model.class_head is not None:
        if model.class_names == class_names:
            return model
        logger.warning(
            "other classes than the network's: its class head starts anew, for %d instead of %d (see --classes)",
            len(class_names),
            len(model.class_names),
        )
    head = nn.Linear(model.sizes.dim, len(class_names))
    return SamModel(model.sam, model.sizes, head, class_names, model.metadata)


def write_model(model: SamModel, trained: nn.Module, out: Path, name: str, facts: dict[str, Any]) -> None:
    """Writes `last.safetensors`, whole or not at all; `facts` (JSON types) stand in its header."""
    assert isinstance(trained, SamTrainee)
    before = {"before": model.metadata["training"]} if "training" in model.metadata else {}
    metadata = {"name": name, "training": json.dumps({**facts, **before})}
    write_checkpoint(model_with(model, trained, metadata), out / WEIGHTS)


def prepared_stream(
    model: SamModel,
    data: SimulatedDataset,
    names: tuple[str, ...],
    out: Path,
    cache: Path | None,
    config: SamTuneConfig,
    processes: Processes,
) -> SamStream:
    """The items of a run, their embeddings made where they are to be kept; arguments as those of `finetune`.

    Raises:
        ConfigError: a folder for embeddings that are not to be kept.
    """
    if cache is not None and not config.cache_embeddings:
        raise ConfigError(f"cache {cache}: expected cache_embeddings with it, got a run that keeps none: set both")
    sam = copy.deepcopy(model.sam) if config.train_encoder else model.sam
    encoder = FrozenEncoder(sam.to(processes.device).eval(), getattr(torch, config.cache_dtype))
    length = config.total_steps(len(data), processes.count) * config.batch * processes.count
    if not config.cache_embeddings or not config.needs_embeddings:
        return SamStream(data, names, model.sizes.image_size, encoder, length, config)
    kept = EmbeddingCache(cache or out.parent / "embeddings", encoder)
    stream = SamStream(data, names, model.sizes.image_size, kept, length, config)
    _fill(stream, kept, out / FILLED, config.workers, processes)
    return stream


def _fill(stream: SamStream, kept: EmbeddingCache, done: Path, workers: int, processes: Processes) -> None:
    """Encodes every view that the run will see, shared among the processes; what is kept already is passed over."""
    filled = _is_filled(kept, done)
    processes.wait()  # none fills before all have looked, or they would not agree
    if filled:
        return
    mine = stream.views_to_come()[processes.rank :: processes.count]
    pictures = workers_of(_Pictures(stream, mine), workers)
    files = []
    for image_rgb in tqdm(pictures, total=len(mine), unit="view", desc="embeddings", disable=not processes.first):
        kept(image_rgb)
        files.append(kept.path(image_rgb).name)
    everyone = processes.gathered(files)
    if processes.first:
        write_atomically(done, json.dumps(everyone).encode())


class _Pictures(Dataset[npt.NDArray[np.uint8]]):
    """Of some views of a stream the pictures alone."""

    def __init__(self, stream: SamStream, views: Sequence[tuple[int, int]]) -> None:
        self._stream, self._views = stream, views

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, k: int) -> npt.NDArray[np.uint8]:
        return self._stream.view(*self._views[k]).image_rgb


def _is_filled(kept: EmbeddingCache, done: Path) -> bool:
    """Whether an earlier attempt made all embeddings of the run, and none is gone."""
    return done.exists() and all((kept.folder / name).exists() for name in json.loads(done.read_text(encoding="utf-8")))
