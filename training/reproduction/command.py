"""`saom reproduce`: what SAOM gains over the network it begins from, and what each of its steps is worth.

    saom reproduce --data data/reproduce --out runs/reproduce                        from the SAM-like base that is kept
    saom reproduce --data data/reproduce --out runs/anew --base-steps 2200           from one that is trained first
    saom reproduce --data data/thor --out runs/thor --model sam_vit_b_01ec64.pth     from SAM's weights

Every run is a command of `saom finetune` or `saom evaluate`, printed before it begins. The same command goes on where a
killed one was; what is finished is not done again. The tables are in `OUT/tables.md`, the pages beside it.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from saom_core.arguments import add_out, at_least
from saom_core.errors import ConfigError, SaomError
from saom_core.files import check_output, write_atomically

from ..dataset import Dataset
from ..running.checks import hash_of_file
from ..running.precision import computes_in_bf16
from .plan import (
    ALL_MASKS,
    AS_SAM,
    ASSIGNMENTS,
    BASE,
    COMPARED,
    NEAREST,
    NO_BF16,
    ONE_MASK,
    PAPERS,
    RECIPE,
    SAOM,
    WITH_ENCODER,
    WITHOUT,
    EverythingMode,
    Variant,
)
from .tables import tables_of

KEPT_BASE = Path(__file__).parents[1] / "models" / "sam-like-base.safetensors"
"""A SAM-like base that was trained on a GPU (docs/reproduction-appendix.md), its weights in half precision."""
WEIGHTS = "last.safetensors"
_MOST_MASKS = 1000  # per picture; NMS leaves far fewer than this
Runner = Callable[[list[str]], int]


class ReproductionError(SaomError):
    """One of the commands failed, or the folder was begun with other options."""


class Reproduction:
    """All runs of one reproduction, in one folder.

    Args:
        args: options of `saom reproduce`.
        runner: runs a command of `saom`, returns its exit code; called from `--jobs` threads.
    """

    def __init__(self, args: argparse.Namespace, runner: Runner) -> None:
        self._args, self._out, self._runner = args, Path(args.out), runner
        self._lock = Lock()  # guards the files that record what is done
        self._failure: ReproductionError | None = None
        self._data = ["--data", str(args.data)]
        self._common = [*self._data, *(["--threads", str(args.threads)] if args.threads else [])]

    def run(self) -> Path:
        """Runs everything that is not done yet, the most telling first; rewrites the tables after each evaluation.

        Returns:
            The file of the tables.

        Raises:
            ReproductionError: a command failed, and said why; or the folder holds runs with other options, other data
                or another base of the same name.
        """
        base = self._base()
        self._check_inputs(None if self._args.base_steps else base)
        runs: list[Callable[[], None]] = [partial(self._compare, base)]
        runs += [partial(self._choose_prompts, variant, base) for variant in ASSIGNMENTS[::-1]]
        if not self._args.skip_additions:
            runs += [partial(self._leave_out, variant, base) for variant in self._additions()]
        self._at_once(runs)
        return self._out / "tables.md"

    def _check_inputs(self, base: Path | None) -> None:
        """Refuses to put into one table what was made from different data or bases, which one path may have held."""
        inputs = {"data": Dataset.open(self._args.data).fingerprint(), "base": hash_of_file(base)}
        path = self._out / "inputs.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else inputs
        changed = [name for name, value in inputs.items() if known.get(name) != value]
        if changed:
            raise ReproductionError(
                f"{self._out}: expected the {' and the '.join(changed)} that the reproduction was begun with, got "
                "other content: choose another --out"
            )
        self._out.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(inputs, indent=1).encode())

    def _additions(self) -> list[Variant]:
        bf16 = computes_in_bf16("cuda" if torch.cuda.is_available() else "cpu")
        return [variant for variant in WITHOUT if bf16 or variant is not NO_BF16]

    def _at_once(self, runs: Sequence[Callable[[], None]]) -> None:
        """Runs independent commands, `--jobs` at a time; after a failure no further one is begun."""
        with ThreadPoolExecutor(self._args.jobs) as pool:
            for future in [pool.submit(run) for run in runs]:
                future.result()

    def _choose_prompts(self, variant: Variant, base: Path) -> None:
        model = self._finetuned(variant, base)
        for mode in (PAPERS, AS_SAM) if variant.key == NEAREST else (PAPERS,):
            self._evaluate(variant.key + mode.suffix, [model], mode=mode)

    def _leave_out(self, addition: Variant, base: Path) -> None:
        """Our recipe without an addition, in the same everything mode as with it, whatever it was taught."""
        variant = Variant(addition.key, addition.title, (*RECIPE.options, *addition.options))
        self._evaluate(variant.key, [self._finetuned(variant, base)], mode=replace(PAPERS, masks_per_prompt="best"))

    def _base(self) -> Path:
        if self._args.base_steps is None:
            base = Path(self._args.model or KEPT_BASE)
            if not base.is_file():
                raise ReproductionError(
                    f"expected the SAM-like base at {base}, got none: it lies in a checkout of the repository "
                    f"(training/models/{KEPT_BASE.name}); give it with --model, or train one with --base-steps"
                )
            return base
        out = self._out / BASE
        options = ["finetune", "--recipe", "base", "--out", str(out), "--steps", str(self._args.base_steps)]
        self._once(BASE, [*options, *self._data])  # nothing can run beside it, so it has all cores
        return out / WEIGHTS

    def _finetuned(self, variant: Variant, base: Path) -> Path:
        out = self._out / variant.key
        amount = ["--steps", str(self._args.steps), "--batch", str(self._args.batch)]
        folders = ["--out", str(out), "--cache", str(self._out / "embeddings")]
        options = ["--views", str(self._args.views)] if SAOM in variant.options else []
        command = ["finetune", "--model", str(base), *folders, *amount, *self._common, *options, *variant.options]
        self._once(variant.key, command)
        return out / WEIGHTS

    def _evaluate(self, key: str, models: Sequence[Path], *options: str, mode: EverythingMode = PAPERS) -> None:
        figures = self._out / f"{key}.json"
        given = [part for model in models for part in ("--model", str(model))]
        limit = ["--limit", str(self._args.limit)] if self._args.limit else []
        files = ["--json", str(figures), "--resamples", str(figures.with_suffix(".npz"))]
        command = ["evaluate", "--split", "test", "--protocol", "both", *files, *given, *limit]
        self._once(f"{key} evaluated", [*command, *self._common, *self._everything_mode(mode), *options])
        with self._lock:
            write_atomically(self._out / "tables.md", tables_of(self._out, self._times()).encode())

    def _compare(self, base: Path) -> None:
        """Base and SAOM on one page, with pictures; then in the other everything mode; other masks of a prompt."""
        page, pictures = str(self._out / "index.html"), str(self._out / "pictures")
        # an encoder of SAM's own size is not for every GPU, and not for a CPU
        variants = (RECIPE,) if self._args.model else (RECIPE, WITH_ENCODER)
        models = [base, *(self._finetuned(variant, base) for variant in variants)]
        self._evaluate(COMPARED, models, "--html", page, "--pictures", pictures)
        self._evaluate(COMPARED + AS_SAM.suffix, models, mode=AS_SAM)
        self._evaluate(BASE + ONE_MASK.suffix, models[:1], mode=ONE_MASK)
        self._evaluate(ALL_MASKS, models[1:2], mode=replace(PAPERS, masks_per_prompt="all"))

    def _everything_mode(self, mode: EverythingMode) -> list[str]:
        chosen: dict[str, Any] = {
            "operating-score": self._args.score_threshold,
            "stability-threshold": self._args.stability_threshold,
            "nms-iou": self._args.nms_iou if mode.nms_iou is None else mode.nms_iou,
            "max-instances": _MOST_MASKS,
        }
        chosen |= {"masks-per-prompt": mode.masks_per_prompt} if mode.masks_per_prompt else {}
        return [part for name, value in chosen.items() for part in (f"--{name}", str(value))]

    def _once(self, key: str, command: list[str]) -> None:
        """A command, unless it is done already; with how long it took, the time of killed attempts not counted."""
        if self._failure is not None:
            raise self._failure
        said = f"saom {shlex.join(command)}"
        if (done := self._times().get(key)) is not None:
            if done["command"] != said:  # a table of runs with different options would compare nothing
                raise ReproductionError(
                    f"{self._out}: expected the reproduction to go on with\n  {done['command']}\ngot\n  {said}\n"
                    "give the same options, or another --out"
                )
            return
        print(f"$ {said}", flush=True)
        began = time.monotonic()
        code = self._runner(command)
        if code:
            self._failure = ReproductionError(
                f"saom {command[0]} ended with {code}: see above; the same command goes on from here"
            )
            raise self._failure
        entry = {"seconds": round(time.monotonic() - began, 1), "command": said}
        with self._lock:
            times = {**self._times(), key: entry}
            write_atomically(self._out / "times.json", json.dumps(times, indent=1).encode())

    def _times(self) -> dict[str, Any]:
        path = self._out / "times.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom reproduce`."""
    parser.add_argument(
        "--data", type=Path, required=True, help="data set; with --base-steps one that knows parts, as rooms do"
    )
    add_out(parser, "folder of all runs, figures and pages")
    base = parser.add_mutually_exclusive_group()
    base.add_argument(
        "--model",
        type=Path,
        help="checkpoint of the SAM family to begin from, its encoder frozen in all rows (default: the kept base)",
    )
    base.add_argument("--base-steps", type=at_least(1), help="train a SAM-like base first, with so many steps")
    parser.add_argument("--steps", type=at_least(1), default=900, help="of each fine-tuning (default: 900)")
    parser.add_argument("--batch", type=at_least(1), default=4, help="pictures a step of each fine-tuning (default: 4)")
    parser.add_argument("--views", type=at_least(1), default=2, help="views of each picture in our recipe (default: 2)")
    parser.add_argument("--limit", type=at_least(1), help="evaluate on so many pictures at most, evenly spread")
    parser.add_argument("--threads", type=at_least(0), default=0, help="of the CPU (default: all cores)")
    parser.add_argument(
        "--jobs", type=int, default=1, help="runs at a time (default: 1); with --threads 1 as many as cores"
    )
    parser.add_argument("--skip-additions", action="store_true", help="not our recipe without each of its additions")
    group = parser.add_argument_group(
        "thresholds of everything mode, the same for all; base and SAOM are evaluated with segment-anything's box NMS "
        "of 0.7, too; with that the base with the best mask of a prompt alone, too"
    )
    group.add_argument("--score-threshold", type=float, default=0.3, help="least predicted IoU (default: the paper's)")
    group.add_argument("--stability-threshold", type=float, default=0.5, help="(default: 0.5)")
    group.add_argument("--nms-iou", type=float, default=0.3, help="of boxes (default: the paper's 0.3)")


def run(args: argparse.Namespace) -> int:
    """`saom reproduce`."""
    if args.jobs < 1:
        raise ConfigError(f"jobs: expected at least 1, got {args.jobs}")
    check_output(args.out, folder=True)
    path = Reproduction(args, in_process_of_its_own).run()
    sys.stdout.write(path.read_text(encoding="utf-8"))
    print(f"tables: {path}, page: {args.out / 'index.html'}")
    return 0


def in_process_of_its_own(command: list[str]) -> int:
    """Runs a command of `saom`; its exit code."""
    return subprocess.run([sys.executable, "-m", "saom_cli.main", *command], check=False).returncode
