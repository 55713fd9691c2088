"""`saom finetune`: which network is trained, by which recipe, and the options of each on the command line.

saom finetune --data data/rooms --out runs/tiny                                     saom-tiny (recipes/tiny.py)
saom finetune --classes-only --init runs/tiny/last --data ... --out runs/named      its names (recipes/names.py)
saom finetune --model sam_vit_b_01ec64.pth --data data/rooms --out runs/saom        a SAM checkpoint, our recipe
saom finetune --model sam_vit_b_01ec64.pth --recipe paper --data ... --out ...      the paper's recipe
saom finetune --model sam_vit_b_01ec64.pth --head fast --data ... --out ...         a fast head on its frozen encoder
saom finetune --recipe base --data data/rooms --out runs/base                       a small SAM-like base to fine-tune
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from saom_core.arguments import pair
from saom_core.config import option_of
from saom_core.errors import ConfigError
from saom_core.files import check_output
from saom_core.sam.checkpoints import read_checkpoint

from .dataset import Dataset
from .recipes import names as tiny_names
from .recipes import tiny
from .recipes.base import train_base
from .recipes.base_config import SamBaseConfig
from .recipes.fast import finetune as finetune_fast
from .recipes.fast_config import FAST
from .recipes.sam import finetune as finetune_sam
from .recipes.sam_config import RECIPES, SamTuneConfig
from .running.checks import check_one_process
from .running.memory import keep_freed_memory

_BASE = "base"
_TWO_WAY, _FAST = "two-way", "fast"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom finetune`: those of saom-tiny, and every field of the other recipes' configurations."""
    tiny.add_arguments(parser)
    known = _tiny_defaults()
    parser.set_defaults(**dict.fromkeys(known))  # None: not given; each network has defaults of its own
    group = parser.add_argument_group("SAM family", "defaults: those of the recipe")
    group.add_argument("--model", type=Path, help="checkpoint of the SAM family to fine-tune; without: saom-tiny")
    group.add_argument(
        "--recipe", choices=(*RECIPES, _BASE), help="saom (default), the paper's, or a SAM-like base to fine-tune"
    )
    group.add_argument(
        "--head", choices=(_TWO_WAY, _FAST), help="what is trained: SAM's own decoder (default), or a new fast head"
    )
    group.add_argument("--cache", type=Path, help="folder of kept embeddings; default: embeddings beside --out")
    group.add_argument("--classes", help="names of the class head, with commas; default: the data set's")
    for name, (default, text) in _sam_fields().items():
        if name in known:
            continue
        option = "--" + name.replace("_", "-")
        if isinstance(default, bool):
            group.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(option, type=_parser_of(default), default=None, help=text)


def run(args: argparse.Namespace) -> int:
    """`saom finetune`."""
    keep_freed_memory()
    if args.model is None and args.recipe is None and args.head is None:
        return _train_tiny(args)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes of torchrun on this machine
    torch.set_num_threads(args.threads or max(1, (os.cpu_count() or 1) // beside))
    final = _train_base(args) if args.recipe == _BASE else _finetune_sam(args)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"checkpoint: {final}")
    return 0


def _train_tiny(args: argparse.Namespace) -> int:
    check_one_process("saom-tiny")
    if args.classes_only:
        _check_options(args, "--classes-only", {"classes_only", "init", *tiny_names.OPTIONS})
        return tiny_names.run(args)
    known = _tiny_defaults()
    _check_options(args, "saom-tiny without --classes-only", set(known) - {"class_steps", "object_width"})
    given = {name: value for name, value in vars(args).items() if value is not None}
    return tiny.run(argparse.Namespace(**{**known, **given}))


def _check_options(args: argparse.Namespace, what: str, known: set[str]) -> None:
    """Options are for one network: what another one would make of them is no guess to take."""
    given = {name for name, value in vars(args).items() if value is not None}
    other = sorted(given - known - {"data", "out", "threads", "command"})
    if other:
        names = ", ".join("--" + name.replace("_", "-") for name in other)
        raise ConfigError(f"{names}: expected options of {what}, which has no such option: leave them out")


def _train_base(args: argparse.Namespace) -> Path:
    given = _given(args, SamBaseConfig)
    _check_options(args, "--recipe base", {"recipe", *given})
    check_output(args.out, folder=True)
    data = Dataset.open(args.data, "train", parts=True, sub_objects="apart", depth=False)
    return train_base(data, args.out, dataclasses.replace(SamBaseConfig(), **given))


def _finetune_sam(args: argparse.Namespace) -> Path:
    if args.model is None:
        what = f"--recipe {args.recipe}" if args.recipe else f"--head {args.head}"
        raise ConfigError(f"{what}: expected a --model to fine-tune, got none: give a SAM checkpoint")
    recipe = args.recipe or next(iter(RECIPES))
    fast = args.head == _FAST
    if fast and recipe != next(iter(RECIPES)):
        raise ConfigError(f"--head fast: expected no --recipe {recipe}, which is for SAM's own decoder: leave it out")
    defaults = FAST if fast else RECIPES[recipe]
    given = _given(args, type(defaults))
    what = "--head fast" if fast else f"--recipe {recipe}"
    _check_options(args, what, {"model", "recipe", "head", "cache", "classes", *given})
    config = dataclasses.replace(defaults, **given)
    _check_effect(given, config)
    names = class_names_of(args.classes)
    for folder in (args.out, args.cache):
        if folder is not None:
            check_output(folder, folder=True)
    tune: Callable[..., Path] = finetune_fast if fast else finetune_sam
    return tune(
        read_checkpoint(args.model),
        Dataset.open(args.data, "train", depth=False),
        args.out,
        config,
        class_names=names,
        cache=args.cache,
        record={"recipe": _FAST if fast else recipe, "model": args.model.name},
    )


def class_names_of(text: str | None) -> tuple[str, ...] | None:
    """The names of `--classes a,b`; None where it is not given.

    Raises:
        ConfigError: an empty name.
    """
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ConfigError(
            f"--classes: expected names with commas between, as in Mug,Book, got {text!r}: leave none empty"
        )
    return names


def _check_effect(given: dict[str, Any], config: SamTuneConfig) -> None:
    """Options that another one leaves without effect are refused: the run's record would tell of what was not done."""
    off = {"mirror": False, "crop": 1.0, "recolour": 0.0, "occlude": 0.0}
    varied = [f"--{name}" for name, nothing in off.items() if given.get(name, nothing) != nothing]
    if varied and config.views == 1:
        raise ConfigError(f"{', '.join(varied)}: expected --views above 1, got 1: the first view is the image itself")
    if given.get("workers", 0) > config.workers:
        raise ConfigError("--workers: expected --cache-embeddings with them, else the encoder runs in this process")


def _given(args: argparse.Namespace, config: type[Any]) -> dict[str, Any]:
    """The fields of a configuration that the command line sets."""
    names = [field.name for field in dataclasses.fields(config)]
    return {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}


def _tiny_defaults() -> dict[str, Any]:
    """The options of saom-tiny and their defaults."""
    parser = argparse.ArgumentParser()
    tiny.add_arguments(parser)
    return vars(parser.parse_args(["--data", "", "--out", ""]))


def _sam_fields() -> dict[str, tuple[Any, str]]:
    """The fields of the SAM recipes: name -> (a value of its type, description)."""
    fields: dict[str, tuple[Any, str]] = {}
    for config in (*RECIPES.values(), FAST, SamBaseConfig()):
        for field in dataclasses.fields(config):
            option = option_of(field)
            text = option.description + (f" [{option.unit}]" if option.unit else "")
            if option.choices:
                text += f" ({', '.join(option.choices)})"
            default, before = fields.get(field.name, (field.default, text))
            fields[field.name] = (default, text if text == before else f"{before}; --recipe {_BASE}: {text}")
    return fields


def _parser_of(default: Any) -> Any:
    return pair if isinstance(default, tuple) else type(default)
