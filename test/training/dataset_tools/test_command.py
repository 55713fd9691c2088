"""`saom dataset`: counts are right, the check finds what was broken, the page shows everything, sets are merged."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_cli.main import main
from saom_core.errors import InputError
from saom_training.data.annotations import encode_mask
from saom_training.data.frames import Frame
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.dataset_tools.check import problems
from saom_training.dataset_tools.command import statistics
from saom_training.dataset_tools.merge import merge


@pytest.fixture
def path(tmp_path: Path, make_frame: Callable[..., Frame]) -> Path:
    writer = DatasetWriter(tmp_path / "set", {"simulator": "test", "seed": 1})
    for index, split in enumerate(("train", "train", "val")):
        writer.write_episode(index, [make_frame(index, split), make_frame(index, split)])
    return tmp_path / "set"


def change_shard(path: Path, index: int, change) -> None:
    shard_path = path / "shards" / f"{index:08d}.json"
    shard = json.loads(shard_path.read_text())
    change(shard)
    shard_path.write_text(json.dumps(shard))


def found(path: Path) -> list[str]:
    return list(problems(path, quiet=True))


def test_statistics(path: Path):
    result = statistics(Dataset.open(path))
    assert result["pictures"] == {"train": 4, "val": 2}
    assert result["scenes"] == {"train": 2, "val": 1, "test": 0}
    assert result["classes"] == {"Dresser": 6, "Mug": 6, "Other": 6}
    assert result["sub_objects"] == {"Drawer": 6}
    assert result["instances"] == 18
    assert sum(result["area_share"].values()) == sum(result["visible_share"].values()) == 18
    assert "Bowl" in result["classes_without_instances"]
    json.dumps(result)


def test_a_sound_data_set_has_no_problems(path: Path):
    assert found(path) == []
    assert main(["dataset", "check", str(path)]) == 0


def test_check_finds_broken_files(path: Path):
    (path / "images" / "0000000000.png").write_bytes(b"")
    (path / "depth" / "0000000100.png").unlink()
    cv2.imwrite(str(path / "depth" / "0000000101.png"), np.zeros((60, 80), np.uint8))
    lines = found(path)
    assert len(lines) == 3
    assert "images/0000000000.png is missing or broken" in lines[0]
    assert "depth/0000000100.png is missing or broken" in lines[1]
    assert "uint8" in lines[2]
    assert main(["dataset", "check", str(path)]) == 1


def test_check_finds_broken_shards_and_goes_on(path: Path):
    (path / "shards" / "00000000.json").write_text('{"images": [')
    change_shard(path, 1, lambda shard: shard.pop("parts"))
    change_shard(path, 2, lambda shard: shard["annotations"][0].pop("segmentation"))
    lines = found(path)
    assert len(lines) == 3
    assert all(f"0000000{number}.json" in line for number, line in enumerate(lines))
    assert "segmentation" in lines[2]
    with pytest.raises(InputError, match=r"00000000.json.*delete the file"):
        Dataset.open(path)


BAD = {
    "empty mask": lambda first, _: first.update(segmentation=encode_mask(np.zeros((60, 80), bool))),
    "no mask of size [60, 80]": lambda first, _: first["segmentation"].update(counts="zzzzzz"),
    "no mask of size [60, 80] can": lambda first, _: first["segmentation"].update(counts="0"),  # ends too early
    "no mask of size": lambda first, _: first["segmentation"].update(size=[80, 60]),
    "but 1400 pixels": lambda first, _: first.update(area=1),
    "but the mask's is [10, 10, 50, 30]": lambda first, _: first.update(bbox=[0, 0, 1, 1]),
    "unknown category 99": lambda first, _: first.update(category_id=99),
    "expected whole numbers as category_id": lambda first, _: first.update(category_id="Mug"),
    "part of 123, which is not there": lambda first, _: first.update(part_of=123),
    "is of picture 77, not there": lambda first, _: first.update(image_id=77),
    "the id is used twice": lambda first, shard: first.update(id=shard["annotations"][-1]["id"]),
    "its split is 'dev'": lambda _, shard: [image.update(split="dev") for image in shard["images"]],
    "of the pixels to ignore": lambda _, shard: shard["images"][0]["ignore"].update(counts="0"),
    "its camera has fx, fy, cx": lambda _, shard: shard["images"][0]["camera"].pop("cy"),
    "but number 0 has no part_of": lambda first, _: first.pop("part_of"),
    "scene scene_2 is in two splits": lambda _, shard: [image.update(scene="scene_2") for image in shard["images"]],
}


def test_check_finds_a_broken_description(path: Path):
    (path / "dataset.json").write_text("{")
    [line] = found(path)
    assert line.startswith("dataset.json: expected a JSON object")


@pytest.mark.parametrize("said", BAD)
def test_check_finds_what_is_wrong(path: Path, said: str):
    change_shard(path, 0, lambda shard: BAD[said](shard["annotations"][0], shard))
    lines = found(path)
    assert any(said in line for line in lines), lines


def test_check_finds_a_picture_that_is_in_two_splits(path: Path):
    shutil.copy(path / "images" / "0000000000.png", path / "images" / "0000000201.png")
    assert found(path) == ["picture 201: the same picture is in two splits, train and val"]


def test_check_finds_overlapping_wholes(path: Path):
    change_shard(path, 0, lambda shard: shard["annotations"].append({**shard["annotations"][0], "id": 5}))
    assert any("overlap on" in line for line in found(path))


class Page(HTMLParser):
    """What the filters look at: of each figure its picture's name, its split and the names written into it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: list[tuple[str, str, list[tuple[str, float]]]] = []
        self.options: list[str] = []
        self._visible: float | None = None
        self._option = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "figure":
            self.figures.append((given["data-name"] or "", given["data-split"] or "", []))
        self._visible = float(given["data-visible"] or "nan") if tag == "i" else None
        self._option = tag == "option"

    def handle_data(self, data: str) -> None:
        if self._visible is not None:
            self.figures[-1][2].append((data, self._visible))
            self._visible = None
        elif self._option:
            self.options.append(data)
            self._option = False


def test_view_names_every_instance_for_its_filters(path: Path, tmp_path: Path):
    assert main(["dataset", "view", str(path), "--limit", "4", "--out", str(tmp_path / "page")]) == 0
    page = Page((tmp_path / "page" / "index.html").read_text())
    dataset = Dataset.open(path, sub_objects="apart")
    samples = {f"{dataset[k].image_id:010d}": dataset[k] for k in range(len(dataset))}
    splits = {f"{dataset.image(k)['id']:010d}": split for k, split in enumerate(dataset.splits())}
    assert len({name for name, _, _ in page.figures}) == 4
    for name, split, tags in page.figures:
        assert split == splits[name]
        assert sorted(tag for tag, _ in tags) == sorted(samples[name].class_names)
        assert dict(tags) == {"Dresser": 0.8, "Drawer": 0.8, "Mug": 1.0, "Other": 1.0}  # a drawer's is its dresser's
        for layer in ("overlay", "color", "depth"):
            shown = cv2.imread(str(tmp_path / "page" / f"{name}_{layer}.jpg"))
            assert shown.shape == samples[name].image_rgb.shape
    assert {"Drawer (4)", "Dresser (4)", "Mug (4)", "Other (4)", "train", "val"} <= set(page.options)


def test_view_of_one_split_and_of_nothing(path: Path, tmp_path: Path):
    assert main(["dataset", "view", str(path), "--split", "val", "--out", str(tmp_path / "val")]) == 0
    assert {split for _, split, _ in Page((tmp_path / "val" / "index.html").read_text()).figures} == {"val"}
    assert main(["dataset", "view", str(path), "--split", "test", "--out", str(tmp_path / "test")]) == 0
    assert Page((tmp_path / "test" / "index.html").read_text()).figures == []


def test_merge_keeps_every_sample_and_numbers_it_anew(path: Path, make_frame: Callable[..., Frame]):
    other = path.parent / "other"
    DatasetWriter(other, {"simulator": "test", "seed": 2}).write_episode(0, [make_frame(7, "test")])
    DatasetWriter(other, {"simulator": "test", "seed": 2}).write_episode(5, [make_frame(8, "train")] * 2)
    out = path.parent / "both"
    assert main(["dataset", "merge", str(path), str(other), "--out", str(out)]) == 0
    assert found(out) == []
    merged = Dataset.open(out, sub_objects="apart", parts=True)
    samples = [
        source[k]
        for source in (Dataset.open(folder, sub_objects="apart", parts=True) for folder in (path, other))
        for k in range(len(source))
    ]
    assert len(merged) == len(samples) == 9
    assert len({merged.image(k)["id"] for k in range(len(merged))}) == 9
    for sample, wanted in zip((merged[k] for k in range(9)), samples, strict=True):
        for name in ("image_rgb", "depth_m", "masks", "class_ids", "part_of", "ignore"):
            np.testing.assert_array_equal(getattr(sample, name), getattr(wanted, name))
        assert (sample.scene, sample.class_names) == (wanted.scene, wanted.class_names)
    seeds = [json.loads(file.read_text())["info"]["seed"] for file in sorted((out / "shards").iterdir())]
    assert seeds == [1, 1, 1, 2, 2]


def test_a_killed_merge_goes_on(path: Path):
    out = path.parent / "merged"
    assert merge([path], out, quiet=True) == 6
    before = {file.name: file.read_bytes() for file in out.rglob("*.*") if file.suffix in (".json", ".png")}
    (out / "shards" / "00000001.json").unlink()
    assert merge([path], out, quiet=True) == 6
    assert {file.name: file.read_bytes() for file in out.rglob("*.*") if file.suffix in (".json", ".png")} == before


def test_a_merge_of_sets_that_have_grown_is_refused(path: Path, tmp_path: Path):
    """Episodes are numbered through: those that came after would be left out, and others be there twice."""
    grown = Path(shutil.copytree(path, tmp_path / "grown"))
    last = max((grown / "shards").iterdir())
    kept = last.read_bytes()
    last.unlink()
    before = merge([grown], tmp_path / "out", quiet=True)
    last.write_bytes(kept)
    with pytest.raises(InputError, match="another folder"):
        merge([grown], tmp_path / "out", quiet=True)
    assert len(Dataset.open(tmp_path / "out")) == before < merge([grown], tmp_path / "new", quiet=True)


def test_merge_refuses_a_scene_that_is_in_two_sets(path: Path, tmp_path: Path):
    with pytest.raises(InputError, match="scene_0 .* another --seed .* with other --scenes"):
        merge([path, _copy_of(path)], tmp_path / "both", quiet=True)
    assert not (tmp_path / "both").exists()
    with pytest.raises(InputError, match="dataset.json"):
        merge([tmp_path / "nothing"], tmp_path / "new", quiet=True)


def test_merge_takes_every_folder_once(path: Path, tmp_path: Path):
    for same in (path, path / "images/..", path.parent / "link"):
        (path.parent / "link").unlink(missing_ok=True)
        (path.parent / "link").symlink_to(path)
        with pytest.raises(InputError, match=f"{re.escape(str(same))}.*name it once"):
            merge([path, same], tmp_path / "both", quiet=True)
    assert not (tmp_path / "both").exists()


def _copy_of(path: Path) -> Path:
    return Path(shutil.copytree(path, path.parent / "copy"))
