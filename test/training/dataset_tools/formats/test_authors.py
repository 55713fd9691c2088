"""`saom dataset import`: the authors' format, and what in it can mislead."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from saom_cli.main import main
from saom_core.errors import InputError
from saom_training.dataset import Dataset
from saom_training.dataset_tools.check import problems
from saom_training.dataset_tools.formats.authors import class_of, import_authors, scene_of

NAMES = ["Mug", "Box", "TissueBox", "Painting", "Bowl"]
SIZE_HW = (40, 50)


class Folder:
    """A data set in the authors' layout, written picture by picture."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = {"entity classes": NAMES, "train_data": [], "val_data": [], "test_data": []}

    def mask(self, name: str, box: tuple[int, int, int, int], value: Any = 255, dtype: Any = np.uint8) -> str:
        """A mask file of a (top, bottom, left, right) box, each pixel of the value (blue, green, red) or grey."""
        shape = SIZE_HW if np.isscalar(value) else (*SIZE_HW, len(value))
        mask = np.zeros(shape, dtype)
        mask[box[0] : box[1], box[2] : box[3]] = value
        cv2.imwrite(str(self.path / name), mask)
        return name

    def add(self, split: str, masks: list[str], indices: list[Any]) -> dict[str, Any]:
        """A picture of random pixels with its masks."""
        entries = self.content[f"{split}_data"]
        name = f"{split}{len(entries)}.png"
        rng = np.random.default_rng(sum(map(ord, name)))
        cv2.imwrite(str(self.path / name), rng.integers(0, 255, (*SIZE_HW, 3), np.uint8))
        entries.append({"image_name": name, "entity_masks": masks, "entity_indices": indices})
        return entries[-1]

    def write(self) -> Path:
        (self.path / "metadata.json").write_text(json.dumps(self.content))
        return self.path / "metadata.json"

    def imported(self) -> Dataset:
        import_authors(self.write(), self.path, self.path / "out", quiet=True)
        assert list(problems(self.path / "out", quiet=True)) == []
        return Dataset.open(self.path / "out")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_pictures_masks_and_splits(folder: Folder):
    boxes = {"Bowl": (0, 40, 0, 50), "Mug": (5, 20, 5, 20), "Painting": (25, 35, 5, 45)}
    for number, (split, scene) in enumerate((("train", "FloorPlan1"), ("train", "FloorPlan1"), ("val", "FloorPlan21"))):
        masks = [folder.mask(f"{scene}-{number}-{name}-{name}|+1.0|-2.png", box) for name, box in boxes.items()]
        folder.add(split, masks, [NAMES.index(name) for name in boxes])
    dataset = folder.imported()
    assert dataset.splits() == ["train", "train", "val"]
    assert set(dataset.scenes()) == {"FloorPlan1", "FloorPlan21"}
    sample = dataset[0]
    image_bgr = cv2.imread(str(folder.path / "train0.png"))
    np.testing.assert_array_equal(sample.image_rgb, image_bgr[..., ::-1])
    assert sample.class_names == ("Bowl", "Mug", "Other")
    assert dataset.entries(0)[2]["style"] == "Painting"
    assert [mask.sum() for mask in sample.masks] == [40 * 50, 15 * 15, 10 * 40]  # each whole
    assert not sample.depth_m.any()


@pytest.mark.parametrize(
    ("mask", "index", "wanted"),
    [
        ("masks/FloorPlan1-3-TissueBox-12.png", 1, "TissueBox"),  # the authors' "Box" in "TissueBox"
        ("FloorPlan1-3-TissueBox-12.png", 2, "TissueBox"),
        ("FloorPlan1-3-Box-TissueBox.png", 1, "Box"),
        ("FloorPlan1-3-Sofa-1.png", 0, "Sofa"),  # of the taxonomy, though not of their list
        ("FloorPlan1-3-Painting-1.png", 0, "Painting"),  # of their list, though not of the taxonomy
        ("FloorPlan1-3-box-1.png", 0, "Mug"),  # no class at all
        ("FloorPlan1-3-Boxes-1.png", 0, "Mug"),
        ("procthor-10k-train-12-0-Bowl-Bowl|+1.0|-2.png", 0, "Bowl"),
        ("Box.png", 0, "Mug"),
        ("Box-Box-Box.png", 0, "Mug"),
    ],
)
def test_class_is_matched_letter_by_letter(mask: str, index: int, wanted: str):
    assert class_of(mask, index, NAMES) == wanted


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("m/FloorPlan1-0-Mug-Mug|+00.10|-01.20|-00.30.png", "FloorPlan1"),
        ("m/procthor-10k-train-1-0-Mug-Mug|surface|3|12.png", "procthor-10k-train-1"),
        ("m/ArchitecTHOR-Val-00-3-Mug-Mug|1-2-Box-4.png", "ArchitecTHOR-Val-00"),
        ("FloorPlan_Train1_1-7.png", "FloorPlan_Train1_1"),
        ("procthor-10k-train-1-7.png", "procthor-10k-train-1"),
        ("train0.png", "train0"),
    ],
)
def test_scenes_may_have_hyphens(name: str, scene: str):
    assert scene_of({"entity_masks": [name], "image_name": "x"}) == scene
    assert scene_of({"entity_masks": [], "image_name": name}) == scene


def test_a_mask_listed_under_two_classes_is_one_object(folder: Folder, caplog: pytest.LogCaptureFixture):
    tissue = folder.mask("FloorPlan1-0-TissueBox-1.png", (5, 20, 5, 20))
    box = folder.mask("FloorPlan1-0-Box-2.png", (25, 35, 5, 20))
    folder.add("train", [tissue, box, tissue], [1, 1, 2])
    with caplog.at_level(logging.WARNING):
        assert folder.imported()[0].class_names == ("TissueBox", "Box")
    assert "1 masks have another class in their name" in caplog.text


def test_what_lies_in_the_first_channel_counts(folder: Folder):
    """Red of a colour mask, whatever the other channels hold; values of 1 and of 16 bits are not lost."""
    folder.add(
        "train",
        [
            folder.mask("FloorPlan1-0-Mug-1.png", (0, 10, 0, 10), (0, 0, 1)),
            folder.mask("FloorPlan1-0-Bowl-2.png", (20, 30, 0, 10), (255, 255, 0)),
            folder.mask("FloorPlan1-0-Box-3.png", (20, 30, 20, 30), 1, np.uint16),
            folder.mask("FloorPlan1-0-Sofa-4.png", (0, 10, 20, 30), (0, 0, 255, 255)),
        ],
        [0, 4, 1, 0],
    )
    sample = folder.imported()[0]
    assert sample.class_names == ("Mug", "Box", "Sofa")  # nothing is left of the bowl
    assert [mask.sum() for mask in sample.masks] == [100, 100, 100]


def test_a_picture_without_objects_and_a_scene_in_two_splits(folder: Folder, caplog: pytest.LogCaptureFixture):
    folder.add("train", [], [])
    for split in ("train", "test"):
        folder.add(split, [folder.mask(f"FloorPlan1-0-Mug-{split}.png", (0, 10, 0, 10))], [0])
    import_authors(folder.write(), folder.path, folder.path / "out", quiet=True)
    assert "1 scenes are in more than one split, as FloorPlan1" in caplog.text
    assert any("FloorPlan1 is in two splits" in line for line in problems(folder.path / "out", quiet=True))
    assert len(Dataset.open(folder.path / "out", "train")) == 2


def test_a_killed_import_goes_on(folder: Folder):
    for scene in range(3):
        folder.add("train", [folder.mask(f"FloorPlan{scene}-0-Mug-1.png", (0, 10, 0, 10))], [0])
    assert len(folder.imported()) == 3
    shards = folder.path / "out" / "shards"
    before = {path.name: path.read_bytes() for path in shards.iterdir()}
    (shards / "00000001.json").unlink()
    words = [str(folder.write()), "--images", str(folder.path), "--out", str(folder.path / "out")]
    assert main(["dataset", "import", *words]) == 0
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == before
    folder.add("train", [], [])
    with pytest.raises(InputError, match="sha256"):  # another metadata file is another data set
        import_authors(folder.write(), folder.path, folder.path / "out", quiet=True)


@pytest.mark.parametrize("kind", ["picture", "mask"])
def test_an_import_goes_on_with_the_same_pictures_alone(folder: Folder, kind: str):
    mask = folder.mask("FloorPlan1-0-Mug-1.png", (0, 10, 0, 10))
    picture = folder.add("train", [mask], [0])["image_name"]
    assert len(folder.imported()) == 1
    changed = np.zeros((*SIZE_HW, 3), np.uint8)
    changed[:20] = 255
    cv2.imwrite(str(folder.path / (picture if kind == "picture" else mask)), changed)
    with pytest.raises(InputError, match=r"'files'.*another folder"):
        folder.imported()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"entity_indices": [5]}, "one of 5 classes and not 5"),
        ({"entity_indices": [-1]}, "not -1"),
        ({"entity_indices": ["0"]}, "not '0'"),
        ({"entity_indices": []}, "as many masks as indices, not 1 and 0"),
        ({"entity_masks": [3]}, "paths of masks and not 3"),
        ({"image_name": None}, "image_name"),
    ],
)
def test_a_wrong_entry_is_told_before_anything_is_written(folder: Folder, change: dict[str, Any], said: str):
    entry = folder.add("val", [folder.mask("FloorPlan1-0-Mug-1.png", (0, 9, 0, 9))], [0])
    entry.update(change)
    with pytest.raises(InputError, match=f"{said}.*entry 0 of val_data"):
        import_authors(folder.write(), folder.path, folder.path / "out", quiet=True)
    assert not (folder.path / "out").exists()


def test_other_files_and_missing_pictures_are_told(folder: Folder, tmp_path: Path):
    for text in ('{"images": []}', "[]", '{"entity classes": 3}', "no json"):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(InputError, match="entity classes"):
            import_authors(tmp_path / "a.json", tmp_path, tmp_path / "out")
    entry = folder.add("train", [folder.mask("FloorPlan1-0-Mug-1.png", (0, 9, 0, 9))], [0])
    (folder.path / "FloorPlan1-0-Mug-1.png").unlink()
    with pytest.raises(InputError, match=r"FloorPlan1-0-Mug-1.png.*--images"):
        import_authors(folder.write(), folder.path, folder.path / "out", quiet=True)
    cv2.imwrite(str(folder.path / entry["entity_masks"][0]), np.ones((9, 9), np.uint8))
    with pytest.raises(InputError, match=r"mask of \(40, 50\)"):
        import_authors(folder.write(), folder.path, folder.path / "out", quiet=True)
