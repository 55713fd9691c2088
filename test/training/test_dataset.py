"""The data set: what is written is read, atomically, resumably, by scene."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from saom_cli.main import main
from saom_core.arguments import size_hw, sizes_hw
from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.files import write_atomically
from saom_core.taxonomy import CLASSES, OTHER
from saom_training.benches.collect import lost_by_kills, rates, step_times_ms
from saom_training.collect import collect
from saom_training.data.annotations import annotate, decode_masks, encode_mask
from saom_training.data.frames import Frame, FrameObject
from saom_training.data.shards import pack_episode
from saom_training.dataset import Dataset, DatasetWriter, only_writer
from saom_training.dataset_tools.check import problems
from saom_training.dataset_tools.merge import merge
from saom_training.running.checks import TrainingError, check_data
from saom_training.simulators.interface import CollectOptions, available_simulators, make_simulator

SIZE_HW = (60, 80)
INFO = {"simulator": "test", "seed": 1}


@pytest.fixture
def frame(make_frame: Callable[..., Frame]) -> Frame:
    return make_frame()


def test_round_trip(tmp_path: Path, frame: Frame):
    DatasetWriter(tmp_path, INFO).write_episode(3, [frame])
    sample = Dataset.open(tmp_path)[0]
    np.testing.assert_array_equal(sample.image_rgb, frame.image_rgb)
    np.testing.assert_allclose(sample.depth_m, frame.depth_m, atol=0.0005 + 1e-6)
    assert sample.class_names == ("Dresser", "Mug", OTHER)
    assert sample.class_ids.tolist() == [CLASSES.index("Dresser"), CLASSES.index("Mug"), len(CLASSES)]
    for mask, index in zip(sample.masks, (0, 1, 4), strict=True):
        np.testing.assert_array_equal(mask, frame.object_ids == index)
    np.testing.assert_array_equal(sample.ignore, np.isin(frame.object_ids, (2, 3)))
    assert sample.part_of.tolist() == [-1, -1, -1]
    assert sample.camera == frame.camera
    np.testing.assert_allclose(sample.visible, [0.8, 1.0, 1.0])


def test_depth_that_is_not_asked_for_is_not_read(tmp_path: Path, frame: Frame):
    DatasetWriter(tmp_path, {}).write_episode(0, [frame])
    for picture in (tmp_path / "depth").iterdir():
        picture.unlink()
    sample = Dataset.open(tmp_path, depth=False)[0]
    assert sample.depth_m.shape == frame.depth_m.shape and not sample.depth_m.any()
    np.testing.assert_array_equal(sample.image_rgb, frame.image_rgb)


def test_depth_that_cannot_be_stored_is_none(tmp_path: Path, frame: Frame):
    depth_m = np.full(SIZE_HW, 1.5, np.float32)
    wrong = [np.nan, np.inf, -np.inf, -1, 65.54, 1e9, 0]
    depth_m[0, : len(wrong)] = wrong
    depth_m[1, 0] = 65.535
    expected = np.where((depth_m > 0) & (depth_m < 65.536), depth_m, 0)
    nothing = np.full(SIZE_HW, np.inf, np.float32)
    frames = [dataclasses.replace(frame, depth_m=one) for one in (depth_m, nothing)]
    DatasetWriter(tmp_path, INFO).write_episode(0, frames)
    data = Dataset.open(tmp_path)
    np.testing.assert_allclose(data[0].depth_m, expected, atol=1e-5)
    assert not data[1].depth_m.any()


@pytest.mark.parametrize(
    ("factor", "said"), [(1000, "a median of 1.5e.03 m"), (0.001, "0.0015 m"), (-1, "negative ones")]
)
def test_depth_of_a_wrong_unit_is_refused(tmp_path: Path, frame: Frame, factor: float, said: str):
    wrong = dataclasses.replace(frame, depth_m=np.full(SIZE_HW, 1.5 * factor, np.float32))
    with pytest.raises(InputError, match=f"{said}: give metres"):
        DatasetWriter(tmp_path, INFO).write_episode(0, [wrong])
    assert not list((tmp_path / "shards").iterdir())


def test_masks_are_disjoint_and_cover_exactly_what_is_not_background(frame: Frame):
    annotations, _, ignore = annotate(frame, 0)
    wholes = [entry for entry in annotations if entry["part_of"] is None]
    count = decode_masks([entry["segmentation"] for entry in wholes], SIZE_HW).sum(0) + ignore
    np.testing.assert_array_equal(count, frame.object_ids >= 0)


def test_sub_objects_merged_or_apart(tmp_path: Path, frame: Frame):
    DatasetWriter(tmp_path, INFO).write_episode(0, [frame])
    merged = Dataset.open(tmp_path)[0]
    apart = Dataset.open(tmp_path, sub_objects="apart")[0]
    drawer = (frame.object_ids == 0) & (frame.part_ids == 1)
    assert "Drawer" not in merged.class_names
    row, whole = apart.class_names.index("Drawer"), apart.class_names.index("Dresser")
    assert apart.part_of[row] == whole
    np.testing.assert_array_equal(apart.masks[row], drawer)
    np.testing.assert_array_equal(apart.masks[whole], (frame.object_ids == 0) & ~drawer)
    names = ("Dresser", "Drawer")
    check_data(Dataset.open(tmp_path, sub_objects="apart"), names)
    with pytest.raises(TrainingError, match="none of Drawer"):  # there is no drawer to learn from
        check_data(Dataset.open(tmp_path), names)


def test_parts_come_after_the_wholes(tmp_path: Path, frame: Frame):
    DatasetWriter(tmp_path, INFO).write_episode(0, [frame])
    sample = Dataset.open(tmp_path, parts=True)[0]
    row = sample.class_names.index("handle")
    assert sample.class_ids[row] == -1
    assert sample.class_names[sample.part_of[row]] == "Mug"
    np.testing.assert_array_equal(sample.masks[row], (frame.object_ids == 1) & (frame.part_ids == 1))
    assert (np.diff((sample.part_of >= 0).astype(int)) >= 0).all()


def test_coco_tools_read_a_shard(tmp_path: Path, frame: Frame):
    DatasetWriter(tmp_path, INFO).write_episode(0, [frame])
    coco = COCO(str(tmp_path / "shards" / "00000000.json"))
    assert len(coco.getImgIds()) == 1
    mug = coco.loadAnns(coco.getAnnIds(catIds=[CLASSES.index("Mug")]))[0]
    mask = coco.annToMask(mug).astype(bool)
    np.testing.assert_array_equal(mask, frame.object_ids == 1)
    rows, columns = np.nonzero(mask)
    assert mug["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert mug["area"] == mask.sum() == coco_mask.area(coco.annToRLE(mug))


def test_rle_round_trip_of_odd_masks():
    rng = np.random.default_rng(0)
    masks = [np.zeros((7, 5), bool), np.ones((7, 5), bool), rng.random((7, 5)) > 0.5]
    single = np.zeros((7, 5), bool)
    single[6, 4] = True
    masks.append(single)
    np.testing.assert_array_equal(decode_masks([encode_mask(mask) for mask in masks], (7, 5)), np.stack(masks))
    assert decode_masks([], (7, 5)).shape == (0, 7, 5)
    with pytest.raises(InputError, match=r"5 rows and 7 columns, as the picture's, got one of \[7, 5\]"):
        decode_masks([encode_mask(masks[0].T), encode_mask(masks[0])], (5, 7))


def test_split_is_by_scene(tmp_path: Path, make_frame: Callable[..., Frame]):
    writer = DatasetWriter(tmp_path, INFO)
    for index, split in enumerate(("train", "val", "train", "test")):
        writer.write_episode(index, [make_frame(index, split), make_frame(index, split)])
    scenes = {split: set(Dataset.open(tmp_path, split).scenes()) for split in ("train", "val", "test")}
    assert [len(found) for found in scenes.values()] == [2, 1, 1]
    assert not scenes["train"] & scenes["val"]
    assert len(Dataset.open(tmp_path)) == 8


def test_an_empty_episode_is_remembered(tmp_path: Path):
    writer = DatasetWriter(tmp_path, INFO)
    writer.write_episode(4, [])
    assert writer.done() == {4}
    assert len(Dataset.open(tmp_path)) == 0


def test_unfinished_files_are_never_read(tmp_path: Path, frame: Frame):
    writer = DatasetWriter(tmp_path, INFO)
    writer.write_episode(0, [frame])
    (tmp_path / "shards" / ".00000001.json.77.tmp").write_text('{"images": [')  # a collector died here
    (tmp_path / "images" / "0000000100.png").write_bytes(b"half")
    assert writer.done() == {0}
    assert len(Dataset.open(tmp_path)) == 1


def test_write_atomically_replaces(tmp_path: Path):
    path = tmp_path / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["file"]


def test_other_options_are_refused(tmp_path: Path):
    DatasetWriter(tmp_path, INFO)
    with pytest.raises(InputError, match="seed"):
        DatasetWriter(tmp_path, {**INFO, "seed": 2})


def test_no_data_set_and_unknown_split_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="saom collect"):
        Dataset.open(tmp_path)
    DatasetWriter(tmp_path, INFO)
    with pytest.raises(InputError, match="'dev'"):
        Dataset.open(tmp_path, "dev")  # type: ignore[arg-type]


def test_a_broken_picture_is_named(tmp_path: Path, frame: Frame):
    DatasetWriter(tmp_path, INFO).write_episode(0, [frame])
    (tmp_path / "images" / "0000000000.png").write_bytes(b"")
    with pytest.raises(InputError, match="0000000000.png"):
        Dataset.open(tmp_path)[0]


@pytest.mark.parametrize("folder", ["images", "depth"])
def test_a_picture_of_another_size_is_named(tmp_path: Path, frame: Frame, folder: str):
    DatasetWriter(tmp_path, INFO).write_episode(0, [frame])
    path = tmp_path / folder / "0000000000.png"
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:-1])
    rows, columns = frame.object_ids.shape
    with pytest.raises(InputError, match=rf"{rows} rows and {columns} columns in .*{folder}/0.*got {rows - 1} and"):
        Dataset.open(tmp_path)[0]


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_broken_description_is_named(tmp_path: Path, frame: Frame, text: str):
    DatasetWriter(tmp_path, INFO).write_episode(0, [frame])
    (tmp_path / "dataset.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"in .*dataset\.json, got .*`saom dataset check`"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(
    ("kind", "key"),
    [("images", "split"), ("images", "camera"), ("images", "ignore"), ("annotations", "part_of"), ("parts", "name")],
)
def test_what_an_entry_lacks_is_named(tmp_path: Path, frame: Frame, kind: str, key: str):
    DatasetWriter(tmp_path, INFO).write_episode(0, [frame])
    path = tmp_path / "shards" / "00000000.json"
    shard = json.loads(path.read_text())
    del shard[kind][-1][key]
    path.write_text(json.dumps(shard))
    with pytest.raises(InputError, match=rf"of the {kind} in .*00000000\.json, .* no {key}: .*`saom dataset check`"):
        Dataset.open(tmp_path)


def test_entries_that_are_no_objects_are_named(tmp_path: Path):
    DatasetWriter(tmp_path, INFO).write_episode(0, [])
    path = tmp_path / "shards" / "00000000.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "images": [3]}))
    with pytest.raises(InputError, match="number 0 has no id, file_name"):
        Dataset.open(tmp_path)


# --- collecting


def content(path: Path) -> dict[str, bytes]:
    """Everything in the folder, drafts of a killed process too; the index is made of the shards."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in (".lock", "index.sqlite")
    }


@pytest.mark.slow
def test_killed_at_random_moments_it_resumes_to_the_same_data_set(tmp_path: Path):
    """Kill -9 the collector again and again: finished episodes stay as they are, and the end is as without a kill."""
    options = CollectOptions("rooms", 5, (48, 64), 2)
    collect(options, tmp_path / "whole", episodes=8, workers=1, quiet=True)
    assert lost_by_kills(options, tmp_path / "killed", 8, kills=3, quiet=True) == 0
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_work_is_done_again(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "saom_cli.main",
        "collect",
        "--out",
        str(tmp_path),
        "--frames",
        "12",
        "--size",
        "64x48",
    ]
    command += ["--workers", "2", "--seed", "5", "--frames-per-scene", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.glob("shards/[0-9]*.json")):
            pass
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(workers) == 2
        os.kill(int(workers[0]), signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode == 0, said
    assert "a worker died" in said
    assert DatasetWriter(tmp_path, json.loads((tmp_path / "dataset.json").read_text())).done() == set(range(12))


@pytest.mark.skipif(sys.platform != "linux", reason="only there a worker asks to die with its parent")
def test_a_worker_whose_parent_has_died_ends_and_one_whose_parent_is_process_1_does_not(tmp_path: Path):
    """In a container the collector may be process 1, which elsewhere is the parent of those who lost theirs."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom saom_training.collect import _start_worker\n"
        "from saom_training.simulators.interface import CollectOptions\nparent, told = map(int, sys.argv[1:])\n"
        "os.getppid = lambda: parent\n"
        "_start_worker(CollectOptions('rooms', 0, (48, 64), 1), Path('.'), told)\nprint('at work')"
    )
    said = {}
    for parent, told in ((1, 1), (7, 7), (1, 7)):
        words = [sys.executable, "-c", program, str(parent), str(told)]
        ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        said[parent, told] = ran.returncode, ran.stdout.strip()
    assert said == {(1, 1): (0, "at work"), (7, 7): (0, "at work"), (1, 7): (1, "")}


@pytest.mark.slow
def test_figures_of_collecting_add_up(tmp_path: Path):
    options = CollectOptions("rooms", 5, (48, 64), 1)
    frames_per_s, megabytes = rates(options, tmp_path, 3, workers=1)
    size = sum(file.stat().st_size for file in tmp_path.rglob("0*.*"))
    assert frames_per_s > 0 and megabytes == pytest.approx(size / 3 / 1e3)
    times = step_times_ms(options, 1)
    assert 0.5 * times["all"] < sum(times.values()) - times["all"] <= times["all"]


def test_finished_episodes_are_not_made_again(tmp_path: Path):
    options = CollectOptions("rooms", 5, (48, 64), 1)
    assert collect(options, tmp_path, episodes=2, workers=1, quiet=True) == 2
    assert collect(options, tmp_path, episodes=2, workers=1, quiet=True) == 0


def test_dry_run_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["collect", "--out", str(tmp_path / "new"), "--frames", "20", "--dry-run"]) == 0
    assert "4 scenes x 6 frames of 400x300" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


SMALL = ["--frames", "5", "--frames-per-scene", "1", "--size", "64x48,80x40", "--workers", "1", "--seed", "5"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data set of two sizes, and what its making said."""
    path = tmp_path_factory.mktemp("small") / "set"
    command = [sys.executable, "-m", "saom_cli.main", "collect", *SMALL, "--out", str(path)]
    return path, subprocess.run(command, check=True, capture_output=True, text=True).stderr


@pytest.mark.slow
def test_several_sizes_in_one_data_set(small: tuple[Path, str]):
    dataset = Dataset.open(small[0])
    assert {dataset[k].depth_m.shape for k in range(len(dataset))} == {(48, 64), (40, 80)}


@pytest.mark.slow
def test_progress_tells_rate_and_time_left(small: tuple[Path, str]):
    assert "5/5" in small[1]
    assert re.search(r"\d+:\d+<\d+:\d+, +[\d.]+(frame/s|s/frame)", small[1])  # passed < left, rate


@pytest.mark.slow
def test_dry_run_says_what_collecting_would_do_or_refuse(small: tuple[Path, str], capsys: pytest.CaptureFixture[str]):
    again = [*SMALL, "--out", str(small[0])]
    assert main(["collect", *again, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "5 scenes x 1 frames of 64x48 or 80x40" in said and "5 scenes are done" in said
    assert main(["collect", *again, "--dry-run", "--seed", "1"]) == 1
    assert "got one of {'seed': 5}" in capsys.readouterr().err
    assert main(["collect", *SMALL, "--out", str(small[0].parent / "new"), "--simulator", "ai2thor"]) == 1
    assert "expected one size with ai2thor" in capsys.readouterr().err


def test_a_broken_description_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "dataset.json").write_text("{")
    for more in (["--dry-run"], []):
        assert main(["collect", "--out", str(tmp_path), *more]) == 1
        assert "dataset.json" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--frames", "0"], ["--workers", "0"], ["--frames-per-scene", "101"]])
def test_bad_numbers_are_refused(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["collect", "--out", str(tmp_path), *arguments]) == 1
    assert "expected" in capsys.readouterr().err


def test_an_unknown_simulator_is_refused():
    with pytest.raises(InputError, match="rooms"):
        make_simulator(CollectOptions("gazebo", 0, (48, 64), 1))
    assert "rooms" in available_simulators()


def test_sizes():
    assert size_hw("640x480") == (480, 640)
    assert sizes_hw("640x480,320x240") == [(480, 640), (240, 320)]
    for text in ("640", "0x3", "x", "99999x100", "640x480,"):
        with pytest.raises(Exception, match="expected (WIDTHxHEIGHT|two positive numbers)"):
            sizes_hw(text)


def test_skipped_views_have_one_order_however_they_came_about(make_frame: Callable[..., Frame]) -> None:
    one = pack_episode(0, [make_frame()], {}, {"too near": 1, "action refused": 2})
    other = pack_episode(0, [make_frame()], {}, {"action refused": 2, "too near": 1})
    assert one == other


def test_drafts_of_a_killed_process_go_and_two_writers_are_refused(
    tmp_path: Path, make_frame: Callable[..., Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = DatasetWriter(tmp_path, {"simulator": "test"})
    writer.write_episode(0, [make_frame()])
    before = content(tmp_path)
    for name in ("shards/.00000001.json.7.tmp", "images/.0000000100.png.7.tmp", ".dataset.json.7.tmp"):
        (tmp_path / name).write_bytes(b"{")
    with only_writer(tmp_path):
        assert content(tmp_path) == before
        with pytest.raises(InputError, match="another program writes there"), only_writer(tmp_path):
            pass


def test_places_where_nothing_can_be_written_are_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert main(["collect", "--out", str(file), "--frames", "1"]) == 1
    assert "expected a folder to write to, got a file" in capsys.readouterr().err
    assert file.read_text() == "mine"


NAMES_OUTSIDE = [
    "../secret.png",
    "/etc/hostname",
    "images/../../secret.png",
    "a\\..\\..\\secret.png",
    "C:\\x.png",
    "",
    5,
    None,
]


@pytest.mark.parametrize("name", NAMES_OUTSIDE)
@pytest.mark.parametrize("key", ["file_name", "depth_file_name"])
def test_names_that_lead_out_of_the_set_are_refused_by_every_reader(
    tmp_path: Path, make_frame: Callable[..., Frame], name: object, key: str
) -> None:
    path = tmp_path / "set"
    DatasetWriter(path, {"simulator": "test"}).write_episode(0, [make_frame()])
    shutil.copy(path / "images/0000000000.png", tmp_path / "secret.png")
    shard_path = path / "shards/00000000.json"
    shard = json.loads(shard_path.read_text())
    shard["images"][0][key] = name
    shard_path.write_text(json.dumps(shard))
    with pytest.raises(InputError, match="expected the path of a file in"):
        Dataset.open(path)[0]
    assert any("expected the path of a file in" in line for line in problems(path, quiet=True))
    with pytest.raises(InputError, match="expected the path of a file in"):
        merge([path], tmp_path / "merged", quiet=True)
    assert not list((tmp_path / "merged/shards").iterdir())


def test_a_symbolic_link_out_of_the_set_is_not_followed(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    path = tmp_path / "set"
    DatasetWriter(path, {"simulator": "test"}).write_episode(0, [make_frame()])
    picture = path / "images/0000000000.png"
    shutil.move(picture, tmp_path / "secret.png")
    picture.symlink_to(tmp_path / "secret.png")
    for read in (lambda: Dataset.open(path)[0], lambda: merge([path], tmp_path / "merged", quiet=True)):
        with pytest.raises(InputError, match="a symbolic link out of it"):
            read()
    (tmp_path / "link").symlink_to(path)
    picture.unlink()
    shutil.copy(tmp_path / "secret.png", picture)
    assert len(Dataset.open(tmp_path / "link")[0].masks), "the set's own folder may be a link"


@pytest.mark.parametrize("count", [0, 1, 300])
def test_pictures_of_no_one_and_300_objects(tmp_path: Path, count: int) -> None:
    size = (240, 320)
    ids = np.full(size, -1, np.int32)
    for k in range(count):
        row, column = divmod(k, 20)
        ids[16 * row : 16 * row + 15, 16 * column : 16 * column + 15] = k
    objects = tuple(FrameObject("Mug", "mug") for _ in range(count))
    camera = CameraIntrinsics(300.0, 300.0, 159.5, 119.5, 320, 240)
    arrays = (np.zeros((*size, 3), np.uint8), np.ones(size, np.float32), ids, np.zeros(size, np.int32))
    frame = Frame(*arrays, objects, camera, np.eye(4), "scene", "train")
    DatasetWriter(tmp_path / "set", {"simulator": "test"}).write_episode(0, [frame])
    data = Dataset.open(tmp_path / "set", "train")
    assert data[0].masks.shape == (count, *size) and data.class_counts(sub_objects=True).sum() == count
    assert not list(problems(tmp_path / "set", quiet=True))
    assert merge([tmp_path / "set"], tmp_path / "merged", quiet=True) == 1
    assert Dataset.open(tmp_path / "merged").fingerprint() != data.fingerprint()
