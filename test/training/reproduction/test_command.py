"""`saom reproduce`, whole, on a network and pictures of a few pixels."""

from __future__ import annotations

import argparse
import dataclasses
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sam_scenes import one_thread, tiny_model, write_data  # noqa: F401

from saom_cli.main import main
from saom_core.files import write_atomically
from saom_core.sam.checkpoints import write_checkpoint
from saom_training.recipes import sam
from saom_training.recipes.sam import RECIPES
from saom_training.reproduction import command as reproduce
from saom_training.reproduction.command import KEPT_BASE, Reproduction, ReproductionError, add_arguments
from saom_training.reproduction.plan import (
    ALL_MASKS,
    AS_SAM,
    ASSIGNMENTS,
    BASE,
    COMPARED,
    MODES,
    NEAREST,
    NO_BF16,
    ONE_MASK,
    RECIPE,
    WITH_ENCODER,
    WITHOUT,
)
from saom_training.reproduction.tables import COLUMNS, tables_of


@pytest.fixture
def args(tmp_path: Path) -> argparse.Namespace:
    write_data(tmp_path / "data", frames=2)
    write_data(tmp_path / "data", frames=1, split="test")
    write_checkpoint(tiny_model(), tmp_path / "base.safetensors")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = "--steps 1 --batch 1 --views 1 --threads 1 --score-threshold 0 --stability-threshold 0 --skip-additions"
    paths = [
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "out"),
        "--model",
        str(tmp_path / "base.safetensors"),
    ]
    (tmp_path / "out").mkdir()
    return parser.parse_args([*options.split(), *paths])


@pytest.mark.slow
def test_goes_on_where_it_was_and_tables_hold_what_was_measured(args: argparse.Namespace) -> None:
    ran: list[list[str]] = []

    def failing(command: list[str]) -> int:
        ran.append(command)
        return 7 if len(ran) == 2 else main(command)

    with pytest.raises(ReproductionError, match="evaluate ended with 7"):
        Reproduction(args, failing).run()
    assert len(ran) == 2
    tables = Reproduction(args, failing).run().read_text()
    assert ran[2] == ran[1], "what failed is done again, what was finished is not"
    assert len(ran) == 1 + 2 * (len(ASSIGNMENTS) + 1) + 4
    masks = {
        Path(command[command.index("--json") + 1]).stem: command[command.index("--masks-per-prompt") + 1]
        for command in ran
        if "--masks-per-prompt" in command
    }
    assert masks == {ALL_MASKS: "all", BASE + ONE_MASK.suffix: "best"}
    modes = {
        (name, command[command.index("--nms-iou") + 1])
        for command in ran
        if "evaluate" in command
        for name in [Path(command[command.index("--json") + 1]).stem]
    }
    as_sam = {
        COMPARED + AS_SAM.suffix,
        BASE + ONE_MASK.suffix,
        NEAREST + AS_SAM.suffix,
    }
    assert {name for name, nms_iou in modes if nms_iou == "0.7"} == as_sam
    assert {nms_iou for name, nms_iou in modes if name not in as_sam} == {"0.3"}
    for variant in ASSIGNMENTS:
        [figures] = json.loads((args.out / f"{variant.key}.json").read_text())["models"]
        row = next(
            line for line in tables.splitlines() if line.startswith(f"| {variant.title} |") and line.count("|") > 13
        )
        assert f"| {figures['paper']['mIoU']:.3f} |" in row and f"| {figures['everything']['mIoU']:.3f} |" in row
    assert (args.out / "index.html").exists() and list((args.out / "pictures").iterdir())
    before = len(ran)
    Reproduction(args, failing).run()
    assert len(ran) == before


@pytest.mark.parametrize("bf16", [True, False])
def test_two_at_a_time(args: argparse.Namespace, bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run once, at most two together, and no process begins after one has failed."""
    monkeypatch.setattr(reproduce, "computes_in_bf16", lambda _device_type: bf16)
    args.jobs, args.skip_additions, args.model = 2, False, None
    ran, now, most, lock = [], [0], [0], threading.Lock()
    figures = dict.fromkeys([name for _, name, _ in COLUMNS], 0.5)
    report = json.dumps({"models": 3 * [{"everything": figures, "paper": figures}]})

    def watched(command: list[str], fails: str = "") -> int:
        with lock:
            ran.append(command)
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        if "--json" in command:
            write_atomically(Path(command[command.index("--json") + 1]), report.encode())  # as `saom evaluate` does
        with lock:
            now[0] -= 1
        return 9 if fails and fails in " ".join(command) else 0

    with pytest.raises(ReproductionError, match="finetune ended with 9"):
        Reproduction(args, lambda command: watched(command, fails="out/centre ")).run()
    assert most[0] == 2 and not any(WITHOUT[0].options[0] in command for command in ran)
    Reproduction(args, watched).run()
    done = json.loads((args.out / "times.json").read_text())
    assert len(done) == 2 * (len(ASSIGNMENTS) + 1 + len(WITHOUT) - (not bf16)) + 5
    for addition in [variant for variant in WITHOUT if bf16 or variant is not NO_BF16]:
        evaluation = done[f"{addition.key} evaluated"]["command"]
        assert "--masks-per-prompt best" in evaluation, "with and without an addition by the same everything mode"
    assert (NO_BF16.key in done) == bf16, "where it cannot differ, it is not run"
    assert len(ran) == len(done) + 1


@pytest.mark.slow
def test_a_folder_with_other_runs_is_refused(args: argparse.Namespace) -> None:
    """A table of runs with different options would compare nothing."""
    Reproduction(args, main).run()
    args.steps = 2
    with pytest.raises(ReproductionError, match=r"(?s)--steps 1.*--steps 2.*another --out"):
        Reproduction(args, lambda _command: pytest.fail("nothing may be run")).run()


@pytest.mark.parametrize("changed", ["data", "base"])
def test_a_folder_begun_with_other_data_or_another_base_of_that_name_is_refused(
    args: argparse.Namespace, changed: str
) -> None:
    with pytest.raises(ReproductionError, match="ended with 1"):
        Reproduction(args, lambda _command: 1).run()
    if changed == "data":
        write_data(args.data, frames=1, split="val")
    else:
        write_checkpoint(tiny_model(seed=1), args.model)
    with pytest.raises(ReproductionError, match=f"expected the {changed} that .* another --out"):
        Reproduction(args, lambda _command: pytest.fail("nothing may be run")).run()


def test_the_base_has_all_cores(args: argparse.Namespace) -> None:
    args.model, args.base_steps, ran = None, 7, []
    with pytest.raises(ReproductionError):
        Reproduction(args, lambda command: ran.append(command) or 1).run()
    [base] = ran
    assert base[:3] == ["finetune", "--recipe", "base"] and "--threads" not in base
    assert base[base.index("--steps") + 1] == "7"


def test_without_a_model_the_kept_base_is_fine_tuned(args: argparse.Namespace) -> None:
    args.model, ran = None, []
    with pytest.raises(ReproductionError):
        Reproduction(args, lambda command: ran.append(command) or 1).run()
    assert {command[command.index("--model") + 1] for command in ran} == {str(KEPT_BASE)}


CHANGED = {
    "predicted": {"supervised": "predicted"},
    "anywhere": {"on_object": False},
    "one-prompt": {"prompts_per_object": 1},
    "no-jitter": {"jitter": 0.0},
    "no-background": {"background_prompts": 0},
    "duplicates": {"suppress_duplicates": False},
    "no-quality": {"quality_weight": 0.0, "background_prompts": 0, "suppress_duplicates": False},
    "no-occlusion": {"occlude": 0.0},
    "no-views": {"views": 1},
    "no-bf16": {"bf16": False},
    "encoder": {"train_encoder": True, "learning_rate": 5e-4},
}
ASSIGNED = {
    "none": {"snap_to_grid": False},
    "random": {"assignment": "random"},
    "centre": {"assignment": "centre"},
    "nearest": {},
}


@pytest.mark.parametrize("recipe", ["saom", "paper"])
def test_each_run_differs_in_what_its_row_says(
    args: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    """By the command line itself: the configurations of the runs against that of the recipe."""
    configs = []
    monkeypatch.setattr(sam, "finetune", lambda *given, **_: configs.append(given[3]) or given[2])
    variants = {v.key: (*RECIPE.options, *v.options) for v in WITHOUT} | {WITH_ENCODER.key: WITH_ENCODER.options}
    expected = CHANGED
    if recipe == "paper":
        variants, expected = {v.key: v.options for v in ASSIGNMENTS}, ASSIGNED
    assert variants.keys() == expected.keys()
    paths = ["--data", str(args.data), "--out", str(args.out), "--model", str(args.model)]
    for options in variants.values():
        assert main(["finetune", *paths, *options]) == 0
    whole = dataclasses.asdict(RECIPES[recipe]) | {"cache_embeddings": True}
    for key, config in zip(variants, configs, strict=True):
        found = dataclasses.asdict(config)
        assert {name: found[name] for name in found if found[name] != whole[name]} == expected[key]


def test_gain_is_in_points(tmp_path: Path) -> None:
    names = [
        "mIoU",
        "mAcc",
        "mIoU_label_image",
        "mAcc_label_image",
        "overlap_f",
        "AP50",
        "recall50",
        "over_segmentation_rate",
        "precision50",
        "class_accuracy",
    ]
    values = (0.25, 0.625, 0.75), (0.125, 0.5, 0.875)
    for mode, (base, saom, encoder) in zip(MODES, values, strict=True):
        models = []
        for value, accuracy in ((base, None), (saom, saom), (encoder, encoder)):
            figures = dict.fromkeys(names, value) | {"class_accuracy": accuracy}
            models.append({"everything": figures, "paper": {"mIoU": value, "mAcc": value}})
        (tmp_path / f"{COMPARED}{mode.suffix}.json").write_text(json.dumps({"models": models}))
    saom = np.linspace(0, 1, 41)  # of the pictures drawn anew; the middle 95 % are 0.025 to 0.975
    drawn = {f"{k}/everything/mIoU": value for k, value in enumerate((np.zeros(41), saom))}
    np.savez(tmp_path / f"{COMPARED}.npz", **drawn)  # type: ignore[arg-type]
    (tmp_path / f"{BASE}{ONE_MASK.suffix}.json").write_text(json.dumps({"models": models[:1]}))
    (tmp_path / f"{NEAREST}{AS_SAM.suffix}.json").write_text(json.dumps({"models": models[1:2]}))
    rows = tables_of(tmp_path, {}).splitlines()[2:11]
    for row, (modes, gain) in zip(
        rows,
        [
            ("our recipe; the paper's box NMS for both", "+37.5"),
            ("the encoder too; the paper's box NMS for both", "+50.0"),
            ("the paper's recipe; segment-anything's box NMS for both", "+37.5"),
            ("our recipe; segment-anything's box NMS for both", "+37.5"),
            ("the encoder too; segment-anything's box NMS for both", "+75.0"),
            ("our recipe; segment-anything's box NMS, a prompt's best mask alone for both", "+37.5"),
            ("the encoder too; segment-anything's box NMS, a prompt's best mask alone for both", "+75.0"),
            ("our recipe with the paper's box NMS; the base with segment-anything's", "+50.0"),
            ("the encoder too with the paper's box NMS; the base with segment-anything's", "+62.5"),
        ],
        strict=True,
    ):
        assert modes in row and row.count(gain) == 10 and row.count("| - |") == 1
        paired = modes == "our recipe; the paper's box NMS for both"
        assert row.count(" (+2.5 to +97.5) |") == int(paired), "only both on the same pictures have an interval"
