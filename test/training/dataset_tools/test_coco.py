"""A COCO instance file of anybody's becomes a data set with its own class names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from saom_training.dataset import Dataset
from saom_training.dataset_tools.check import problems
from saom_training.dataset_tools.command import main

SIZE = (60, 80)


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(SIZE), "counts": [0, *runs] if flat[0] else runs}


def compressed(mask: np.ndarray) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(SIZE), "counts": rle["counts"].decode("ascii")}


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    """Twelve pictures; the first shows a plate (polygon), a bolt on it (RLE) and a bracket (uncompressed RLE)."""
    rng = np.random.default_rng(0)
    for folder in ("images/a", "depth/a"):
        (tmp_path / folder).mkdir(parents=True)
    images = []
    for k in range(12):
        cv2.imwrite(str(tmp_path / f"images/a/{k:02d}.jpg"), rng.integers(0, 255, (*SIZE, 3), np.uint8))
        cv2.imwrite(str(tmp_path / f"depth/a/{k:02d}.png"), np.full(SIZE, 700 + k, np.uint16))
        images.append({"id": 100 + k, "file_name": f"a/{k:02d}.jpg", "height": 60, "width": 80})
    segmentations = [
        [[10, 10, 50, 10, 50, 40, 10, 40]],
        compressed(rectangle(20, 20, 30, 30)),
        uncompressed(rectangle(0, 60, 20, 80)),
    ]
    annotations = [
        {"id": k, "image_id": 100, "category_id": (90, 1, 7)[k], "segmentation": segmentation, "iscrowd": 0}
        for k, segmentation in enumerate(segmentations)
    ]
    categories = [{"id": 7, "name": "bracket"}, {"id": 1, "name": "bolt M8"}, {"id": 90, "name": "plate"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def imported(tmp_path: Path, content: dict[str, Any], *options: str) -> int:
    (tmp_path / "instances.json").write_text(json.dumps(content))
    command = ["import", str(tmp_path / "instances.json"), "--images", str(tmp_path / "images")]
    return main([*command, "--out", str(tmp_path / "out"), *options])


def test_pictures_masks_names_and_depth(tmp_path: Path, content: dict[str, Any]) -> None:
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 0
    data = Dataset.open(tmp_path / "out")
    assert data.class_names == ("bolt M8", "bracket", "plate") and len(data) == 12
    sample = data[0]
    rows = {name: row for row, name in enumerate(sample.class_names)}
    bolt, bracket = rectangle(20, 20, 30, 30), rectangle(0, 60, 20, 80)
    np.testing.assert_array_equal(sample.masks[rows["bolt M8"]], bolt)
    np.testing.assert_array_equal(sample.masks[rows["bracket"]], bracket)
    plate = sample.masks[rows["plate"]]
    assert not (plate & bolt).any() and abs(int(plate.sum()) - (40 * 30 - 100)) < 80  # a polygon's border is fuzzy
    np.testing.assert_allclose(sample.depth_m, 0.7)
    splits = [image["split"] for image in data.images]
    assert splits == ["train"] * 8 + ["val", "test"] + ["train"] * 2
    assert not list(problems(tmp_path / "out", quiet=True))
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 0  # again: nothing is left to do


def test_scenes_and_splits_of_the_file_count(tmp_path: Path, content: dict[str, Any]) -> None:
    for k, image in enumerate(content["images"]):
        image.update(scene=f"room_{k // 6}", split=("train", "test")[k // 6])
        image["camera"] = {"fx": 50.0, "fy": 51.0, "cx": 40.0, "cy": 30.0}
    assert imported(tmp_path, content) == 0
    data = Dataset.open(tmp_path / "out", "test")
    assert len(data) == 6 and data[0].scene == "room_1" and data[0].camera.fy == 51.0
    assert not data[0].depth_m.any()
    assert len(list((tmp_path / "out" / "shards").iterdir())) == 2


def test_a_crowd_is_ignored(tmp_path: Path, content: dict[str, Any]) -> None:
    content["annotations"][2]["iscrowd"] = 1
    assert imported(tmp_path, content) == 0
    sample = Dataset.open(tmp_path / "out")[0]
    assert "bracket" not in sample.class_names
    np.testing.assert_array_equal(sample.ignore, rectangle(0, 60, 20, 80))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["annotations"][0].update(category_id=3), "of the categories"),
        (lambda c: c["annotations"][0].update(segmentation=None), "polygon or RLE"),
        (lambda c: c["annotations"][1]["segmentation"].update(size=[30, 160]), "size"),
        (lambda c: c["annotations"][0].update(image_id=5), "COCO instance JSON"),
        (lambda c: c["images"][0].update(file_name="a/none.jpg"), "--images"),
        (lambda c: c["images"][0].update(split="dev"), "split"),
        (lambda c: c["categories"].append({"id": 2, "name": "plate"}), "class_names"),
        (lambda c: c.pop("categories"), "metadata"),
    ],
)
def test_faults_are_told(
    tmp_path: Path,
    content: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], Any],
    said: str,
) -> None:
    change(content)
    assert imported(tmp_path, content) == 2
    assert said in capsys.readouterr().err


def test_missing_depth_is_told(tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "depth/a/00.png").unlink()
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 2
    assert "16-bit depth" in capsys.readouterr().err
