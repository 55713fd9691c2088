"""Outlines in other people's formats become the same masks, and what is none is skipped, counted and listed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
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
from saom_training.dataset_tools.outlines import OutlineFault, mask_of

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
    assert not listed(out), "edges are in every picture of that kind, and no crowd of anything"


COLOURS = {"plate": (128, 0, 0), "mug": (0, 128, 64)}
LABELMAP = "# label:color_rgb:parts:actions\nplate:128,0,0::\nbackground:0,0,0::\nmug:0,128,64::\n"


@pytest.mark.parametrize("kind", ["palette", "palette of other colours", "grey", "colours", "class_names.txt"])
def test_pascal_voc_values_of_ones_own_classes(tmp_path: Path, kind: str) -> None:
    """Value 1 is no aeroplane: the file in the folder says what values and colours mean."""
    root, out = tmp_path / "set", tmp_path / "out"
    picture(root / "JPEGImages/0.jpg")
    (root / "Annotations").mkdir()
    xml = "<annotation><filename>0.jpg</filename><object><name>mug</name></object></annotation>"
    (root / "Annotations/0.xml").write_text(xml)
    if kind == "class_names.txt":
        (root / kind).write_text("_background_\nplate\nmug\n")
    else:
        lines = LABELMAP.splitlines()
        (root / "labelmap.txt").write_text("\n".join(lines[::-1] if kind == "palette" else lines))
    objects, classes = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    objects[5:20, 5:20], objects[5:20, 30:50], objects[30:50, 30:60], objects[55:, :] = 1, 2, 3, 255
    classes[objects == 1] = classes[objects == 2] = 2
    classes[objects == 3], classes[objects == 255] = 1, 255
    palette = np.zeros((256, 3), np.uint8)
    palette[1:4], palette[255] = ((128, 0, 0), (0, 128, 0), (128, 128, 0)), (224, 224, 192)
    for folder, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
        (root / folder).mkdir()
        image = Image.fromarray(values)
        if kind != "grey":
            if folder == "SegmentationClass" and kind != "palette of other colours":
                palette[1:3] = list(COLOURS.values())
            image = Image.fromarray(values, "P")
            image.putpalette(palette.tobytes())
        (image.convert("RGB") if kind == "colours" else image).save(root / folder / "0.png")
    assert main(["dataset", "import", str(root), "--out", str(out)]) == 0
    data = Dataset.open(out)
    assert data.class_names == ("mug", "plate") and not listed(out)
    found = {(name, one.tobytes()) for name, one in zip(data[0].class_names, data[0].masks, strict=True)}
    assert found == {(name, (objects == k).tobytes()) for k, name in enumerate(("mug", "mug", "plate"), 1)}
    np.testing.assert_array_equal(data[0].ignore, objects == 255)


def test_pascal_voc_values_of_classes_that_nothing_tells_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    voc_folder(root)
    (root / "SegmentationObject").mkdir()
    Image.fromarray(np.ones(SIZE, np.uint8)).save(root / "SegmentationObject/a.png")
    assert main(["dataset", "import", str(root), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "labelmap.txt" in said and "class_names.txt" in said and "cup" in said
    assert not (tmp_path / "out/shards").exists()


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
    assert "1 pictures with 2 objects" in capsys.readouterr().out and len(listed(out)) == 3
    assert "0.png, annotation 9: crowd" in "\n".join(listed(out))
    Path(root / "panoptic").rename(root / "other")
    assert main(["dataset", *arguments[:-1], str(tmp_path / "new")]) == 1
    assert "segments" in capsys.readouterr().err


def masks_folder(root: Path, kind: str, stored: np.ndarray, orientation: int, value: np.ndarray) -> list[str]:
    """One picture and the picture of its masks, drawn where `value` is 1; what is to be imported."""
    pictures = root / ("JPEGImages" if kind.startswith("voc") else "pictures")
    pictures.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(pictures / "0.png", exif=exif)
    if kind == "panoptic":
        (root / "panoptic").mkdir()
        Image.fromarray(np.stack([value, 0 * value, 0 * value], axis=-1)).save(root / "panoptic/0.png")
        entry = {"image_id": 0, "file_name": "0.png", "segments_info": [{"id": 1, "category_id": 1}]}
        content = {
            "images": [{"id": 0, "file_name": "0.png", "height": value.shape[0], "width": value.shape[1]}],
            "annotations": [entry],
            "categories": [{"id": 1, "name": "cup"}],
        }
        (root / "panoptic.json").write_text(json.dumps(content))
        return [str(root / "panoptic.json"), "--images", str(pictures)]
    for folder in ("SegmentationObject", "SegmentationClass"):
        (root / folder).mkdir()
        Image.fromarray(value).save(root / folder / "0.png")
    (root / "class_names.txt").write_text("cup\n")
    (root / "Annotations").mkdir()
    height, width = value.shape if kind == "voc, its size" else value.shape[::-1]
    size = "" if kind == "voc, no size" else f"<size><width>{width}</width><height>{height}</height></size>"
    (root / "Annotations/0.xml").write_text(f"<annotation><filename>0.png</filename>{size}</annotation>")
    return [str(root)]


MASK_KINDS = ["panoptic", "voc, its size", "voc, no size", "voc, the size as it is shown"]


@pytest.mark.parametrize("kind", MASK_KINDS)
@pytest.mark.parametrize("scale", [1, 2])
def test_pictures_of_masks_are_turned_with_the_picture_that_they_were_drawn_on(
    tmp_path: Path, kind: str, scale: int
) -> None:
    """Their own size tells on which one, not what a file says."""
    value = np.zeros(SIZE, np.uint8)
    value[10:30, 50:70] = 1
    stored = np.repeat(np.repeat(value, scale, 0), scale, 1)[..., None] * np.full(3, 255, np.uint8)
    words = masks_folder(tmp_path / "set", kind, stored, 6, value)
    assert main(["dataset", "import", *words, "--out", str(tmp_path / "out")]) == 0
    sample = Dataset.open(tmp_path / "out")[0]
    assert sample.image_rgb.shape == (80 * scale, 60 * scale, 3)
    np.testing.assert_array_equal(sample.masks[0], sample.image_rgb[..., 0] > 0)
    assert any("scaled" in line for line in listed(tmp_path / "out")) == (scale != 1)


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_pictures_of_masks_that_do_not_fit_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    root = tmp_path / "set"
    words = masks_folder(root, kind, np.zeros((60, 60, 3), np.uint8), 1, np.ones(SIZE, np.uint8))
    assert main(["dataset", "import", *words, "--out", str(tmp_path / "out")]) == 1
    assert "1 x picture skipped" in capsys.readouterr().err
    [line] = listed(tmp_path / "out")
    assert "80x60" in line and "60x60" in line


def test_a_mask_of_another_size_than_is_told_is_no_outline() -> None:
    with pytest.raises(OutlineFault, match="another size"):
        mask_of(np.ones(SIZE, bool), SIZE[::-1], SIZE[::-1])


def labelme_folder(root: Path) -> None:
    """Four pictures, each beside its outlines, whose names leave a place for one between them."""
    for number, name in enumerate("abde"):
        picture(root / f"{name}.png", number)
        labelme_file(root, name, PLATE)


def labelme_file(root: Path, name: str, polygon: list[int], **told: object) -> None:
    shapes = [{"label": "plate", "points": np.array(polygon).reshape(-1, 2).tolist()}]
    (root / f"{name}.json").write_text(json.dumps({"imagePath": f"{name}.png", "shapes": shapes, **told}))


def voc_folder(root: Path) -> None:
    for number, name in enumerate("abde"):
        picture(root / f"JPEGImages/{name}.png", number)
    (root / "Annotations").mkdir()
    for name in "abde":
        (root / f"Annotations/{name}.xml").write_text(
            f"<annotation><filename>{name}.png</filename><object><name>cup</name></object></annotation>"
        )


def yolo_folder(root: Path) -> None:
    for number, name in enumerate("abde"):
        picture(root / f"images/{name}.png", number)
    (root / "labels").mkdir()
    (root / "data.yaml").write_text(yaml.safe_dump({"names": NAMES, "train": "images"}))


@pytest.mark.parametrize("change", ["one more", "another outline"])
@pytest.mark.parametrize("make", [labelme_folder, voc_folder, yolo_folder])
def test_a_folder_that_was_annotated_further_is_not_imported_into_the_same_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], change: str
) -> None:
    """Pictures are numbered through: one more in between would leave itself out, and the last one be there twice."""
    root, out = tmp_path / "set", tmp_path / "out"
    make(root)
    source = root / "data.yaml" if make is yolo_folder else root
    assert main(["dataset", "import", str(source), "--out", str(out)]) == 0
    assert main(["dataset", "import", str(source), "--out", str(out)]) == 0, "the same once more"
    name = "c" if change == "one more" else "b"
    if make is labelme_folder:
        picture(root / "c.png", 9)
        labelme_file(root, name, BOLT)
    elif make is voc_folder:
        picture(root / "JPEGImages/c.png", 9)
        (root / f"Annotations/{name}.xml").write_text(f"<annotation><filename>{name}.png</filename></annotation>")
    elif change == "one more":
        picture(root / "images/c.png", 9)
    else:
        (root / "labels/b.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5")
    before = {file.name: file.read_bytes() for file in out.rglob("*.json")}
    assert main(["dataset", "import", str(source), "--out", str(out)]) == 1
    assert "another folder" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in out.rglob("*.json")} == before
    assert main(["dataset", "import", str(source), "--out", str(tmp_path / "new")]) == 0
    assert len(Dataset.open(tmp_path / "new")) == (5 if change == "one more" else 4)


@pytest.mark.parametrize("kind", [float, str])
def test_sizes_of_labelme_and_voc_may_be_of_any_type(tmp_path: Path, kind: type) -> None:
    """Both tell of twice the picture's size."""
    large = [2 * value for value in PLATE]
    for name in ("labelme", "voc"):
        root, out = tmp_path / name, tmp_path / f"{name} out"
        picture(root / "a.png")
        if name == "labelme":
            labelme_file(root, "a", large, imageHeight=kind(120), imageWidth=kind(160))
        else:
            corners = "".join(
                f"<{'xy'[k % 2]}{k // 2 + 1}>{v}</{'xy'[k % 2]}{k // 2 + 1}>" for k, v in enumerate(large)
            )
            size = f"<size><width>{kind(160)}</width><height>{kind(120)}</height></size>"
            one = f"<object><name>plate</name><polygon>{corners}</polygon></object>"
            xml = f"<annotation><filename>a.png</filename>{size}{one}<object><polygon>{corners}</polygon></object>"
            (root / "a.xml").write_text(f"{xml}</annotation>")
        assert main(["dataset", "import", str(root), "--out", str(out)]) == 0
        data = Dataset.open(out)
        assert data.class_names == ("plate",) and iou(data[0].masks[0], drawn(PLATE)) > 0.9
        assert any("scaled" in line for line in listed(out))


def test_a_picture_that_two_files_name_is_taken_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelme_folder(tmp_path / "set")
    shapes = [{"label": None, "points": []}, {"label": "bolt", "points": np.reshape(BOLT, (-1, 2)).tolist()}]
    for name, image in (("b", "b.png"), ("z", "a.png")):
        (tmp_path / f"set/{name}.json").write_text(json.dumps({"imagePath": image, "shapes": shapes}))
    assert main(["dataset", "import", str(tmp_path / "set"), "--out", str(tmp_path / "out")]) == 0
    data = Dataset.open(tmp_path / "out")
    assert len(data) == 4 and data[0].class_names == ("plate",) and data[1].class_names == ("bolt",)
    assert data.class_names == ("bolt", "plate") and "a shape without a label" in listed(tmp_path / "out")[1]
    assert "1 x picture that two files" in capsys.readouterr().out and "a.png: picture" in listed(tmp_path / "out")[0]


def test_photographs_that_are_called_alike_can_be_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other, both = (str(tmp_path / name) for name in ("one", "other", "both"))
    for seed, out in enumerate((one, other)):
        picture(tmp_path / f"{seed}/a.png", seed)
        labelme_file(tmp_path / str(seed), "a", PLATE)
        assert main(["dataset", "import", str(tmp_path / str(seed)), "--out", out]) == 0
    assert main(["dataset", "merge", one, other, "--out", both]) == 1
    assert "--scene-prefix" in capsys.readouterr().err
    assert main(["dataset", "import", str(tmp_path / "1"), "--out", other, "--scene-prefix", "kitchen/"]) == 1
    assert main(["dataset", "import", str(tmp_path / "1"), "--out", f"{other}2", "--scene-prefix", "kitchen/"]) == 0
    assert main(["dataset", "merge", one, f"{other}2", "--out", both]) == 0
    assert Dataset.open(both).scenes() == ["a", "kitchen/a"]


def test_yolo_splits_that_are_empty_or_the_same_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "set", tmp_path / "out"
    yolo_folder(root)
    told = {"names": NAMES, "train": "images", "val": "images", "test": "imagse"}
    (root / "data.yaml").write_text(yaml.safe_dump(told))
    assert main(["dataset", "import", str(root / "data.yaml"), "--out", str(out)]) == 0
    assert Dataset.open(out).splits() == ["train"] * 4
    said = capsys.readouterr().out
    assert "4 pictures with 0 objects" in said
    assert "1 x no file of outlines for any picture" in said
    assert "4 x picture in two splits: taken once, in train" in said and "1 x folder without pictures" in said
    assert "a.png: in val, too" in "\n".join(listed(out)) and "imagse" in "\n".join(listed(out))


@pytest.mark.parametrize("kind", ["empty folder", "yaml without names", "no json"])
def test_what_is_no_format_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = tmp_path / {"empty folder": "a", "yaml without names": "a.yaml", "no json": "a.json"}[kind]
    if kind == "empty folder":
        path.mkdir()
    else:
        path.write_text("train: x\n")
    assert main(["dataset", "import", str(path), "--out", str(tmp_path / "out")]) == 1
    assert str(path) in capsys.readouterr().err
