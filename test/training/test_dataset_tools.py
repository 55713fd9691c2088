"""`saom dataset`: counts are right, the check finds what was broken, the authors' format is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_core.errors import InputError
from training.annotations import encode_mask
from training.dataset import Dataset, DatasetWriter
from training.dataset_merge import merge
from training.dataset_tools import import_authors, main, problems, statistics
from training.simulator import Frame


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
    return list(problems(Dataset.open(path, parts=True), quiet=True))


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
    assert main(["check", str(path)]) == 0


def test_check_finds_broken_files(path: Path):
    (path / "images" / "0000000000.png").write_bytes(b"")
    (path / "depth" / "0000000100.png").unlink()
    cv2.imwrite(str(path / "depth" / "0000000101.png"), np.zeros((60, 80), np.uint8))
    lines = found(path)
    assert len(lines) == 3
    assert "images/0000000000.png is missing or broken" in lines[0]
    assert "depth/0000000100.png is missing or broken" in lines[1]
    assert "uint8" in lines[2]
    assert main(["check", str(path)]) == 1


def test_check_finds_bad_masks_and_leaks(path: Path):
    def spoil(shard):
        shard["annotations"][0]["segmentation"] = encode_mask(np.zeros((60, 80), bool))
        shard["annotations"][1]["part_of"] = 123
        shard["annotations"][2]["category_id"] = 99
        shard["annotations"][3]["area"] += 1
        shard["images"][1]["scene"] = "scene_2"

    change_shard(path, 0, spoil)
    text = "\n".join(found(path))
    for wanted in ("empty mask", "part of 123", "unknown category 99", "pixels", "scene_2 is in two splits"):
        assert wanted in text


def test_check_finds_overlapping_wholes(path: Path):
    change_shard(path, 0, lambda shard: shard["annotations"].append({**shard["annotations"][0], "id": 5}))
    assert any("overlap on" in line for line in found(path))


def test_view_writes_a_page_with_all_its_pictures(path: Path, tmp_path: Path):
    assert main(["view", str(path), "--limit", "4", "--out", str(tmp_path / "page")]) == 0
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("<figure ") == 4
    assert '<option value="Mug">Mug (4)</option>' in page
    for picture in Dataset.open(path).images:
        name = f"{picture['id']:010d}"
        if name in page:
            assert all(
                (tmp_path / "page" / f"{name}_{layer}.jpg").stat().st_size for layer in ("overlay", "color", "depth")
            )


def authors_folder(folder: Path) -> Path:
    """Two pictures of one training scene and one of a validation scene in the authors' layout."""
    rng = np.random.default_rng(0)
    content = {"entity classes": ["Mug", "Painting", "Bowl"], "train_data": [], "val_data": [], "test_data": []}
    for number, (split, scene) in enumerate((("train", "FloorPlan1"), ("train", "FloorPlan1"), ("val", "FloorPlan21"))):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 255, (40, 50, 3), np.uint8))
        masks = []
        for index, (name, box) in enumerate(
            (("Bowl", (0, 40, 0, 50)), ("Mug", (5, 20, 5, 20)), ("Painting", (25, 35, 5, 45)))
        ):
            mask = np.zeros((40, 50, 3), np.uint8)
            mask[box[0] : box[1], box[2] : box[3]] = 255
            masks.append(f"{scene}-{number}-{name}-{index}.png")
            cv2.imwrite(str(folder / masks[-1]), mask)
        content[f"{split}_data"].append(
            {"image_name": f"{number}.png", "entity_masks": masks, "entity_indices": [2, 0, 1]}
        )
    (folder / "metadata.json").write_text(json.dumps(content))
    return folder / "metadata.json"


def test_import_of_the_authors_format(tmp_path: Path):
    metadata = authors_folder(tmp_path)
    assert import_authors(metadata, tmp_path, tmp_path / "out", quiet=True) == 3
    assert found(tmp_path / "out") == []
    train, val = Dataset.open(tmp_path / "out", "train"), Dataset.open(tmp_path / "out", "val")
    assert (len(train), len(val)) == (2, 1)
    assert {image["scene"] for image in train.images} == {"FloorPlan1"}
    sample = train[0]
    assert sample.class_names == ("Bowl", "Mug", "Other")
    assert sample.masks[1].sum() == 15 * 15
    assert sample.masks[0].sum() == 40 * 50 - 15 * 15 - 10 * 40  # the larger one lies behind
    assert not sample.depth_m.any()


def test_import_refuses_other_files(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"images": []}')
    with pytest.raises(InputError, match="entity classes"):
        import_authors(tmp_path / "a.json", tmp_path, tmp_path / "out")
    metadata = authors_folder(tmp_path)
    (tmp_path / "1.png").unlink()
    with pytest.raises(InputError, match="1.png"):
        import_authors(metadata, tmp_path, tmp_path / "out2", quiet=True)


def test_merge_keeps_every_sample_and_numbers_it_anew(path: Path, make_frame: Callable[..., Frame]):
    other = path.parent / "other"
    DatasetWriter(other, {"simulator": "test", "seed": 2}).write_episode(0, [make_frame(7, "test")])
    DatasetWriter(other, {"simulator": "test", "seed": 2}).write_episode(5, [make_frame(8, "train")] * 2)
    out = path.parent / "both"
    assert main(["merge", str(path), str(other), "--out", str(out)]) == 0
    assert found(out) == []
    merged = Dataset.open(out, sub_objects="apart", parts=True)
    samples = [
        source[k]
        for source in (Dataset.open(folder, sub_objects="apart", parts=True) for folder in (path, other))
        for k in range(len(source))
    ]
    assert len(merged) == len(samples) == 9
    assert len({image["id"] for image in merged.images}) == 9
    for sample, wanted in zip((merged[k] for k in range(9)), samples, strict=True):
        for name in ("image_rgb", "depth_m", "masks", "class_ids", "part_of", "ignore"):
            np.testing.assert_array_equal(getattr(sample, name), getattr(wanted, name))
        assert (sample.scene, sample.class_names) == (wanted.scene, wanted.class_names)
    seeds = [json.loads(file.read_text())["info"]["seed"] for file in sorted((out / "shards").iterdir())]
    assert seeds == [1, 1, 1, 2, 2]


def test_a_killed_merge_goes_on(path: Path):
    out = path.parent / "merged"
    assert merge([path], out, quiet=True) == 6
    before = {file.name: file.read_bytes() for file in out.rglob("*.*") if file.is_file()}
    (out / "shards" / "00000001.json").unlink()
    assert merge([path], out, quiet=True) == 6
    assert {file.name: file.read_bytes() for file in out.rglob("*.*") if file.is_file()} == before


def test_merge_refuses_a_scene_that_is_in_two_sets(path: Path, tmp_path: Path):
    with pytest.raises(InputError, match="scene_0"):
        merge([path, _copy_of(path)], tmp_path / "both", quiet=True)
    assert not (tmp_path / "both").exists()
    with pytest.raises(InputError, match="dataset.json"):
        merge([tmp_path / "nothing"], tmp_path / "new", quiet=True)


def _copy_of(path: Path) -> Path:
    return Path(shutil.copytree(path, path.parent / "copy"))
