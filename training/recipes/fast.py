"""Train a fast head on the frozen image encoder of a SAM checkpoint.

    saom finetune --model sam_vit_b_01ec64.pth --head fast --data data/rooms --out runs/fast

Embeddings are made once and kept (`--cache`), so that an epoch costs the head alone. The same command goes on where a
killed run was; `torchrun --nproc-per-node 4 -m saom_cli.main finetune ...` trains on four GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from saom_core.sam.network import SamModel

from ..dataset import Dataset as SimulatedDataset
from ..networks.checkpoint import save_network
from ..networks.fast_head import ENCODER, SamFast, fast_on
from ..running.sam_loop import Terms, sums_of, train
from ..samples.embedded_pictures import SamItem
from .fast_config import FastTuneConfig
from .fast_losses import FastAnswers, FastTrainee, fast_terms
from .sam import begin_on, prepared_stream


def finetune(
    model: SamModel,
    data: SimulatedDataset,
    out: Path,
    config: FastTuneConfig,
    *,
    class_names: Sequence[str] | None = None,
    cache: Path | None = None,
    record: dict[str, Any] | None = None,
) -> Path:
    """Trains a fast head, from the start or on from the last checkpoint in `out`.

    Args:
        model: whose encoder it is for; not changed.
        data: the training split.
        out: folder of checkpoints and logs.
        config: every choice.
        class_names: that are told apart; each must have objects in the data. None: the data set's.
        cache: folder of kept embeddings; None: "embeddings" beside `out`.
        record: what else is to be known of the run, JSON types; stored with it.

    Returns:
        The checkpoint folder, for `saom evaluate --model` and `saom export`.

    Raises:
        TrainingError: no objects to train on, a class without objects, or a loss that is not finite.
        ConfigError: `out` holds a run with other options.
    """
    names, processes, facts = begin_on(model, data, out, config, class_names, record or {})
    steps = config.total_steps(len(data), processes.count)
    stream = prepared_stream(model, data, names, out, cache, config, processes)
    whole = fast_on(model, names, dim=config.dim, mask_dim=config.mask_dim, heads=config.heads, layers=config.layers)

    def save(trained: nn.Module, step: int) -> None:
        assert isinstance(trained, FastTrainee)
        _copy_head(trained.network, whole)
        save_network(whole, out / "last", {"steps": step, **facts})

    def terms_of(answers: list[FastAnswers], items: list[SamItem]) -> Terms:
        return sums_of([fast_terms(one, item, config) for one, item in zip(answers, items, strict=True)])

    trainee = FastTrainee(SamFast(whole.config))
    train(trainee, stream, terms_of, save, out, config, steps, processes)
    processes.leave()
    return out / "last"


def _copy_head(source: SamFast, target: SamFast) -> None:
    """Weights of all but the encoder."""
    missing, unknown = target.load_state_dict(source.state_dict(), strict=False)
    assert not unknown and all(name.startswith(ENCODER) for name in missing)
