"""Outlines in other people's formats become the same masks, and what is none is skipped, counted and listed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv
import yaml
from PIL import Image

from saom_cli.main import main
from saom_training.dataset import Dataset, Sample
from saom_training.dataset_tools.check import problems

SIZE = (60, 80)
PLATE = [10, 10, 50, 10, 50, 40, 10, 40]
BOLT = [55, 30, 75, 32, 65, 55]
NAMES = ["plate", "bolt"]


def drawn(polygon: list[int]) -> np.ndarray:
    return sv.polygon_to_mask(np.array(polygon).reshape(-1, 2), SIZE[::-1]).astype(bool)


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def mask(sample: Sample, name: str) -> np.ndarray:
    return sample.masks[sample.class_names.index(name)]


def listed(out: Path) -> list[str]:
    file = out / "import.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_yolo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    for number, split in enumerate(("train", "train", "valid", "test")):
        picture(root / split / f"images/{number}.png", number)
    labels = root / "train/labels"
    labels.mkdir()
    lines = [
        " ".join([str(k), *(f"{value / SIZE[1 - place % 2]:.6f}" for place, value in enumerate(polygon))])
        for k, polygon in enumerate((PLATE, BOLT))
    ]
    (labels / "0.txt").write_text("\n".join([*lines, "0 0.5 0.5 0.2 0.2", "7 0.1 0.1 0.2 0.1 0.2 0.2", "0 0.1 0.1 x"]))
    told = {"names": NAMES, "train": "../train/images", "val": "valid/images", "test": "test/images"}
    (root / "data.yaml").write_text(yaml.safe_dump(told))
    assert main(["dataset", "import", str(root / "data.yaml"), "--out", str(out)]) == 0
    data = Dataset.open(out)
    assert data.splits() == ["test", "train", "train", "val"] and data.class_names == tuple(NAMES)
    sample = Dataset.open(out, "train")[0]
    assert iou(mask(sample, "plate"), drawn(PLATE)) > 0.9 and iou(mask(sample, "bolt"), drawn(BOLT)) > 0.85
    assert len(Dataset.open(out, "train")[1].masks) == 0
    assert "4 pictures with 2 objects" in capsys.readouterr().out
    reasons = "\n".join(listed(out))
    assert len(listed(out)) == 3 and all(word in reasons for word in ("a box alone", "none of the names", "no list"))
    assert not list(problems(out, quiet=True))
    (labels / "0.txt").write_text("\n".join(lines))
    theirs = sv.DetectionDataset.from_yolo(
        str(root / "train/images"), str(labels), str(root / "data.yaml"), force_masks=True
    )
    _, _, found = next(item for item in theirs if item[0].endswith("0.png"))
    for their_mask, class_id in zip(found.mask, found.class_id, strict=True):
        assert iou(mask(sample, NAMES[class_id]), their_mask) > 0.85


def test_pascal_voc_polygons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    picture(root / "JPEGImages/0.jpg")

    def corners(polygon: list[int]) -> str:
        return "".join(
            f"<{'xy'[k % 2]}{k // 2 + 1}>{value}</{'xy'[k % 2]}{k // 2 + 1}>" for k, value in enumerate(polygon)
        )

    box = "<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>50</xmax><ymax>40</ymax></bndbox>"
    objects = [
        f"<object><name>{name}</name>{box}<polygon>{corners(polygon)}</polygon></object>"
        for name, polygon in zip(NAMES, (PLATE, BOLT), strict=True)
    ]
    xml = (
        "<annotation><filename>0.jpg</filename><size><width>80</width><height>60</height></size>"
        + "".join(objects)
        + "{}</annotation>"
    )
    (root / "Annotations").mkdir()
    (root / "Annotations/0.xml").write_text(xml.format(f"<object><name>cup</name>{box}</object>"))
    (root / "Annotations/1.xml").write_text("<annotation>")
    (root / "Annotations/2.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation><filename>&b;</filename></annotation>'
    )
    assert main(["dataset", "import", str(root), "--out", str(out)]) == 0
    sample = Dataset.open(out)[0]
    assert all(
        iou(mask(sample, name), drawn([value - 1 for value in polygon])) > 0.85  # VOC counts pixels from 1
        for name, polygon in zip(NAMES, (PLATE, BOLT), strict=True)
    )
    assert "1 pictures with 2 objects" in capsys.readouterr().out
    reasons = "\n".join(listed(out))
    assert len(listed(out)) == 3 and "a box alone" in reasons and "EntitiesForbidden" in reasons
    for name in ("1", "2"):
        (root / f"Annotations/{name}.xml").unlink()
    (root / "Annotations/0.xml").write_text(xml.format(""))
    theirs = sv.DetectionDataset.from_pascal_voc(str(root / "JPEGImages"), str(root / "Annotations"), force_masks=True)
    _, _, found = next(iter(theirs))
    for their_mask, class_id in zip(found.mask, found.class_id, strict=True):
        assert iou(mask(sample, theirs.classes[class_id]), their_mask) > 0.85


def test_pascal_voc_values(tmp_path: Path) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    picture(root / "JPEGImages/0.jpg")
    picture(root / "JPEGImages/1.jpg")
    (root / "Annotations").mkdir()
    for name in "01":
        xml = f"<annotation><filename>{name}.jpg</filename><object><name>bottle</name></object></annotation>"
        (root / f"Annotations/{name}.xml").write_text(xml)
    objects, classes = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    objects[5:20, 5:20], classes[5:20, 5:20] = 1, 5
    objects[30:50, 30:60], classes[30:50, 30:60] = 2, 9
    objects[20:22, 5:20] = classes[20:22, 5:20] = 255
    for folder, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
        (root / folder).mkdir()
        image = Image.fromarray(values, "P")
        image.putpalette(np.random.default_rng(0).integers(0, 255, 768).astype(np.uint8).tobytes())
        image.save(root / folder / "0.png")
    assert main(["dataset", "import", str(root), "--out", str(out)]) == 0
    data = Dataset.open(out)
    assert len(data) == 1, "the other picture is not segmented"
    np.testing.assert_array_equal(mask(data[0], "bottle"), objects == 1)
    np.testing.assert_array_equal(mask(data[0], "chair"), objects == 2)
    np.testing.assert_array_equal(data[0].ignore, objects == 255)


def test_labelme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    for number in range(2):
        picture(root / f"pictures/{number}.png", number)
    small = np.zeros((10, 12), np.uint8)
    small[2:8, 1:11] = 255
    packed = base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()

    def points(polygon: list[int]) -> list[list[int]]:
        return np.array(polygon).reshape(-1, 2).tolist()

    shapes = [
        {"label": "plate", "points": points(PLATE), "shape_type": "polygon"},
        {"label": "bolt", "points": points(BOLT), "group_id": 3},
        {"label": "bolt", "points": [[2, 45], [20, 45], [20, 58], [2, 58]], "group_id": 3},
        {"label": "coin", "points": [[66, 12], [74, 12]], "shape_type": "circle"},
        {"label": "clip", "points": [[30, 44], [41, 53]], "shape_type": "mask", "mask": packed},
        {"label": "cup", "points": [[1, 1], [5, 5]], "shape_type": "rectangle"},
        {"label": "cup", "points": "x", "shape_type": "polygon"},
        {"label": "cup", "points": [[1, 1]], "shape_type": "mask", "mask": "none"},
    ]
    (root / "json").mkdir()
    content = {"imagePath": "..\\pictures\\0.png", "imageHeight": 60, "imageWidth": 80, "shapes": shapes}
    (root / "json/0.json").write_text(json.dumps(content))
    (root / "json/1.json").write_text(json.dumps({"imagePath": "../pictures/1.png", "shapes": []}))
    (root / "json/2.json").write_text(json.dumps({"imagePath": "../../../etc/x.png", "shapes": []}))
    (root / "json/3.json").write_text("{")
    assert main(["dataset", "import", str(root), "--out", str(out)]) == 0
    data = Dataset.open(out)
    assert len(data) == 2
    sample = data[0]
    assert sorted(sample.class_names) == ["bolt", "clip", "coin", "plate"]
    assert iou(mask(sample, "plate"), drawn(PLATE)) > 0.9
    pieces = drawn(BOLT) | drawn([2, 45, 20, 45, 20, 58, 2, 58])
    assert iou(mask(sample, "bolt"), pieces) > 0.85, "two outlines of one group are one object"
    rows, columns = np.mgrid[:60, :80]
    assert iou(mask(sample, "coin"), np.hypot(rows + 0.5 - 12, columns + 0.5 - 66) < 8) > 0.9
    clip = np.zeros(SIZE, bool)
    clip[46:52, 31:41] = True
    np.testing.assert_array_equal(mask(sample, "clip"), clip)
    reasons = "\n".join(listed(out))
    assert len(listed(out)) == 5 and "a rectangle is no outline" in reasons and "'..'" in reasons
    assert "2 pictures with 4 objects" in capsys.readouterr().out


def test_coco_panoptic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    for number in range(3):
        picture(root / f"pictures/{number}.png", number)
    numbers = np.full(SIZE, 70000, np.uint32)
    numbers[10:30, 10:30], numbers[35:50, 40:70], numbers[:5, :5], numbers[55:, 60:] = 5, 300, 0, 9
    colours = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=-1).astype(np.uint8)
    (root / "panoptic").mkdir()
    Image.fromarray(colours).save(root / "panoptic/0.png")
    segments = [
        {"id": 70000, "category_id": 2},
        {"id": 5, "category_id": 1},
        {"id": 300, "category_id": 1},
        {"id": 9, "category_id": 1, "iscrowd": 1},
    ]
    content = {
        "images": [{"id": k, "file_name": f"{k}.png"} for k in range(3)],
        "annotations": [
            {"image_id": 0, "file_name": "0.png", "segments_info": segments},
            {"image_id": 1, "file_name": "../0.png", "segments_info": []},
        ],
        "categories": [{"id": 1, "name": "cup", "isthing": 1}, {"id": 2, "name": "wall", "isthing": 0}],
    }
    (root / "panoptic.json").write_text(json.dumps(content))
    arguments = ["import", str(root / "panoptic.json"), "--images", str(root / "pictures"), "--out", str(out)]
    assert main(["dataset", *arguments]) == 0
    data = Dataset.open(out)
    assert len(data) == 1 and data.class_names == ("cup",)
    for number in (5, 300):
        assert any(np.array_equal(one, numbers == number) for one in data[0].masks)
    np.testing.assert_array_equal(data[0].ignore, (numbers == 0) | (numbers == 9))
    assert "1 pictures with 2 objects" in capsys.readouterr().out and len(listed(out)) == 2
    Path(root / "panoptic").rename(root / "other")
    assert main(["dataset", *arguments[:-1], str(tmp_path / "new")]) == 1
    assert "segments" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["empty folder", "yaml without names", "no json"])
def test_what_is_no_format_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = tmp_path / {"empty folder": "a", "yaml without names": "a.yaml", "no json": "a.json"}[kind]
    if kind == "empty folder":
        path.mkdir()
    else:
        path.write_text("train: x\n")
    assert main(["dataset", "import", str(path), "--out", str(tmp_path / "out")]) == 1
    assert str(path) in capsys.readouterr().err
