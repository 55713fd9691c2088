"""`saom bench-teach` with the bundled model on simulated rooms, and which objects it takes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.model_file.taught import TaughtClass
from saom_core.runtime import OnnxModel
from saom_training.benches.remembered import Remembered, RememberingClassifier
from saom_training.benches.teaching.shown import CLEAR_PX, CLEAR_SHARE, halves, shown_objects
from saom_training.data.annotations import decode_masks
from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.photographs.labelled import photographs_of


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    options = "--frames 12 --frames-per-scene 6 --size 256x192 --workers 1 --seed 3"
    assert main(["collect", "--out", str(folder), *options.split()]) == 0
    return folder


@pytest.mark.slow
def test_objects_are_shown_clearly_and_have_no_twin(rooms: Path) -> None:
    """Against the data set itself, read picture by picture."""
    data = Dataset.open(rooms)
    objects = shown_objects(data, 3)
    assert len(objects) >= 3
    names = {f"{entry['style']} of {scene}" for row, scene in enumerate(data.scenes()) for entry in data.entries(row)}
    for shown in objects:
        assert shown.name in names and len(shown.views) >= 3
        style, scene = shown.name.split(" of ")
        for row in range(len(data)):
            same = [entry for entry in data.entries(row) if entry.get("style") == style]
            same = [entry for entry in same if data.class_names[entry["category_id"]] == shown.class_name]
            if data.scenes()[row] != scene:
                continue
            assert len(same) <= 1
            clear = [e for e in same if e["area"] >= CLEAR_PX and e["visible"] >= CLEAR_SHARE]
            assert [e["segmentation"] for e in clear] == [rle for k, rle in shown.views if k == row]


@pytest.mark.slow
def test_halves_share_no_scene(rooms: Path) -> None:
    one, other = halves(Dataset.open(rooms))
    scenes = [set(half.scenes()) for half in (one, other)]
    assert all(scenes) and not scenes[0] & scenes[1]
    assert len(one) + len(other) == 12


def blocks(scene: str, *things: str) -> Frame:
    """A picture of blocks of 40 x 20 px in a row, all of one class and style; "" is one that stands nowhere else."""
    ids = np.full((60, 200), -1, np.int32)
    for k in range(len(things)):
        ids[20:40, 48 * k + 2 : 48 * k + 42] = k
    return Frame(
        image_rgb=np.zeros((60, 200, 3), np.uint8),
        depth_m=np.ones((60, 200), np.float32),
        object_ids=ids,
        part_ids=np.zeros((60, 200), np.int32),
        objects=tuple(FrameObject("Box", "block", thing=thing) for thing in things),
        camera=CameraIntrinsics(200.0, 200.0, 99.5, 29.5, 200, 60),
        pose=np.eye(4),
        scene=scene,
        split="train",
    )


def written(folder: Path, *scenes: list[Frame]) -> Dataset:
    writer = DatasetWriter(folder, {"simulator": "blocks"})
    for number, frames in enumerate(scenes):
        writer.write_episode(number, frames)
    return Dataset.open(folder)


def test_a_thing_is_taught_in_each_of_its_rooms_and_met_in_the_other(tmp_path: Path) -> None:
    data = written(
        tmp_path,
        [blocks("a", "one", "two", ""), blocks("a", "one", "", "two")],  # the third one is seen in no other room
        [blocks("b", "", "one"), blocks("b", "one")],
        [blocks("c", ""), blocks("c", "")],
    )
    found = shown_objects(data, 2)
    assert [(shown.name, [row for row, _ in shown.views]) for shown in found] == [
        ("block of a", [0, 1]),
        ("block of b", [2, 3]),
    ]
    assert [[row for row, _ in shown.elsewhere] for shown in found] == [[2, 3], [0, 1]]
    columns = [int(np.flatnonzero(decode_masks([rle], (60, 200))[0].any(0))[0]) for _, rle in found[0].elsewhere]
    assert columns == [50, 2], "the masks are the thing's own"


def test_where_nothing_stands_in_two_rooms_all_objects_are_taught(tmp_path: Path) -> None:
    found = shown_objects(written(tmp_path, [blocks("a", "")] * 2, [blocks("b", "one", "")] * 2), 2)
    assert [(shown.name, shown.elsewhere) for shown in found] == [
        ("block of a", ()),
        ("block of b", ()),
        ("block of b", ()),
    ]


def test_halves_share_no_thing(tmp_path: Path) -> None:
    rooms = ["one"], ["one", "two"], ["three"], [""], ["three", ""], ["two"]
    data = written(tmp_path, *([blocks(str(k), *things)] for k, things in enumerate(rooms)))
    assert [half.scenes() for half in halves(data)] == [["0", "1", "3", "5"], ["2", "4"]]


@pytest.mark.slow
def test_things_are_met_in_another_room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--frames", "20", "--frames-per-scene", "5", "--size", "256x192", "--workers", "1", "--seed", "3001"]
    command = ["collect", "--out", str(tmp_path / "twice"), *options, "--things-twice", "--room-share", "0"]
    assert main(command) == 0
    command = ["bench-teach", "--data", str(tmp_path / "twice"), "--json", str(tmp_path / "f.json"), "--split", "all"]
    assert main([*command, "--objects", "4", "--examples", "3", "--other-pictures", "2"]) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["taught"] > 0 and figures["elsewhere_views"] >= figures["elsewhere_found"] > 0
    assert figures["elsewhere_named"] <= figures["elsewhere_found"]
    assert figures["crossed_elsewhere_named"] <= figures["crossed_elsewhere_found"] <= figures["elsewhere_views"]
    expected = f"found in {figures['elsewhere_found']} of {figures['elsewhere_views']}, named"
    assert expected in capsys.readouterr().out


@pytest.mark.slow
def test_figures_add_up(rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--split all --objects 4 --examples 3 --other-pictures 2"
    assert main(["bench-teach", "--data", str(rooms), "--json", str(tmp_path / "f.json"), *options.split()]) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["objects"] == 4 and figures["taught"] <= 4
    assert figures["named"] <= figures["found"] <= figures["next_views"]
    assert figures["crossed_named"] <= figures["crossed_found"] <= figures["next_views"]
    assert figures["crossed_others_named"] <= figures["crossed_others"]
    assert figures["others_named"] <= figures["others"] and bool(figures["others"]) == bool(figures["taught"])
    before, alone, together = (figures["kept"][key] for key in ("untaught", "each_alone", "all_taught"))
    assert before["AP50"] > 0 and before["AP50"] == together["AP50"], "teaching gives names and no masks"
    assert alone["AP50"] == pytest.approx(before["AP50"])
    assert f"{figures['taught']} of 4 objects" in capsys.readouterr().out


@pytest.mark.slow
def test_too_few_pictures(rooms: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench-teach", "--data", str(rooms), "--split", "all", "--examples", "40"]) == 1
    assert "41 pictures show clearly" in capsys.readouterr().err


@pytest.fixture(scope="module")
def photographs(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of two rooms in the form of labelled photographs, two of each."""
    folder = tmp_path_factory.mktemp("photographs")
    data = Dataset.open(rooms)
    listed: dict[str, dict[str, dict[str, str]]] = {}
    first_rows = {scene: data.scenes().index(scene) for scene in data.scenes()}
    for number, begin in enumerate(first_rows.values()):
        for row in range(begin, begin + 2):
            sample, name = data[row], f"room{number}-{row:03d}"
            entries = [entry for entry in data.entries(row) if entry["part_of"] is None]
            labels = np.zeros(sample.image_rgb.shape[:2], np.uint8)
            listed[name] = {}
            for k, (entry, mask) in enumerate(zip(entries, sample.masks, strict=True)):
                if entry["area"] >= CLEAR_PX and entry["visible"] >= CLEAR_SHARE:
                    labels[np.asarray(mask, np.bool_)] = k + 1
                    listed[name][str(k + 1)] = {"object": f"{entry['category_id']} {entry['style']}"}
            cv2.imwrite(str(folder / f"{name}-color.png"), sample.image_rgb[..., ::-1])
            cv2.imwrite(str(folder / f"{name}-depth.png"), np.rint(1000 * sample.depth_m).astype(np.uint16))
            cv2.imwrite(str(folder / f"{name}-label.png"), labels)
    (folder / "objects.json").write_text(json.dumps(listed))
    return folder


@pytest.mark.slow
def test_an_object_is_met_in_each_photograph_after_the_others_taught_it(photographs: Path, tmp_path: Path) -> None:
    listed = json.loads((photographs / "objects.json").read_text())
    places = [photographs / "room0", photographs / "room1"]
    assert [len(photographs_of(place)) for place in (*places, photographs)] == [2, 2, 4]
    times = Counter((name[:5], what["object"]) for name, objects in listed.items() for what in objects.values())
    options = ["--by", "looks", "--without-depth", "--json", str(tmp_path / "f.json")]
    assert main(["bench-teach", "--photos", *map(str, places), *options]) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["sets"] == sum(count for count in times.values() if count > 1) > 0
    assert figures["by"] == "looks" and not figures["with_depth"]
    assert figures["taught"] <= figures["sets"]
    assert figures["named"] <= figures["found"] <= figures["taught"]
    assert figures["crossed_named"] <= figures["crossed_found"] <= figures["taught"]
    assert bool(figures["others"]) == bool(figures["taught"]) and figures["others_named"] <= figures["others"]


def test_photographs_that_share_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "objects.json").write_text(json.dumps({"a": {"1": {"object": "mug"}}}))
    assert main(["bench-teach", "--photos", str(tmp_path)]) == 1
    assert "two photographs of a place show, got none" in capsys.readouterr().err


@pytest.mark.slow
def test_a_remembered_model_answers_as_the_model_itself(rooms: Path) -> None:
    image, depth = Dataset.open(rooms)[0].image_rgb, Dataset.open(rooms)[0].depth_m
    model = OnnxModel("", "cpu", 1)
    fresh = OnnxSegmenter(SaomConfig(threads=1), model).segment(image, depth).instances
    assert len(fresh) > 0
    asked = Remembered(model, RememberingClassifier())
    size = model.info.reference.described.shape[1] if model.info.reference else 0
    away = TaughtClass("away", -np.full(size, size**-0.5, np.float32), 0.9, {})
    for classes in ([], [away], []):
        again = asked.segmenter(classes).segment(image, depth).instances
        assert again.class_names == fresh.class_names and again.scores.tobytes() == fresh.scores.tobytes()
    assert asked.segmenter([away]).info.class_names == (*model.info.class_names, "away")
    other = asked.segmenter([]).segment(image[:, ::-1].copy(), None).instances
    assert other.scores.tobytes() != fresh.scores.tobytes()
