"""`saom bench-photos`: figures counted by hand, and the command on photographs of noise."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from saom_cli.main import main
from saom_core.errors import InputError
from saom_core.instances import Instances, MaskCrop
from saom_training.photographs.bench import RecallFigures
from saom_training.photographs.labelled import CUTS, View, photographs_of, views_of

SIZE_HW = (40, 60)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def seen(*masks_and_names: tuple[npt.NDArray[np.bool_], str]) -> Instances:
    masks = [MaskCrop.from_dense(mask) for mask, _ in masks_and_names]
    scores = np.linspace(0.95, 0.6, len(masks)).astype(np.float32)
    names = [name for _, name in masks_and_names]
    return Instances.from_masks(SIZE_HW, masks, scores, class_names=names, class_scores=scores)


def view_of(*objects: npt.NDArray[np.bool_]) -> View:
    labels = np.zeros(SIZE_HW, np.uint8)
    for k, mask in enumerate(objects):
        labels[mask] = k + 1
    return View(np.zeros((*SIZE_HW, 3), np.uint8), None, labels)


def test_figures_are_those_counted_by_hand() -> None:
    """A mug found whole, a bottle at IoU 0.6, a carton in two halves, a tin that nothing touches."""
    mug, bottle, carton, tin = (
        rectangle(0, 0, 10, 10),
        rectangle(20, 0, 30, 10),
        rectangle(0, 20, 20, 30),
        rectangle(40, 20, 50, 30),
    )
    instances = seen(
        (mug, "Mug"), (rectangle(20, 0, 26, 10), "Vase"), (carton & rectangle(0, 0, 10, 40), "Box"),
        (carton & rectangle(10, 0, 60, 40), "Book"), (rectangle(52, 0, 60, 9), "Pen"),
    )  # fmt: skip
    figures = RecallFigures()
    names = {1: ("Mug", "Cup"), 2: ("Bottle",), 3: ("Box",), 4: ("Other",), 9: ("Mug",)}  # 9 is not in this view
    figures.add(instances, view_of(mug, bottle, carton, tin), names)
    assert figures.facts() == {
        "objects": 4,
        "recall_50": 0.75,  # half of the carton is found at 0.5 by each of its halves
        "recall_75": 0.25,
        "mean_best_iou": pytest.approx((1.0 + 0.6 + 0.5 + 0.0) / 4),
        "pieces": 0.0,
        "nameable": 3,
        "named": 3,
        "named_right": 2,
        "others_named": 0,
        "by_score": {"0.7 to 0.8": [1, 1], "0.8 to 0.9": [0, 1], "0.9 to 1": [1, 1]},
    }
    thirds = seen(*((carton & rectangle(7 * k, 0, 7 * k + 7, 40), "Box") for k in range(3)), (tin, "Plate"))
    figures = RecallFigures()
    figures.add(thirds, view_of(mug, bottle, carton, tin), names)
    assert figures.pieces == 1 and figures.others_named == 1 and figures.nameable == 0


def test_a_name_that_is_right_beside_other_is_no_wrong_one() -> None:
    mask, figures = rectangle(0, 0, 10, 10), RecallFigures()
    for called in ("Bottle", "Mug", "", "Other"):
        figures.add(seen((mask, called)), view_of(mask), {1: ("Other", "Bottle")})
    assert figures.others_named == 1 and figures.nameable == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photographs of noise with one object, one of them with depth."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}-color.png"), rng.integers(0, 255, (*SIZE_HW, 3)).astype(np.uint8))
        cv2.imwrite(str(tmp_path / f"{name}-label.png"), 7 * rectangle(10, 10, 20, 30).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "a-depth.png"), rng.integers(400, 900, SIZE_HW).astype(np.uint16))
    listed = {name: {"7": {"object": "mug", "names": ["Mug"]}} for name in ("a", "b")}
    (tmp_path / "objects.json").write_text(json.dumps(listed))
    return tmp_path


def test_views_are_the_same_cut_of_picture_depth_and_labels(folder: Path) -> None:
    photos = photographs_of(folder)
    views = list(views_of(photos, 2 * len(CUTS)))
    assert len(views) == 4 * len(CUTS) and [view.depth_m is None for _, view in views] == [False] * 6 + [True] * 6
    (left, top), (photo, view) = CUTS[1], views[4]
    assert photo == photos[0] and photo.depth_m is not None and view.depth_m is not None
    for whole, part in ((photo.image_rgb, view.image_rgb), (photo.depth_m, view.depth_m), (photo.labels, view.labels)):
        np.testing.assert_array_equal(part, np.flip(whole[top:, left:], 1))


def test_labels_must_be_there_and_of_the_pictures_size(folder: Path) -> None:
    cv2.imwrite(str(folder / "a-label.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"got \(4, 4\)"):
        _ = photographs_of(folder)[0].labels
    (folder / "b-label.png").unlink()
    with pytest.raises(InputError, match="label"):
        _ = photographs_of(folder)[1].labels


def test_photographs_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"objects\.json, got no such file"):
        photographs_of(tmp_path)
    (tmp_path / "objects.json").write_text(json.dumps({"a": {"1": {"object": "mug"}}}))
    assert photographs_of(tmp_path / "a")[0].names == {1: ()}
    with pytest.raises(InputError, match="begin with 'b'"):
        photographs_of(tmp_path / "b")


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("{", "JSONDecodeError"),
        ('{"a": {"7": {"names": ["Mug"]}}}', "KeyError: 'object'"),
        ('{"a": {"seven": {"object": "mug"}}}', "invalid literal for int"),
        ('{"a": {"7": {"object": "mug", "names": "Mug"}}}', "names of a, 7 is 'Mug', no list"),
        ('{"a": {"7": {"object": "mug", "names": ["Mug", "mugg"]}}}', "names of a, 7, got mugg"),
        ("[3]", "AttributeError"),
    ],
)
def test_a_listing_that_cannot_be_meant_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], listed: str, told: str
) -> None:
    (folder / "objects.json").write_text(listed)
    assert main(["bench-photos", str(folder), "--views", "1"]) == 1
    said = capsys.readouterr().err
    assert told in said and "objects.json" in said and "fault of saom" not in said


def test_the_command_counts_depth_where_there_is_some(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "figures.json"
    assert main(["bench-photos", str(folder), "--views", "3", "--json", str(file), "--threads", "1"]) == 0
    figures = json.loads(file.read_text())
    assert [figures[name]["objects"] for name in ("RGB and depth", "RGB alone")] == [3, 6]
    lines = capsys.readouterr().out.splitlines()
    for line, found in zip(lines[1:3], figures.values(), strict=True):
        assert line.split()[-5:-1] == [
            str(found["objects"]), *(f"{found[key]:.3f}" for key in ("recall_50", "recall_75", "mean_best_iou"))
        ]  # fmt: skip
    (folder / "a-depth.png").unlink()
    assert main(["bench-photos", str(folder), "--views", "1", "--json", str(file), "--threads", "1"]) == 0
    assert list(json.loads(file.read_text())) == ["RGB alone"]


def test_labels_that_objects_json_does_not_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "objects.json").write_text(json.dumps({"a": {"3": {"object": "mug"}}}))
    assert main(["bench-photos", str(folder), "--views", "1"]) == 1
    assert "are the labels those of objects.json?" in capsys.readouterr().err
