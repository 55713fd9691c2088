"""Scenes, options and pictures of AI2-THOR, without a simulator."""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai2thor_stand_in import BOXES, ROOM_M, StandIn

from saom_cli.main import main
from saom_core.errors import ConfigError, InputError
from saom_core.taxonomy import OTHER
from saom_training.simulators.ai2thor.frames import (
    BadFrame,
    SimulatorFault,
    View,
    camera_of,
    camera_pose,
    check_worth,
    id_pictures,
    make_frame,
    object_table,
    parents,
    pose_of,
)
from saom_training.simulators.ai2thor.options import ThorOptions, parsed_options
from saom_training.simulators.ai2thor.scenes import HouseFile, SceneRef, named_scenes, split_of
from saom_training.simulators.ai2thor.simulator import farthest_points
from saom_training.simulators.interface import CollectOptions

SIZE_HW = (48, 64)
SCENE = SceneRef("FloorPlan1", "train", "default")
VIEW = View({"x": 0, "y": 0.9, "z": -1}, 0, 0)


def stand_in(
    tmp_path: Path, place: tuple[float, ...] = (0, 0.9, -1), heading: float = 0, horizon: float = 0
) -> StandIn:
    args = argparse.Namespace(height=SIZE_HW[0], width=SIZE_HW[1], state=tmp_path, fault="", at=0, times=1)
    one = StandIn(args)
    one.room.place, one.room.heading, one.room.horizon = place, heading, horizon
    return one


def event_of(one: StandIn) -> dict:
    image_rgb, ids, depth_m = one.room.draw(SIZE_HW)
    objects, colors = one.tables()
    return {
        "image_rgb": image_rgb,
        "depth_m": depth_m,
        "id_colors": ids,
        "names": [(tuple(entry["color"]), entry["name"]) for entry in colors],
        "objects": objects,
        "camera_position": dict(zip("xyz", one.room.eye().tolist(), strict=True)),
        "rotation": {"y": one.room.heading},
        "horizon": one.room.horizon,
    }


# --- scenes


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("FloorPlan1", "train"),
        ("FloorPlan220", "train"),
        ("FloorPlan321", "val"),
        ("FloorPlan425", "val"),
        ("FloorPlan26", "test"),
        ("FloorPlan430", "test"),
        ("FloorPlan_Train12_5", "train"),
        ("FloorPlan_Val3_1", "val"),
    ],
)
def test_split(name: str, split: str):
    assert split_of(name) == split


@pytest.mark.parametrize(
    "name",
    ["FloorPlan0", "FloorPlan31", "FloorPlan101", "FloorPlan501", "floorplan1", "FloorPlan_Train13_1", "kitchen", ""],
)
def test_scenes_that_are_not_there(name: str):
    with pytest.raises(InputError, match="FloorPlan230"):
        split_of(name)


def test_groups_of_scenes():
    counts = Counter(scene.split for scene in named_scenes(["ithor", "FloorPlan1", "kitchens"]))
    assert counts == {"train": 80, "val": 20, "test": 20}
    robothor = named_scenes(["robothor"])
    assert Counter(scene.split for scene in robothor) == {"train": 60, "val": 15}
    assert {scene.agent_mode for scene in robothor} == {"locobot"}


def test_house_files(tmp_path: Path):
    houses = [{"rooms": [1]}, {"rooms": [2], "split": "test"}]
    lines = "\n".join(json.dumps(house) for house in houses)
    contents = {"a.json": json.dumps(houses).encode(), "b.jsonl": lines.encode(), "c.gz": gzip.compress(lines.encode())}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        found = HouseFile.parse(f"val={tmp_path / name}").load()
        assert [scene.split for scene in found] == ["val", "test"]
        assert [scene.house for scene in found] == houses
        assert len({scene.name for scene in found}) == 2
    one = HouseFile.parse(str(tmp_path / "a.json"))
    assert one.split == "train"
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InputError, match="has changed"):
        one.load()
    with pytest.raises(InputError, match="nothing.json"):
        HouseFile.parse(str(tmp_path / "nothing.json"))
    for bad in ("not json", '[{"walls": []}]', '[{"rooms": [], "split": "dev"}]'):
        (tmp_path / "bad.json").write_text(bad)
        with pytest.raises(InputError, match="bad.json"):
            HouseFile.parse(str(tmp_path / "bad.json")).load()


# --- options


@pytest.mark.parametrize(
    "wrong",
    [
        {"splits": ("dev",)},
        {"randomize": ("colours",)},
        {"quality": "ultra"},
        {"platform": "headless"},
        {"field_of_view": 0},
        {"grid_size": float("nan")},
        {"headings": 0},
        {"horizons": (90,)},
        {"horizons": ()},
        {"min_area": 2},
        {"initialize": {"snaptogrid": True}},
        {"initialize": {"snapToGrid": 1}},
        {"initialize": {"visibilityDistance": "far"}},
    ],
)
def test_wrong_options_are_refused(wrong: dict):
    with pytest.raises(ConfigError, match="expected"):
        ThorOptions(**wrong)


def test_options_survive_json(tmp_path: Path):
    (tmp_path / "houses.json").write_text("[]")
    options = ThorOptions(
        houses=(HouseFile.parse(str(tmp_path / "houses.json")),), splits=("val",), initialize={"snapToGrid": True}
    )
    assert ThorOptions.from_extra(json.loads(json.dumps(options.extra()))) == options
    assert ThorOptions.from_extra({}) == ThorOptions()
    with pytest.raises(ConfigError, match="feild_of_view"):
        ThorOptions.from_extra({"feild_of_view": 90})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenes", "FloorPlan99"], "FloorPlan99"),
        (["--scenes", "FloorPlan1", "--splits", "test"], "choose other scenes"),
        (["--houses", "nothing.json"], "nothing.json"),
        (["--executable", "/nothing/thor"], "/nothing/thor"),
        (["--executable", " "], "expected a program"),
        (["--executable", "'thor"], "expected a program"),
        (["--step-timeout", "0"], "time-out"),
        (["--initialize", "gridsize=1"], "gridsize"),
    ],
)
def test_wrong_arguments_are_told(tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["collect", "--out", str(tmp_path / "new"), "--simulator", "ai2thor", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_options_of_ai2thor_are_refused_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["collect", "--out", str(tmp_path), "--simulator", "rooms", "--scenes", "ithor"]) == 1
    assert "'scenes'" in capsys.readouterr().err
    assert parsed_options(argparse.Namespace(simulator="rooms", frames=3)) == ({}, {})


def test_dry_run_says_what_would_be_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["--simulator", "ai2thor", "--scenes", "kitchens,robothor", "--randomize", "spawn", "--dry-run"]
    assert main(["collect", "--out", str(tmp_path / "new"), *arguments]) == 0
    said = capsys.readouterr().out
    assert "80 train, 20 val, 5 test" in said
    assert "spawn" in said
    assert not (tmp_path / "new").exists()


def test_machine_options_decide_nothing():
    one, other = (CollectOptions("ai2thor", 0, SIZE_HW, 1, {}, machine) for machine in ({}, {"executable": "thor"}))
    assert one.info() == other.info()


# --- pictures


def test_ids_are_those_of_the_clients_own_masks(tmp_path: Path):
    """Oracle: `Event.instance_masks` of the genuine client, kept where the objects are listed and not structure."""
    from ai2thor.server import Event

    one = stand_in(tmp_path, horizon=15)
    ids = one.room.draw(SIZE_HW)[1]
    objects, colors = one.tables()
    metadata = {"screenWidth": SIZE_HW[1], "screenHeight": SIZE_HW[0], "objects": objects, "colors": colors}
    event = Event(metadata)
    event.add_image_ids(np.concatenate((ids, np.full((*SIZE_HW, 1), 255, np.uint8)), 2)[::-1].tobytes())
    table, places = object_table(objects)
    object_ids, part_ids = id_pictures(event.instance_segmentation_frame, event_of(one)["names"], places)
    types = {item["objectId"]: item["objectType"] for item in objects}
    covered = np.zeros(SIZE_HW, bool)
    for name, mask in event.instance_masks.items():
        if types.get(name, "Floor") == "Floor":
            continue
        number, part = places[name]
        np.testing.assert_array_equal((object_ids == number) & (part_ids == part), mask)
        assert types[name] in (table[number].style, *table[number].sub_objects.values())
        covered |= mask
    assert covered.any()
    np.testing.assert_array_equal(object_ids >= 0, covered)
    assert not part_ids[~covered].any()


def box(name: str, kind: str, center: tuple, size: tuple, inside: list[str] | None = None) -> dict:
    bounds = {key: dict(zip("xyz", values, strict=True)) for key, values in (("center", center), ("size", size))}
    return {"objectId": name, "objectType": kind, "parentReceptacles": inside, "axisAlignedBoundingBox": bounds}


def test_a_drawer_that_stands_out_of_its_cabinet_belongs_to_it():
    """Its front shares a third of its box with the cabinet, a few hundredths with the neighbour that it touches."""
    cabinet = box("Cabinet|1", "Cabinet", (0, 0, 0), (1, 1, 1))
    neighbour = box("Dresser|1", "Dresser", (1.0, 0, 0.2), (1.02, 1, 1.4))
    for share, whole in ((0.33, "Cabinet|1"), (0.21, "Cabinet|1"), (0.55, "Cabinet|1"), (0.05, None)):
        depth = 0.3
        middle = 0.5 + depth / 2 - share * depth  # so much of its depth lies in the cabinet
        drawer = box("Drawer|1", "Drawer", (0.3, 0, middle), (0.4, 0.2, depth))
        found = parents([cabinet, neighbour, drawer])
        assert found == ({} if whole is None else {"Drawer|1": whole}), share
        table, places = object_table([cabinet, neighbour, drawer])
        if whole:  # one object without a hole: drawer and cabinet have one number
            assert places["Drawer|1"][0] == places["Cabinet|1"][0] and len(table) == 2
    flat = box("Drawer|2", "Drawer", (0, 0, 0), (0.4, 0.2, 0))
    assert parents([cabinet, flat]) == {}, "a box without volume tells nothing"


def test_sub_objects_find_their_whole():
    big = box("Dresser|1", "Dresser", (0, 0, 0), (2, 2, 2))
    small = box("SideTable|1", "SideTable", (0.5, 0, 0), (0.9, 1, 1))
    objects = [
        big,
        small,
        box("Sofa|1", "Sofa", (0, 0, 0), (4, 4, 4)),
        box("Drawer|in_both", "Drawer", (0.5, 0, 0), (0.2, 0.2, 0.2)),
        box("Drawer|in_big", "Drawer", (-0.7, 0, 0), (0.2, 0.2, 0.2)),
        box("Drawer|pulled", "Drawer", (0, 0, 1.15), (0.2, 0.2, 0.4)),
        box("Drawer|listed", "Drawer", (9, 9, 9), (1, 1, 1), ["Sofa|1", "Dresser|1"]),
        box("Drawer|alone", "Drawer", (5, 5, 5), (1, 1, 1)),
        {"objectId": "Drawer|no_box", "objectType": "Drawer"},
        box("Sink|2", "Sink", (8, 0, 0), (1, 1, 1)),
        {"objectId": "Sink|2|SinkBasin", "objectType": "SinkBasin"},
    ]
    assert parents(objects) == {
        "Drawer|in_both": "SideTable|1",
        "Drawer|in_big": "Dresser|1",
        "Drawer|listed": "Dresser|1",
        "Sink|2|SinkBasin": "Sink|2",
    }
    table, _ = object_table(objects)
    assert [item.style for item in table].count("Drawer") == 3  # pulled, alone, no_box: objects of their own
    assert object_table([]) == ((), {})


@pytest.mark.parametrize(("heading", "horizon"), itertools.product((0, 45, 200), (-30, 0, 45)))
def test_depth_and_pose_give_points_on_the_surfaces(tmp_path: Path, heading: float, horizon: float):
    frame = make_frame(event_of(stand_in(tmp_path, (0.5, 0.9, -0.5), heading, horizon)), SCENE, SIZE_HW, 90, VIEW)
    np.testing.assert_allclose(frame.pose[:3, :3] @ frame.pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame.pose[:3, :3]) == pytest.approx(1)
    row, column = np.indices(SIZE_HW)
    camera = frame.camera
    rays = np.stack(((column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, np.ones(SIZE_HW)), -1)
    forward, left, up = np.moveaxis((rays * frame.depth_m[..., None]) @ frame.pose[:3, :3].T + frame.pose[:3, 3], -1, 0)
    points = np.stack((-left, up, forward), -1)  # Unity's axes again
    boxes = [(np.array(center), np.array(size) / 2) for _, _, center, size, _ in BOXES]
    boxes.append((np.array([0, ROOM_M[1] / 2, 0]), np.array([ROOM_M[0], ROOM_M[1] / 2, ROOM_M[2]])))
    off = [np.abs((np.abs(points - center) - half).max(-1)) for center, half in boxes]
    assert np.min(off, 0).max() < 1e-4


def test_vertical_field_of_view():
    camera = camera_of((480, 640), 60)
    assert np.degrees(2 * np.arctan(240 / camera.fy)) == pytest.approx(60)
    assert (camera.fx, camera.cx, camera.cy) == (camera.fy, 319.5, 239.5)
    np.testing.assert_allclose(camera_pose({"x": 1, "y": 2, "z": 3}, 0, 0)[:3, 3], (3, -1, 2))


def test_bad_pictures_have_a_reason(tmp_path: Path):
    good = event_of(stand_in(tmp_path))
    frame = make_frame(good, SCENE, SIZE_HW, 90, VIEW)
    check_worth(frame, 2, 0.0005)
    for key in ("image_rgb", "depth_m", "id_colors"):
        for wrong in (None, good[key][1:]):
            with pytest.raises(SimulatorFault, match="wrong size"):
                make_frame({**good, key: wrong}, SCENE, SIZE_HW, 90, VIEW)
    with pytest.raises(BadFrame, match="too few"):
        check_worth(frame, 50, 0.0005)
    with pytest.raises(BadFrame, match="too small"):
        check_worth(frame, 2, 0.49)
    near = make_frame({**good, "depth_m": good["depth_m"] * 0 + 0.1}, SCENE, SIZE_HW, 90, VIEW)
    with pytest.raises(BadFrame, match="too near"):
        check_worth(near, 2, 0.0005)
    holes = np.where(np.arange(SIZE_HW[1]) % 2, np.float32(np.nan), good["depth_m"])
    assert (make_frame({**good, "depth_m": holes}, SCENE, SIZE_HW, 90, VIEW).depth_m[:, 1::2] == 0).all()


def test_a_pose_that_is_not_told_is_the_one_that_was_asked_for(tmp_path: Path):
    view = View({"x": 1, "y": 0.9, "z": -2}, 45, 30)
    event = event_of(stand_in(tmp_path, (1, 0.9, -2), 45, 30))
    true = pose_of(event, View({"x": 9, "y": 9, "z": 9}, 0, 0))
    for missing in (None, {}, {"x": 1.0, "z": None}):
        silent = {**event, "camera_position": missing, "rotation": missing, "horizon": None}
        np.testing.assert_allclose(pose_of(silent, view), true, atol=1e-12)
    np.testing.assert_allclose(pose_of({**event, "rotation": 45}, view), true, atol=1e-12)


def test_objects_that_are_told_badly():
    table, places = object_table(
        [
            {"objectType": "Mug"},
            {"objectId": "Mug|1"},
            {"objectId": "Drawer|1", "objectType": "Drawer", "axisAlignedBoundingBox": {"center": {"x": 1}, "size": 3}},
            {"objectId": "StandardWallSize|1", "objectType": "StandardWallSize"},
        ]
    )
    assert [item.class_name for item in table] == [OTHER, "Drawer"]  # no class is guessed from an id
    assert list(places) == ["Mug|1", "Drawer|1"]


def test_things_that_are_named_after_the_building_are_objects():
    """The building is background: a floor lamp, what stands about in a room and a mirror at a wall are not it."""
    building = ("Floor", "Wall", "Ceiling", "Room", "Window", "Doorway", "Doorframe", "Undefined", "StandardWallSize")
    things = ("FloorLamp", "RoomDecor", "WallMirror", "Mug")
    table, places = object_table([{"objectId": f"{kind}|1", "objectType": kind} for kind in (*building, *things)])
    assert [item.style for item in table] == list(things)
    assert list(places) == [f"{kind}|1" for kind in things]


def test_farthest_points_against_a_naive_search():
    rng = np.random.default_rng(0)
    points = rng.random((30, 3))
    chosen = farthest_points(points, 8, rng)
    for number in range(1, 8):
        nearest = [min(np.linalg.norm(point - points[index]) for index in chosen[:number]) for point in points]
        assert chosen[number] == int(np.argmax(nearest))
    assert sorted(farthest_points(np.zeros((4, 3)), 9, rng)) == [0, 1, 2, 3]
    assert farthest_points(points[:1], 1, rng) == [0]
