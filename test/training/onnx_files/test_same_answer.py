"""A checkpoint and the file that is exported from it give a user the same masks, whatever the picture's shape."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sam_scenes import TINY, one_thread  # noqa: F401

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.sam.checkpoints import write_checkpoint
from saom_core.sam.network import SamSizes
from saom_training.benches.sam_stand_in import RADII, SMALL, stand_in
from saom_training.onnx_files.parity import example_input

pytestmark = pytest.mark.slow

PICTURES_HW = {"landscape": (333, 501), "portrait": (640, 480), "wide": (180, 640), "large": (800, 600)}
GRID = "12x12"
CONFIG = SaomConfig(provider="cpu", threads=1, score_threshold=0.35)


@pytest.fixture(scope="module", params=["small", "tiny", "one mask"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint as torch saves it, and its file, exported as a user does it."""
    folder = tmp_path_factory.mktemp("same")
    sizes: SamSizes = TINY if request.param == "tiny" else SMALL
    taught: dict[str, object] = {"grid": [12, 12]}
    radii = RADII
    if request.param == "one mask":
        taught["suppress_duplicates"] = True
        radii = (0.06, 0.1, 0.17)  # with the usual discs hardly three of them stand beside each other on a low picture
    model = dataclasses.replace(stand_in(sizes, radii=radii), metadata={"training": json.dumps({"config": taught})})
    checkpoint, exported = folder / "x.safetensors", folder / "x.onnx"
    write_checkpoint(model, checkpoint)
    assert main(["export", str(checkpoint), str(exported), "--grid", GRID, "--calls", "1"]) == 0
    return checkpoint, exported


def picture(name: str) -> npt.NDArray[np.uint8]:
    return example_input(PICTURES_HW[name], len(name))[0].numpy()


def answered(model: Path, image_rgb: npt.NDArray[np.uint8], **options: float) -> Instances:
    return load_segmenter(CONFIG.replace(model=str(model), **options)).segment(image_rgb).instances


def agreement(wanted: Instances, given: Instances) -> npt.NDArray[np.float64]:
    """For each mask of `wanted` the best IoU with one of `given`: (N,)."""
    one, other = (found.dense_masks().reshape(len(found), -1).astype(np.float32) for found in (wanted, given))
    shared = one @ other.T
    return np.asarray((shared / (one.sum(1)[:, None] + other.sum(1) - shared)).max(axis=1, initial=0.0))


@pytest.mark.parametrize("shape", list(PICTURES_HW))
@pytest.mark.parametrize("options", [{}, {"nms_iou": 0.7, "stability_threshold": 0.8, "min_area_px": 400}], ids=str)
def test_the_same_masks(files: tuple[Path, Path], shape: str, options: dict[str, float]) -> None:
    checkpoint, exported = files
    one, other = answered(checkpoint, picture(shape), **options), answered(exported, picture(shape), **options)
    there, back = agreement(one, other), agreement(other, one)
    assert len(one) >= 4, "too few masks to compare"
    assert (there >= 0.95).mean() >= 0.99 and (back >= 0.95).mean() >= 0.99
