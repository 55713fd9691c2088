"""Every training, and evaluating, with pictures of none, one and 300 objects, and one that must not be asked about."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sam_scenes import losses, one_thread, tiny_model  # noqa: F401

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.runtime import BUNDLED_MODEL
from saom_core.sam.checkpoints import write_checkpoint
from saom_training.assign import BACKGROUND
from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset, DatasetWriter, Sample
from saom_training.recipes import base, fast, names, sam, tiny
from saom_training.samples.augment import AugmentConfig, training_item

SIZE_HW = (180, 240)
CELL = 12  # 15 x 20 of them make three hundred
SHORT = {"steps": 6, "batch": 1, "workers": 0, "bf16": False, "checkpoint_every": 6, "validate_every": 3}
SMALL = AugmentConfig(size_hw=(96, 128), prompts=16, min_visible_px=4, grid=(16, 12))


def picture(objects: int, split: str) -> Frame:
    """So many squares, each in a cell of its own."""
    ids = np.full(SIZE_HW, -1, np.int32)
    for k in range(objects):
        y, x = (CELL * place for place in divmod(k, SIZE_HW[1] // CELL))
        ids[y : y + CELL - 1, x : x + CELL - 1] = k
    image = np.random.default_rng(objects).integers(0, 256, (*SIZE_HW, 3), np.uint8)
    listed = tuple(FrameObject(("Mug", "Book")[k % 2], "block", ("body",), {}, 1.0) for k in range(objects))
    camera = CameraIntrinsics(200.0, 200.0, 119.5, 89.5, SIZE_HW[1], SIZE_HW[0])
    depth, parts = np.ones(SIZE_HW, np.float32), np.zeros(SIZE_HW, np.int32)
    return Frame(image, depth, ids, parts, listed, camera, np.eye(4), f"{split}_{objects}", split)  # type: ignore[arg-type]


def unknown() -> Frame:
    """One object that is nearly hidden and covers all: nothing is known of any pixel."""
    frame = picture(1, "train")
    hidden = dataclasses.replace(frame.objects[0], visible=0.01)
    return dataclasses.replace(frame, object_ids=np.zeros_like(frame.object_ids), objects=(hidden,), scene="unknown")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = DatasetWriter(tmp_path / "data", {"simulator": "test", "seed": 1})
    frames = [*(picture(n, split) for split in ("train", "val") for n in (0, 1, 300)), unknown()]
    for k, frame in enumerate(frames):
        writer.write_episode(k, [frame])
    return tmp_path / "data"


def test_the_pictures_are_what_they_are_to_be(path: Path) -> None:
    samples = [Dataset.open(path, "train")[k] for k in range(4)]
    assert [len(sample.masks) for sample in samples] == [0, 1, 300, 0]
    assert [bool(sample.ignore.all()) for sample in samples] == [False, False, False, True]


def train_tiny(data: Dataset, val: Dataset, out: Path) -> None:
    tiny.train(data, out, tiny.TrainConfig(**SHORT, augment=SMALL), validation=val)  # type: ignore[arg-type]


def train_names(data: Dataset, val: Dataset, out: Path) -> None:
    config = names.ClassesConfig(**{**SHORT, "batch": 4, "drawn_share": 1.0})  # type: ignore[arg-type]
    names.teach_classes(data, val, out, config, BUNDLED_MODEL)


def train_saom(data: Dataset, val: Dataset, out: Path, assignment: str = "nearest") -> None:
    config = dataclasses.replace(sam.SAOM, **SHORT, grid=(8, 8), views=3, assignment=assignment)  # type: ignore[arg-type]
    sam.finetune(tiny_model(), data, out, config, validation=val)


def train_random(data: Dataset, val: Dataset, out: Path) -> None:
    train_saom(data, val, out, "random")


def train_paper(data: Dataset, val: Dataset, out: Path) -> None:
    """Here a picture without objects has no prompt at all, and is a batch alone."""
    sam.finetune(tiny_model(), data, out, dataclasses.replace(sam.PAPER, **SHORT, grid=(8, 8)), validation=val)  # type: ignore[arg-type]


def train_fast(data: Dataset, val: Dataset, out: Path) -> None:
    shape = {"dim": 32, "mask_dim": 16, "heads": 2, "layers": 2}
    config = dataclasses.replace(fast.FAST, **SHORT, **shape, grid=(8, 8), views=2)  # type: ignore[arg-type]
    fast.finetune(tiny_model(), data, out, config, validation=val)


def train_base(data: Dataset, val: Dataset, out: Path) -> None:
    whole = Dataset.open(data.path, "train", parts=True, sub_objects="apart")
    config = base.SamBaseConfig(**SHORT, image_size=64, dim=64, decoder_heads=4)  # type: ignore[arg-type]
    base.train_base(whole, out, config, val)


TRAININGS = [train_tiny, train_names, train_saom, train_random, train_paper, train_fast, train_base]


@pytest.mark.slow
@pytest.mark.parametrize("train", TRAININGS)
def test_training_takes_them_all(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: Callable[[Dataset, Dataset, Path], None]
) -> None:
    seen, read = set(), Dataset.__getitem__

    def noting(self: Dataset, index: int) -> Sample:
        seen.add((self.image(index)["split"], index))
        return read(self, index)

    monkeypatch.setattr(Dataset, "__getitem__", noting)
    train(Dataset.open(path, "train"), Dataset.open(path, "val"), tmp_path / "run")
    assert {("train", k) for k in range(4)} <= seen and {("val", k) for k in range(3)} <= seen
    assert all(math.isfinite(value) for value in losses(tmp_path / "run"))


def test_a_picture_without_objects_asks_for_background(path: Path) -> None:
    bare = training_item(Dataset.open(path, "train")[0], SMALL, _rng())
    assert set(bare.targets.tolist()) == {BACKGROUND} and bare.masks.shape == (0, 24, 32)


@pytest.mark.slow
def test_evaluating(path: Path, tmp_path: Path) -> None:
    write_checkpoint(tiny_model(), tmp_path / "tiny.safetensors")
    words = ["evaluate", "--data", str(path), "--split", "train", "--model", str(tmp_path / "tiny.safetensors")]
    words += ["--protocol", "both", "--grid", "8x8", "--stability-threshold", "0", "--min-area-px", "1"]
    words += ["--threads", "1", "--html", str(tmp_path / "page.html"), "--json", str(tmp_path / "figures.json")]
    assert main(words) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())["models"][0]
    assert figures["everything"]["objects"] == 301 and (tmp_path / "page.html").stat().st_size > 10000


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
