"""`saom finetune`: which network is trained, by which recipe; options are the fields of the recipes' configurations.

saom finetune --data data/rooms --out runs/tiny                                     saom-tiny (recipes/tiny.py)
saom finetune --classes-only --init runs/tiny/last --data ... --out runs/named      its names (recipes/names.py)
saom finetune --scores-only --init runs/named/last --data ... --out runs/scored     its scores (recipes/scores.py)
saom finetune --model sam_vit_b_01ec64.pth --data data/rooms --out runs/saom        a SAM checkpoint, our recipe
saom finetune --model sam_vit_b_01ec64.pth --recipe paper --data ... --out ...      the paper's recipe
saom finetune --model sam_vit_b_01ec64.pth --head fast --data ... --out ...         a fast head on its frozen encoder
saom finetune --recipe base --data data/rooms --out runs/base                       a small SAM-like base to fine-tune

The same command goes on where a killed run was; when a run is finished, it can be given more `--steps`.
`torchrun --nproc-per-node 4 -m saom_cli.main finetune ...` trains on four GPUs, whatever is trained.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saom_core.arguments import add_options, add_out, at_least, option_fields, with_options
from saom_core.errors import ConfigError
from saom_core.files import check_output
from saom_core.sam.checkpoints import read_checkpoint

from .dataset import Dataset
from .networks.checkpoint import load_network_and_record
from .recipes import fast, names, sam, scores, tiny
from .recipes.base import SamBaseConfig, train_base
from .running.config import RunConfig
from .running.memory import keep_freed_memory

logger = logging.getLogger("saom")

_BASE, _TWO_WAY, _FAST = "base", "two-way", "fast"
_OF_SAM = {"model", "recipe", "head", "cache", "classes"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom finetune`: what is trained, and every field of the recipes' configurations."""
    parser.add_argument("--data", type=Path, required=True, help="data set made by `saom collect`")
    add_out(parser, "folder of checkpoints and logs; resumed if there")
    parser.add_argument("--threads", type=at_least(0), default=0, help="CPU threads of torch; 0: one per core")
    group = parser.add_argument_group("saom-tiny, which is trained without --model and --recipe")
    group.add_argument("--init", type=Path, help="checkpoint folder, or saom-*.onnx file, to begin from")
    group.add_argument(
        "--classes-only",
        action="store_true",
        default=None,
        help="only the names: object head and class head of --init, nothing else",
    )
    group.add_argument(
        "--scores-only",
        action="store_true",
        default=None,
        help="only how well a drawn mask fits: a head that sees the masks of --init, after everything else",
    )
    group = parser.add_argument_group("SAM family")
    group.add_argument("--model", type=Path, help="checkpoint of the SAM family to fine-tune")
    group.add_argument(
        "--recipe", choices=(*sam.RECIPES, _BASE), help="saom (default), the paper's, or a SAM-like base to fine-tune"
    )
    group.add_argument(
        "--head", choices=(_TWO_WAY, _FAST), help="what is trained: SAM's own decoder (default), or a new fast head"
    )
    group.add_argument("--cache", type=Path, help="folder of kept embeddings; default: embeddings beside --out")
    group.add_argument("--classes", help="names of the class head, with commas; default: the data set's")
    group = parser.add_argument_group("everything else; in brackets which training has it, and its default")
    add_options(group, {known.title: known.config for known in _TRAININGS.values()})


def run(args: argparse.Namespace) -> int:
    """`saom finetune`."""
    keep_freed_memory()
    training = _chosen(args)
    _check_options(args, training)
    config = with_options(training.config, args)
    _check_effect(args, config)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes of torchrun on this machine
    torch.set_num_threads(args.threads or max(1, (os.cpu_count() or 1) // beside))
    for folder in (args.out, args.cache):
        if folder is not None:
            check_output(folder, folder=True)
    final = training.train(args, config)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"checkpoint: {final}")
        _tell_untaught_names(args, final)
    return 0


@dataclass(frozen=True)
class Training:
    """One thing that can be trained."""

    title: str  # in the list of options
    what: str  # in messages
    config: RunConfig  # its values where the command line gives none
    options: set[str]  # beside the fields of its configuration
    train: Callable[[argparse.Namespace, Any], Path]  # gives the checkpoint

    @property
    def names(self) -> set[str]:
        """Names of all its options in parsed arguments, without those that every training has."""
        return {flag.replace("-", "_") for flag, _, _ in option_fields(self.config)} | self.options


def _chosen(args: argparse.Namespace) -> Training:
    """What the command line asks for."""
    if args.recipe == _BASE:
        return _TRAININGS[_BASE]
    if args.model is None and args.recipe is None and args.head is None:
        return _TRAININGS["scores" if args.scores_only else "names" if args.classes_only else "tiny"]
    default = next(iter(sam.RECIPES))
    recipe = args.recipe or default
    if args.model is None:
        what = f"--recipe {args.recipe}" if args.recipe else f"--head {args.head}"
        raise ConfigError(f"{what}: expected a --model to fine-tune, got none: give a SAM checkpoint")
    if args.head == _FAST and recipe != default:
        raise ConfigError(f"--head fast: expected no --recipe {recipe}, which is for SAM's own decoder: leave it out")
    return _TRAININGS[_FAST if args.head == _FAST else recipe]


def _check_options(args: argparse.Namespace, training: Training) -> None:
    """Options are for one network: what they would mean for another one is not guessed."""
    elsewhere = set[str]().union(*(other.names for other in _TRAININGS.values())) - training.names
    if given := sorted(name for name in elsewhere if getattr(args, name) is not None):
        words = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ConfigError(f"{words}: expected options of {training.what}, which has no such option: leave them out")


def _splits(args: argparse.Namespace, config: RunConfig, **how: Any) -> tuple[Dataset, Dataset | None]:
    """The training split, and the validation split where checkpoints are to be measured on it."""
    measured = Dataset.open(args.data, "val", depth=how.get("depth", True)) if config.validate_every else None
    return Dataset.open(args.data, "train", **how), measured


def _train_tiny(args: argparse.Namespace, config: tiny.TrainConfig) -> Path:
    data, validation = _splits(args, config)
    return tiny.train(data, args.out, config, args.init, validation)


def _train_names(args: argparse.Namespace, config: names.ClassesConfig) -> Path:
    data, validation = Dataset.open(args.data, "train"), Dataset.open(args.data, "val")
    return names.teach_classes(data, validation, args.out, config, args.init)


def _train_scores(args: argparse.Namespace, config: scores.ScoresConfig) -> Path:
    data, validation = Dataset.open(args.data, "train"), Dataset.open(args.data, "val")
    return scores.teach_scores(data, validation, args.out, config, args.init)


def _train_base(args: argparse.Namespace, config: SamBaseConfig) -> Path:
    data, validation = _splits(args, config, parts=True, sub_objects="apart", depth=False)
    return train_base(data, args.out, config, validation)


def _train_sam(args: argparse.Namespace, config: sam.SamTuneConfig) -> Path:
    is_fast = isinstance(config, fast.FastTuneConfig)
    tune: Callable[..., Path] = fast.finetune if is_fast else sam.finetune
    recipe = _FAST if is_fast else args.recipe or next(iter(sam.RECIPES))
    model = read_checkpoint(args.model)
    data, validation = _splits(args, config, depth=False)
    return tune(
        model,
        data,
        args.out,
        config,
        class_names=class_names_of(args.classes),
        cache=args.cache,
        record={"recipe": recipe, "model": args.model.name},
        validation=validation,
    )


def class_names_of(text: str | None) -> tuple[str, ...] | None:
    """The names of `--classes a,b`; None where it is not given.

    Raises:
        ConfigError: an empty name.
    """
    if text is None:
        return None
    classes = tuple(name.strip() for name in text.split(","))
    if not all(classes):
        raise ConfigError(
            f"--classes: expected names with commas between, as in Mug,Book, got {text!r}: leave none empty"
        )
    return classes


def _check_effect(args: argparse.Namespace, config: RunConfig) -> None:
    """Options that lack another one, or have no effect beside it, are refused before anything is written.

    The run's record would else tell of what was not done.
    """
    if isinstance(config, names.ClassesConfig) and args.init is None:
        raise ConfigError("--classes-only: expected --init with the model whose masks stay, got none")
    if isinstance(config, scores.ScoresConfig) and args.init is None:
        raise ConfigError("--scores-only: expected --init with the model whose masks are judged, got none")
    if isinstance(config, tiny.TrainConfig) and not config.teacher and args.feature_weight is not None:
        raise ConfigError("--feature-weight: expected --teacher with it, whose features are learned, got none")
    class_names_of(args.classes)
    if not isinstance(config, sam.SamTuneConfig):
        return
    off = {"mirror": False, "crop": 1.0, "recolour": 0.0, "occlude": 0.0}
    varied = [f"--{name}" for name, nothing in off.items() if getattr(args, name) not in (None, nothing)]
    if varied and config.views == 1:
        raise ConfigError(f"{', '.join(varied)}: expected --views above 1, got 1: the first view is the image itself")
    if (args.workers or 0) > config.workers:
        raise ConfigError("--workers: expected --cache-embeddings with them, else the encoder runs in this process")


def _tell_untaught_names(args: argparse.Namespace, final: Path) -> None:
    """Warns of a saom-tiny whose class layers are new, with the command that teaches them."""
    if _chosen(args) is not _TRAININGS["tiny"] or load_network_and_record(final)[1].get("names_taught", True):
        return
    named = args.out.with_name(args.out.name + "-named")
    words = ["--classes-only", "--data", args.data, "--init", final, "--out", named]
    logger.warning(
        "its class layers are new: masks are learned here, names are not. Teach them, and then the scores "
        "(--scores-only), before `saom export`:\n"
        "saom finetune %s",
        shlex.join(map(str, words)),
    )


_TRAININGS = {
    "tiny": Training("tiny", "saom-tiny without --classes-only", tiny.TrainConfig(), {"init"}, _train_tiny),
    "names": Training("names", "--classes-only", names.ClassesConfig(), {"init", "classes_only"}, _train_names),
    **{key: Training(key, f"--recipe {key}", config, _OF_SAM, _train_sam) for key, config in sam.RECIPES.items()},
    "scores": Training("scores", "--scores-only", scores.ScoresConfig(), {"init", "scores_only"}, _train_scores),
    _FAST: Training("fast", "--head fast", fast.FAST, _OF_SAM, _train_sam),
    _BASE: Training("base", "--recipe base", SamBaseConfig(), {"recipe"}, _train_base),
}
