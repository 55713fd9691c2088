"""A COCO instance file of anybody's becomes a data set with its own class names."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import supervision as sv
from PIL import Image, ImageOps
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.pictures.orientation import upright, upright_camera
from saom_core.pictures.photos import read_photo
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.dataset_tools.check import problems
from saom_training.dataset_tools.command import statistics
from saom_training.dataset_tools.formats.coco import read_coco
from saom_training.dataset_tools.importing import import_pictures
from saom_training.dataset_tools.outlines import mask_of, runs_of
from saom_training.dataset_tools.page import write_page

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
    return main(["dataset", *command, "--out", str(tmp_path / "out"), *options])


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
    assert plate[bolt].all() and abs(int(plate.sum()) - 40 * 30) < 80  # a polygon's border is fuzzy
    np.testing.assert_allclose(sample.depth_m, 0.7)
    splits = data.splits()
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


@pytest.mark.parametrize("kind", [float, str])
def test_sizes_cameras_and_flags_of_any_type(tmp_path: Path, content: dict[str, Any], kind: type) -> None:
    """The file tells of twice the picture's size, as pandas or a web form write numbers."""
    large = {"height": kind(120), "width": kind(160), "scene": 0}
    camera = {key: kind(value) for key, value in (("fx", 600), ("fy", 620), ("cx", 78.5), ("cy", 60.5))}
    content["images"][0].update(large, camera=camera)
    content["annotations"] = [
        {"id": 0, "image_id": 100, "category_id": 7, "segmentation": [[40, 20, 100, 20, 100, 80, 40, 80]]}
        | {"iscrowd": "0"}
    ]
    assert imported(tmp_path, content) == 0
    data = Dataset.open(tmp_path / "out")
    wanted = rectangle(10, 20, 40, 50)
    [sample] = [data[k] for k in range(12) if data.scenes()[k] == "0"]
    [mask] = sample.masks
    assert (mask & wanted).sum() / (mask | wanted).sum() > 0.9, "a polygon's border is fuzzy"
    assert sample.camera.fx == pytest.approx(300) and sample.camera.cx == pytest.approx(39)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"camera": "left"}, "camera without the numbers"),
        ({"camera": {"K": [1, 2, 3]}}, "camera without the numbers"),
        ({"camera": {"fx": None, "fy": 1, "cx": 1, "cy": 1}}, "camera without the numbers"),
        ({"camera": {"fx": float("inf"), "fy": 1, "cx": 1, "cy": 1}}, "camera without the numbers"),
        ({"width": "wide"}, "size that is no number"),
        ({"height": -60}, "size that is no number"),
        ({"width": [80]}, "size that is no number"),
    ],
)
def test_what_a_file_tells_in_vain_of_a_picture_is_told(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str], fields: dict[str, Any], said: str
) -> None:
    content["images"][0].update(fields)
    assert imported(tmp_path, content) == 0
    assert f"1 x {said}" in capsys.readouterr().out
    [line] = (tmp_path / "out/import.txt").read_text().splitlines()
    assert line.startswith("a/00.jpg: ") and said in line
    sample = Dataset.open(tmp_path / "out")[0]
    assert sample.masks[sample.class_names.index("bolt M8")][20:30, 20:30].all()
    assert sample.camera.fx == pytest.approx(40 / np.tan(np.pi / 6))


def test_nothing_told_is_told_of_nothing(tmp_path: Path, content: dict[str, Any]) -> None:
    for image in content["images"]:
        image.update(scene=None, camera=None, height=None, width=0, split=None)
    assert imported(tmp_path, content) == 0
    data = Dataset.open(tmp_path / "out")
    assert data.scenes() == [f"a/{k:02d}" for k in range(12)] and data.splits().count("train") == 10
    assert not (tmp_path / "out/import.txt").exists()


def test_names_that_no_text_can_hold_are_told(tmp_path: Path, content: dict[str, Any]) -> None:
    """JSON can hold half of a pair of surrogates."""
    content["images"][3]["file_name"] = "a/\udcff.jpg"
    content["images"][4]["scene"] = "room \ud800"
    assert imported(tmp_path, content) == 0
    data = Dataset.open(tmp_path / "out")
    assert len(data) == 11 and "room \\ud800" in data.scenes()
    [line] = (tmp_path / "out/import.txt").read_text().splitlines()
    assert "a name that UTF-8 cannot hold: 'a/\\udcff.jpg'" in line


def test_ids_of_any_type_are_compared(tmp_path: Path, content: dict[str, Any]) -> None:
    content["annotations"][0]["id"] = [1]
    content["annotations"][1]["part_of"] = [1]
    content["annotations"][2]["part_of"] = {"id": 1}
    assert imported(tmp_path, content) == 0
    sample = Dataset.open(tmp_path / "out", sub_objects="apart")[0]
    rows = {name: row for row, name in enumerate(sample.class_names)}
    assert sample.part_of[rows["bolt M8"]] == rows["plate"] and sample.part_of[rows["bracket"]] == -1


def test_lvis_names_the_address_of_a_picture(tmp_path: Path, content: dict[str, Any]) -> None:
    for image in content["images"]:
        image["coco_url"] = f"http://images.cocodataset.org/{image.pop('file_name')}"
    assert imported(tmp_path, content) == 0
    assert Dataset.open(tmp_path / "out").scenes()[3] == "a/03"


def test_an_import_that_takes_nothing_fails(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "images/a").iterdir():
        path.write_text("no picture")
    assert imported(tmp_path, content) == 1
    assert "none of 12" in (said := capsys.readouterr().err) and "12 x picture skipped" in said


def test_objects_that_supervision_marks_as_crowds_are_told_and_can_be_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes what has a hole, as a mug with its handle, or several pieces with iscrowd 1."""
    mug, plate = rectangle(10, 10, 40, 40), rectangle(45, 10, 55, 70)
    mug[20:30, 25:35] = False
    picture = str(tmp_path / "images/0.png")
    (tmp_path / "images").mkdir()
    cv2.imwrite(picture, np.zeros((*SIZE, 3), np.uint8))
    masks = np.stack((mug, plate))
    found = sv.Detections(sv.mask_to_xyxy(masks), masks, class_id=np.array([0, 1]))
    theirs = sv.DetectionDataset(["mug", "plate"], [picture], {picture: found})
    theirs.as_coco(annotations_path=str(tmp_path / "theirs.json"))
    content = json.loads((tmp_path / "theirs.json").read_text())

    assert imported(tmp_path, content) == 0
    said = capsys.readouterr().out
    assert "1 pictures with 1 objects" in said and "1 x crowd: its pixels are not asked about" in said
    (line,) = (tmp_path / "out/import.txt").read_text().splitlines()
    assert "annotation 1: crowd: its pixels are not asked about" in line and "--crowds objects" in line
    np.testing.assert_array_equal(Dataset.open(tmp_path / "out")[0].ignore, mug)
    assert imported(tmp_path, content, "--crowds", "objects") == 1, "a folder is of one kind"
    assert "crowds" in capsys.readouterr().err

    shutil.rmtree(tmp_path / "out")
    assert imported(tmp_path, content, "--crowds", "objects") == 0
    assert "1 pictures with 2 objects" in capsys.readouterr().out and not (tmp_path / "out/import.txt").exists()
    sample = Dataset.open(tmp_path / "out")[0]
    np.testing.assert_array_equal(sample.masks[sample.class_names.index("mug")], mug)
    assert not sample.ignore.any()


def test_a_category_that_only_groups_others_is_no_class(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Roboflow's first category is called as the project, and that may be called as a class."""
    content["categories"] = [
        {"id": 0, "name": "mug", "supercategory": "none"},
        {"id": 1, "name": "mug", "supercategory": "mug"},
        {"id": 2, "name": "box", "supercategory": "mug"},
        {"id": 3, "name": "can", "supercategory": "mug"},
    ]
    for entry, category in zip(content["annotations"], (1, 2, 2), strict=True):
        entry["category_id"] = category
    assert imported(tmp_path, content) == 0
    data = Dataset.open(tmp_path / "out")
    assert data.class_names == ("mug", "box", "can") and sorted(data[0].class_names) == ["box", "box", "mug"]
    assert "1 x category left out" in capsys.readouterr().out
    assert "category 0 (mug)" in (tmp_path / "out/import.txt").read_text()

    shutil.rmtree(tmp_path / "out")
    content["annotations"] = []
    assert imported(tmp_path, content) == 0
    assert Dataset.open(tmp_path / "out").class_names == ("mug", "box", "can"), "what names itself is a class"


def test_masks_are_those_that_supervision_reads(tmp_path: Path, content: dict[str, Any]) -> None:
    """The oracle is a library's own reader of COCO."""
    corners = {1: [20, 20, 40, 22, 30, 45], 2: [60, 0, 79, 0, 79, 20, 60, 20]}
    for k, polygon in corners.items():
        content["annotations"][k]["segmentation"] = [polygon]
    for entry in content["annotations"]:
        x, y = np.array(entry["segmentation"][0]).reshape(-1, 2).T.tolist()
        entry.update(bbox=[min(x), min(y), max(x) - min(x), max(y) - min(y)], area=1)
    assert imported(tmp_path, content) == 0
    read = sv.DetectionDataset.from_coco(str(tmp_path / "images"), str(tmp_path / "instances.json"))
    theirs = next(found for name, _, found in read if name.endswith("00.jpg"))
    sample = Dataset.open(tmp_path / "out")[0]
    for mask, class_id in zip(theirs.mask, theirs.class_id, strict=True):
        own = sample.masks[sample.class_names.index(read.classes[class_id])]
        assert (own & mask).sum() / (own | mask).sum() > 0.85  # it draws a polygon's border with another library


def test_a_pot_keeps_its_lids_pixels_and_equal_masks_of_two_classes_stay(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pot, lid = rectangle(10, 10, 50, 50), rectangle(10, 10, 22, 50)
    entries = [(90, pot), (7, lid), (1, lid), (7, lid)]  # the last one is there twice
    content["annotations"] = [
        {"id": k, "image_id": 100, "category_id": category, "segmentation": compressed(mask)}
        for k, (category, mask) in enumerate(entries)
    ]
    assert imported(tmp_path, content) == 0
    sample = Dataset.open(tmp_path / "out")[0]
    assert sorted(sample.class_names) == ["bolt M8", "bracket", "plate"]
    for name, mask in (("plate", pot), ("bracket", lid), ("bolt M8", lid)):
        np.testing.assert_array_equal(sample.masks[sample.class_names.index(name)], mask)
    assert not list(problems(tmp_path / "out", quiet=True)), "overlaps are what people drew"
    said = capsys.readouterr().out
    assert "12 pictures with 3 objects" in said and "1 x annotation skipped" in said
    assert "the same mask and class as annotation 1" in (tmp_path / "out/import.txt").read_text()


def test_parts_are_offered_as_parts(tmp_path: Path, content: dict[str, Any]) -> None:
    pot, lid = rectangle(10, 10, 50, 50), rectangle(5, 10, 22, 50)  # the lid stands out of the pot
    alone = rectangle(0, 60, 20, 80)
    content["annotations"] = [
        {"id": k, "image_id": 100, "category_id": category, "segmentation": compressed(mask)}
        for k, (category, mask) in enumerate([(90, pot), (7, lid), (7, alone)])
    ]
    assert imported(tmp_path, content, "--parts", "bracket") == 0
    merged = Dataset.open(tmp_path / "out")[0]
    apart = Dataset.open(tmp_path / "out", sub_objects="apart")[0]
    assert merged.class_names == ("plate", "bracket") and apart.class_names == ("plate", "bracket", "bracket")
    np.testing.assert_array_equal(merged.masks[0], pot | lid)
    np.testing.assert_array_equal(merged.masks[1], alone)
    np.testing.assert_array_equal(apart.masks[0], pot & ~lid)
    assert apart.part_of.tolist() == [-1, 0, -1]
    assert "part without a whole" in (tmp_path / "out/import.txt").read_text()
    assert not list(problems(tmp_path / "out", quiet=True))
    with pytest.raises(InputError, match="parts of the classes"):
        import_pictures(read_coco(tmp_path / "instances.json", content), tmp_path, tmp_path / "x", parts=["lid"])


def turned(orientation: int, stored: np.ndarray) -> np.ndarray:
    """What every viewer shows, by Pillow."""
    picture = Image.fromarray(stored)
    picture.getexif()[0x0112] = orientation
    file = io.BytesIO()
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(file, "PNG", exif=exif)
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue()))))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("drawn_on", ["shown", "stored"])
def test_pictures_that_exif_turns(tmp_path: Path, content: dict[str, Any], orientation: int, drawn_on: str) -> None:
    """Masks lie on their objects whichever size the file tells, or where it cannot tell on the picture as shown."""
    stored = np.zeros((*SIZE, 3), np.uint8)
    stored[10:20, 5:30] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "images/a/00.png", exif=exif)
    shown = turned(orientation, stored)
    assert np.array_equal(upright(stored, orientation), shown)
    told = shown if drawn_on == "shown" or shown.shape == stored.shape else stored
    height, width = told.shape[:2]
    rle = coco_mask.encode(np.asfortranarray(told[..., 0] > 0, np.uint8))
    content["images"] = [{"id": 100, "file_name": "a/00.png", "height": height, "width": width}]
    content["annotations"] = [
        {
            "id": 0,
            "image_id": 100,
            "category_id": 7,
            "segmentation": {"size": [height, width], "counts": rle["counts"].decode()},
        }
    ]
    assert imported(tmp_path, content) == 0
    sample = Dataset.open(tmp_path / "out")[0]
    np.testing.assert_array_equal(sample.image_rgb, shown)
    np.testing.assert_array_equal(sample.masks[0], shown[..., 0] > 0)
    assert (tmp_path / "out/import.txt").exists() == (orientation != 1)


@pytest.mark.parametrize("kind", ["polygon", "compressed", "uncompressed"])
def test_outlines_of_another_size_are_scaled(tmp_path: Path, content: dict[str, Any], kind: str) -> None:
    """The file tells of 160 x 120 pixels, the picture has 80 x 60."""
    large = np.zeros((120, 160), bool)
    large[20:80, 40:100] = True
    rle = coco_mask.encode(np.asfortranarray(large, np.uint8))
    flat = large.ravel(order="F").astype(int)
    segmentation = {
        "polygon": [[40, 20, 100, 20, 100, 80, 40, 80]],
        "compressed": {"size": [120, 160], "counts": rle["counts"].decode()},
        "uncompressed": {
            "size": [120, 160],
            "counts": np.diff([0, *np.flatnonzero(np.diff(flat)) + 1, flat.size]).tolist(),
        },
    }[kind]
    content["images"] = [{"id": 100, "file_name": "a/00.jpg", "height": 120, "width": 160}]
    content["annotations"] = [{"id": 0, "image_id": 100, "category_id": 7, "segmentation": segmentation}]
    assert imported(tmp_path, content) == 0
    mask = Dataset.open(tmp_path / "out")[0].masks[0]
    wanted = rectangle(10, 20, 40, 50)
    assert (mask & wanted).sum() / (mask | wanted).sum() > 0.9, "a polygon's border is fuzzy"
    assert "160x120 to 80x60" in (tmp_path / "out/import.txt").read_text()


@pytest.mark.parametrize(
    ("size", "told"), [((60, 80), (300.0, 310.0, 39.0, 30.0)), ((120, 160), (600.0, 620.0, 78.5, 60.5))]
)
def test_the_camera_is_scaled_with_the_outlines(
    tmp_path: Path, content: dict[str, Any], size: tuple[int, int], told: tuple[float, ...]
) -> None:
    """Of a picture of half the size that the file tells, focal lengths and the middle are half as large, too."""
    camera = dict(zip(("fx", "fy", "cx", "cy"), told, strict=True))
    image = {"id": 100, "file_name": "a/00.jpg", "height": size[0], "width": size[1], "camera": camera}
    content.update(images=[image], annotations=[])
    assert imported(tmp_path, content) == 0
    stored = Dataset.open(tmp_path / "out").image(0)["camera"]
    assert stored == pytest.approx({"fx": 300, "fy": 310, "cx": 39, "cy": 30})


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_camera_is_turned_with_the_picture(orientation: int) -> None:
    """A point keeps the pixel that shows it: its picture is drawn before, and turned."""
    stored = CameraIntrinsics(100.0, 120.0, 30.0, 25.0, 80, 60)
    picture = np.zeros(SIZE, bool)
    row, column = round(stored.cy + 0.1 * stored.fy), round(stored.cx + 0.2 * stored.fx)
    picture[row, column] = True
    [[row, column]] = np.argwhere(upright(picture, orientation))
    camera = upright_camera(stored, orientation)
    x, y = (column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
    assert (camera.height, camera.width) == upright(picture, orientation).shape
    assert sorted((abs(x), abs(y))) == pytest.approx([0.1, 0.2])
    assert ((abs(x) > abs(y)) == (orientation < 5)) and (x < 0) == (orientation in (2, 3, 6, 7))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_pictures_of_16_bits_of_grey_are_seen_as_a_model_sees_them(
    tmp_path: Path, content: dict[str, Any], suffix: str
) -> None:
    ramp = np.linspace(0, 65535, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / f"images/a/00.{suffix}")
    content.update(images=[{"id": 100, "file_name": f"a/00.{suffix}", "height": 60, "width": 80}], annotations=[])
    assert imported(tmp_path, content) == 0
    image = Dataset.open(tmp_path / "out")[0].image_rgb
    np.testing.assert_array_equal(image, read_photo(tmp_path / f"images/a/00.{suffix}"))
    np.testing.assert_array_equal(image[..., 1], ramp >> 8)
    assert "16 bits" in (tmp_path / "out/import.txt").read_text()


def test_a_set_without_depth_is_not_taken_for_one_with_it(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(tmp_path, content) == 0
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 1
    assert "depth" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["images", "depth", "one picture more"])
def test_an_import_goes_on_with_the_same_pictures_and_depth_alone(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """Others would be ignored, or half of a set be made of each."""
    late = tmp_path / "images/a/05.jpg"
    kept = late.read_bytes()
    if what == "one picture more":
        late.unlink()
    words = ["--depth", str(tmp_path / "depth")]
    assert imported(tmp_path, content, *words) == 0
    shutil.copytree(tmp_path / "images", tmp_path / "copy/images")
    shutil.copytree(tmp_path / "depth", tmp_path / "copy/depth")
    moved = ["--images", str(tmp_path / "copy/images"), "--depth", str(tmp_path / "copy/depth")]
    assert imported(tmp_path, content, *moved) == 0, "they may lie elsewhere"
    if what == "images":
        cv2.imwrite(str(tmp_path / "copy/images/a/03.jpg"), np.zeros((*SIZE, 3), np.uint8))
    elif what == "depth":
        path = tmp_path / "copy/depth/a/03.png"
        packed = (cv2.imencode(".png", np.full(SIZE, value, np.uint16))[1].tobytes() for value in range(704, 1000))
        path.write_bytes(next(one for one in packed if len(one) == path.stat().st_size))  # the size does not tell
    else:
        (tmp_path / "copy/images/a/05.jpg").write_bytes(kept)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert imported(tmp_path, content, *moved) == 1
    said = capsys.readouterr().err
    assert "'files'" in said and "another folder" in said
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


BAD: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda c: c["annotations"][0].update(category_id=3), "category 3 is none"),
    (lambda c: c["annotations"][0].update(category_id=[]), "category \\[\\] is none"),
    (lambda c: c["annotations"].__setitem__(0, 5), "no JSON object"),
    (lambda c: c["annotations"][0].update(segmentation=None), "no outline"),
    (lambda c: c["annotations"][0].update(segmentation=[]), "no outline"),
    (lambda c: c["annotations"][0].pop("segmentation"), "no outline"),
    (lambda c: c["annotations"][0].update(segmentation=[[1, 1, 20, 20]]), "fewer than 3 points"),
    (lambda c: c["annotations"][0].update(segmentation=[[1, 1, 20, 20, 3]]), "no list of x, y"),
    (lambda c: c["annotations"][0].update(segmentation=[[1, 1, 20, 20, "a", 3]]), "no list of x, y"),
    (lambda c: c["annotations"][0].update(segmentation=[[1, 1, 20, 20, float("nan"), 3]]), "no numbers"),
    (lambda c: c["annotations"][0].update(segmentation=[[1, 1, 1e12, 20, 4, 3]]), "far outside"),
    (lambda c: c["annotations"][0].update(segmentation=[[90, 10, 120, 10, 120, 40]]), "nothing of it"),
    (lambda c: c["annotations"][1]["segmentation"].update(size=[30, 160]), "another size"),
    (lambda c: c["annotations"][1]["segmentation"].update(counts="\x7f\x7f"), "broken run lengths"),
    (lambda c: c["annotations"][1]["segmentation"].update(counts="0" * 5), "broken run lengths"),
    (lambda c: c["annotations"][1]["segmentation"].update(counts={}), "broken run lengths"),
    (lambda c: c["annotations"][2]["segmentation"].update(counts=[1, 2]), "broken run lengths"),
    (lambda c: c["annotations"][2]["segmentation"].update(counts=[5000, -200]), "broken run lengths"),
    (lambda c: c["annotations"][0].update(image_id=5), "picture 5 is not in the list"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_one_bad_annotation_is_skipped_counted_and_listed(
    tmp_path: Path,
    content: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], Any],
    said: str,
) -> None:
    change(content)
    assert imported(tmp_path, content) == 0
    shown = capsys.readouterr().out
    assert "12 pictures with 2 objects" in shown and "1 x annotation skipped" in shown
    (line,) = (tmp_path / "out/import.txt").read_text().splitlines()
    assert re.search(said, line) and "annotation" in line
    assert len(Dataset.open(tmp_path / "out")[0].masks) == 2


@pytest.mark.parametrize("kind", ["gone", "cut PNG", "cut JPEG", "text", "other shape", "outside"])
def test_one_bad_picture_is_skipped_counted_and_listed(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = tmp_path / "images/a/03.jpg"
    whole = path.read_bytes()
    if kind == "cut PNG":
        picture = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
        whole = cv2.imencode(".png", picture)[1].tobytes()
    if kind == "gone":
        path.unlink()
    elif kind.startswith("cut"):
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "text":
        path.write_text("no picture")
    elif kind == "other shape":
        content["images"][3].update(height=60, width=60)
    else:
        (tmp_path / "secret.jpg").write_bytes(whole)
        content["images"][3].update(file_name="../secret.jpg")
    assert imported(tmp_path, content) == 0
    shown = capsys.readouterr().out
    assert "11 pictures with 3 objects" in shown and "1 x picture skipped" in shown
    (line,) = (tmp_path / "out/import.txt").read_text().splitlines()
    assert ("secret" if kind == "outside" else "a/03.jpg") in line
    assert len(Dataset.open(tmp_path / "out")) == 11


def test_run_lengths_of_people_are_read_as_pycocotools_reads_them() -> None:
    rng = np.random.default_rng(1)
    for share in (0.0, 0.02, 0.5, 1.0):
        for size in ((60, 80), (1, 1), (7, 3000)):
            mask = rng.random(size) < share
            rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
            if mask.any():
                found = mask_of({"size": list(size), "counts": rle["counts"].decode()}, size, size)
                np.testing.assert_array_equal(found, mask)
            assert sum(runs_of(rle["counts"])) == mask.size


def test_a_killed_import_goes_on_and_tells_everything_once(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images/a/01.jpg").unlink()
    (tmp_path / "images/a/09.jpg").unlink()
    assert imported(tmp_path, content) == 0
    whole = {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.suffix in (".json", ".png", ".txt")}
    told = capsys.readouterr().out
    shutil.rmtree(tmp_path / "out")
    write, written = DatasetWriter.write_files, []

    def dying(self: DatasetWriter, files: dict[str, bytes]) -> None:
        written.append(files)
        if len(written) == 10:
            raise KeyboardInterrupt
        write(self, files)

    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, "write_files", dying)
        assert imported(tmp_path, content) == 130
    (tmp_path / "out/shards/.00000003.json.77.tmp").write_text("draft of a killed process")
    assert imported(tmp_path, content) == 0
    after = {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.suffix in (".json", ".png", ".txt")}
    assert after == whole and capsys.readouterr().out.splitlines()[-3:] == told.splitlines()[-3:]
    assert not list((tmp_path / "out").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: [image.update(file_name=f"b/{image['id']}.jpg") for image in c["images"]], "--images"),
        (lambda c: c["images"][0].update(split="dev"), "split"),
        (
            lambda c: c["categories"].append({"id": 2, "name": "plate"}),
            "instances.json, got 'plate' with the ids 2 and 90",
        ),
        (lambda c: c["categories"].append({"id": 2, "name": ""}), "class_names"),
        (lambda c: c["categories"].append({"id": 2, "name": None}), "instances.json: expected a name"),
        (lambda c: c["categories"].append({"id": 7, "name": "cup"}), "got 'bracket' and 'cup' with the id 7"),
        (lambda c: c["categories"].append(5), "COCO's images and categories"),
        (lambda c: c["images"].append(c["images"][0]), "every image once"),
        (lambda c: c.pop("categories"), "metadata"),
    ],
)
def test_faults_of_the_whole_file_are_told(
    tmp_path: Path,
    content: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], Any],
    said: str,
) -> None:
    change(content)
    assert imported(tmp_path, content) == 1
    assert said in capsys.readouterr().err


def test_missing_depth_is_told(tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "depth/a/00.png").unlink()
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 0
    assert "1 x picture without depth" in capsys.readouterr().out
    data = Dataset.open(tmp_path / "out")
    assert not data[0].depth_m.any() and data[1].depth_m.all()
    assert main(["dataset", "import", str(tmp_path / "instances.json"), "--images", str(tmp_path / "images"), "--depth",
                 str(tmp_path / "images"), "--out", str(tmp_path / "other")]) == 1  # fmt: skip
    assert "--depth" in capsys.readouterr().err


@pytest.mark.parametrize("place", [None, "out", "out/depth"])
def test_an_exported_set_keeps_its_depth(tmp_path: Path, content: dict[str, Any], place: str | None) -> None:
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 0
    out, file = tmp_path / "out", tmp_path / "out.json"
    assert main(["dataset", "export", str(out), "--out", str(file)]) == 0
    words = [str(file), "--images", str(out), "--out", str(tmp_path / "again")]
    assert main(["dataset", "import", *words, *(["--depth", str(tmp_path / place)] if place else [])]) == 0
    one, other = (Dataset.open(path) for path in (out, tmp_path / "again"))
    for k in range(12):
        assert one[k].depth_m.all()
        np.testing.assert_array_equal(other[k].depth_m, one[k].depth_m)
    assert not (tmp_path / "again/import.txt").exists()


def test_depth_that_the_file_tells_of_and_that_is_not_there_is_told(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    content["images"][2]["depth_file_name"] = "depth/02.png"
    content["images"][3]["depth_file_name"] = "../depth/a/03.png"
    assert imported(tmp_path, content) == 0
    assert "2 x picture without depth" in capsys.readouterr().out
    assert not Dataset.open(tmp_path / "out")[3].depth_m.any()


def test_depth_of_a_bare_name_is_taken_where_only_one_picture_has_it(tmp_path: Path, content: dict[str, Any]) -> None:
    (tmp_path / "images/b").mkdir()
    shutil.copy(tmp_path / "images/a/00.jpg", tmp_path / "images/b/00.jpg")
    content["images"].append({"id": 1, "file_name": "b/00.jpg"})
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth/a")) == 0
    data = Dataset.open(tmp_path / "out")
    found = {data[k].scene: data[k].depth_m.max() for k in range(13)}
    assert found["a/00"] == found["b/00"] == 0 and found["a/01"] == pytest.approx(0.701)
    assert len((tmp_path / "out/import.txt").read_text().splitlines()) == 2


def test_depth_of_another_unit(tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Metres as 16-bit numbers are ones and twos, and tenths of millimetres want to be told."""
    for k in range(12):
        numbers = np.full(SIZE, 7000 + k, np.uint16) if k else np.full(SIZE, 2, np.uint16)
        numbers[0, 0] = 65535
        cv2.imwrite(str(tmp_path / f"depth/a/{k:02d}.png"), numbers)
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth"), "--depth-scale", "0.0001") == 0
    assert "1 x depth that cannot be right" in capsys.readouterr().out
    [line] = (tmp_path / "out/import.txt").read_text().splitlines()
    assert "a/00.jpg" in line and "a median of 0.0002 m" in line and "--depth-scale" in line
    data = Dataset.open(tmp_path / "out")
    assert not data[0].depth_m.any() and not list(problems(tmp_path / "out", quiet=True))
    assert data[3].depth_m[5, 5] == pytest.approx(0.7, abs=0.001) and data[3].depth_m[0, 0] == pytest.approx(6.554)
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 1, "a folder is of one scale"
    assert "depth_scale" in capsys.readouterr().err
    assert imported(tmp_path, content, "--depth-scale", "-1") == 1
    assert "metres per unit" in capsys.readouterr().err


@pytest.mark.parametrize("count", [0, 1, 300])
def test_sets_of_no_one_and_300_objects_go_out_and_in_again(
    tmp_path: Path, content: dict[str, Any], count: int
) -> None:
    """`saom dataset export` and `import` keep masks, classes, parts and what must not be asked about."""
    size = (240, 320)
    cv2.imwrite(str(tmp_path / "images/a/00.jpg"), np.zeros((*size, 3), np.uint8))
    content["images"] = [{"id": 100, "file_name": "a/00.jpg", "height": 240, "width": 320}]
    content["annotations"] = []
    for k in range(count):
        row, column = divmod(k, 20)
        x, y = 16 * column, 16 * row
        square = [[x, y, x + 15, y, x + 15, y + 15, x, y + 15]]
        entry = {"id": k, "image_id": 100, "category_id": (90, 1, 7)[k % 3], "segmentation": square}
        content["annotations"].append(entry | ({"part_of": 0} if k == 3 else {}) | {"iscrowd": int(k == 5)})
    assert imported(tmp_path, content) == 0
    first, again = tmp_path / "out", tmp_path / "again"
    assert main(["dataset", "export", str(first), "--out", str(tmp_path / "new/file.json")]) == 0
    exported = list(COCO(str(tmp_path / "new/file.json")).anns.values())
    ignored = sum(one.get("ignored", False) for one in exported)
    assert ignored == (3 if count == 300 else 0), "a crowd of each class"
    assert len(exported) - ignored == count - (count == 300)
    words = [str(tmp_path / "new/file.json"), "--images", str(first), "--out", str(again)]
    assert main(["dataset", "import", *words]) == 0
    one, other = (Dataset.open(path, sub_objects="apart")[0] for path in (first, again))
    np.testing.assert_array_equal(one.masks, other.masks)
    np.testing.assert_array_equal(one.part_of, other.part_of)
    np.testing.assert_array_equal(one.ignore, other.ignore)
    assert one.class_names == other.class_names and len(one.masks) == max(0, count - (count == 300))
    assert statistics(Dataset.open(first))["instances"] == max(0, count - 2 * (count == 300))
    assert not list(problems(again, quiet=True))
    assert write_page(first, None, tmp_path / "page", 10).is_file()


def average_precision(truth: Path, results: list[dict[str, Any]]) -> float:
    """AP of masks by pycocotools, as other people's tools compute it."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluation = COCOeval(coco, coco.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def perfect(truth: Path) -> list[dict[str, Any]]:
    """The objects of a file as the results of a model that finds them all."""
    keys = ("image_id", "category_id", "segmentation")
    entries = json.loads(truth.read_text())["annotations"]
    return [{**{key: one[key] for key in keys}, "score": 1.0} for one in entries if not one["iscrowd"]]


def test_an_export_is_as_good_as_itself(tmp_path: Path, content: dict[str, Any]) -> None:
    """Annotations count from 1: pycocotools takes a match with annotation 0 for none. Parts follow their wholes."""
    content["annotations"][1]["part_of"] = 0
    assert imported(tmp_path, content) == 0
    out = tmp_path / "out.json"
    assert main(["dataset", "export", str(tmp_path / "out"), "--out", str(out)]) == 0
    entries = json.loads(out.read_text())["annotations"]
    assert sorted(one["id"] for one in entries) == [1, 2, 3]
    [part] = [one for one in entries if one["part_of"] is not None]
    [whole] = [one for one in entries if one["id"] == part["part_of"]]
    assert (part["category_id"], whole["category_id"]) == (1, 3), "the bolt belongs to the plate"
    assert average_precision(out, perfect(out)) == pytest.approx(1.0)


def test_an_exported_ignored_region_spares_predictions_of_every_class(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What a model finds where nothing must be asked is no mistake, whatever it calls it."""
    ignored = rectangle(45, 5, 58, 40)
    crowd = {"id": 9, "image_id": 100, "category_id": 7, "segmentation": compressed(ignored), "iscrowd": 1}
    content["annotations"].append(crowd)
    content["categories"].append({"id": 91, "name": "nut"})  # without an object
    assert imported(tmp_path, content) == 0
    out, plain = tmp_path / "out.json", tmp_path / "plain.json"
    assert main(["dataset", "export", str(tmp_path / "out"), "--out", str(out)]) == 0
    crowds = [one for one in json.loads(out.read_text())["annotations"] if one["iscrowd"]]
    assert sorted(one["category_id"] for one in crowds) == [1, 2, 3]
    for category in (1, 2, 3, 4):
        found = {"image_id": 0, "category_id": category, "segmentation": compressed(ignored), "score": 1.0}
        others = [{**one, "score": 0.9} for one in perfect(out)]
        assert average_precision(out, [found, *others]) == pytest.approx(1.0), category

    capsys.readouterr()
    again = ["dataset", "import", str(out), "--images", str(tmp_path / "out"), "--out", str(tmp_path / "again")]
    assert main([*again, "--crowds", "objects"]) == 0, "that is no object, even where crowds are"
    assert len(capsys.readouterr().out.splitlines()) == 1 and not (tmp_path / "again/import.txt").exists()
    np.testing.assert_array_equal(Dataset.open(tmp_path / "again")[0].ignore, ignored)

    assert main(["dataset", "export", str(tmp_path / "out"), "--no-ignored", "--out", str(plain)]) == 0
    read = sv.DetectionDataset.from_coco(str(tmp_path / "out"), str(plain), force_masks=True)
    theirs = next(found for name, _, found in read if name.endswith("00000000.png"))
    assert sorted(read.classes[k] for k in theirs.class_id) == ["bolt M8", "bracket", "plate"]


@pytest.mark.parametrize("name", ["", ".", "/", "a/.."])
def test_a_picture_whose_name_is_none_of_a_file_is_skipped_and_listed(
    tmp_path: Path, content: dict[str, Any], name: str
) -> None:
    content["images"][3]["file_name"] = name
    assert imported(tmp_path, content, "--depth", str(tmp_path / "depth")) == 0
    assert "its name is none of a file" in (tmp_path / "out" / "import.txt").read_text()
    assert sum(len(Dataset.open(tmp_path / "out", split)) for split in ("train", "val", "test")) == 11
