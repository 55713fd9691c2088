"""Scenes in pairs that hold the same things: `saom collect --things-twice`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from saom_cli.main import main
from saom_training.dataset import Dataset
from saom_training.simulators.rooms.choose import pair_of, things_of
from saom_training.simulators.rooms.mujoco_world import World, WorldObject
from saom_training.simulators.rooms.scene import make_scene
from saom_training.simulators.rooms.simulator import RoomsOptions, RoomsSimulator, split_of

SIZE_HW = (48, 64)


def test_each_pair_has_things_of_its_own_and_keeps_them() -> None:
    first, again, other, seed = (
        things_of(3, 0, None),
        things_of(3, 0, None),
        things_of(3, 1, None),
        things_of(4, 0, None),
    )
    assert len(first) >= 20 and len({model.thing for model in first + other + seed}) == len(first + other + seed)
    described = [[(model.style, model.size, model.looks) for model in things] for things in (first, again, other, seed)]
    assert described[0] == described[1] and described[0] != described[2] and described[0] != described[3]


def test_scenes_take_the_first_things_once_and_upright() -> None:
    things = things_of(3, 0, None)
    for seed in (0, 1):
        scene = make_scene(np.random.default_rng(seed), family="table", things=things)
        taken = [item for item in scene.objects if item.movable]
        assert taken and len({item.model.thing for item in taken}) == len(taken)
        assert all(item.model.thing and item.turn[2, 2] == pytest.approx(1) for item in taken)
    few = make_scene(np.random.default_rng(0), family="table", things=things[:2])
    assert {item.model.thing for item in few.objects if item.movable} <= {model.thing for model in things[:2]}
    none = make_scene(np.random.default_rng(0), family="room", things=[])
    assert none.objects and not any(item.movable for item in none.objects)


def surfaces(world: World, item: WorldObject) -> list[bytes]:
    """The triangles, the texture and the reflection of everything that is drawn of an object."""
    model, found = world.model, []
    for geom in np.flatnonzero((model.geom_bodyid == item.body) & (model.geom_matid >= 0)):
        mesh, material = model.geom_dataid[geom], model.geom_matid[geom]
        texture = int(model.mat_texid[material].max())
        begin = model.tex_adr[texture]
        end = begin + model.tex_height[texture] * model.tex_width[texture] * model.tex_nchannel[texture]
        corners = model.mesh_vert[model.mesh_vertadr[mesh] : model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh]]
        gloss = np.array([*model.mat_rgba[material], model.mat_specular[material], world.geom_hole_rate[geom]])
        found.append(corners.tobytes() + model.tex_data[begin:end].tobytes() + gloss.tobytes())
    return found


@pytest.mark.slow
def test_a_thing_is_the_same_in_both_rooms_and_the_rooms_are_not() -> None:
    worlds = []
    for number in (0, 1):
        rng = np.random.default_rng((9, number))
        worlds.append(World(make_scene(rng, family="table", things=things_of(9, 0, None)), rng, SIZE_HW))
    seen = [{item.placed.model.thing: surfaces(world, item) for item in world.objects} for world in worlds]
    both = [thing for thing in seen[0] if thing and thing in seen[1]]
    assert len(both) >= 3
    for thing in both:
        assert seen[0][thing] and seen[0][thing] == seen[1][thing]
    assert len({blob for thing in both for blob in seen[0][thing]}) > len(both) / 2, "things differ"
    tables = [next(item for item in world.objects if not item.placed.movable) for world in worlds]
    assert surfaces(worlds[0], tables[0]) != surfaces(worlds[1], tables[1])


@pytest.mark.slow
def test_a_scene_has_one_camera_and_its_pair_another_one_and_the_same_split() -> None:
    simulator = RoomsSimulator(RoomsOptions(seed=11, sizes_hw=(SIZE_HW,), frames=3, room_share=0.0, things_twice=True))
    try:
        rooms = [simulator.episode(index) for index in (36, 37)]
        assert all(len(frames) >= 2 for frames in rooms)
        lenses = [{frame.camera.fx for frame in frames} for frames in rooms]
        assert len(lenses[0]) == len(lenses[1]) == 1 and lenses[0] != lenses[1]
        assert all(len({frame.pose.tobytes() for frame in frames}) == len(frames) for frames in rooms)
        things = [{one.thing for one in frames[0].objects if one.thing} for frames in rooms]
        assert things[0] & things[1] and all(name.startswith("11_18_") for name in things[0] | things[1])
        assert {frame.split for frames in rooms for frame in frames} == {split_of(18)} == {"val"}
        for first, again in zip(rooms[0], simulator.episode(36), strict=True):
            assert np.array_equal(first.image_rgb, again.image_rgb) and np.array_equal(first.depth_m, again.depth_m)
    finally:
        simulator.close()


def test_pairs_do_not_overlap() -> None:
    assert [pair_of(index) for index in range(6)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.slow
def test_a_data_set_says_which_thing_is_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["collect", "--out", str(tmp_path / "set"), *["--frames", "4", "--frames-per-scene", "2", "--seed", "5"]]
    command += ["--size", "160x120", "--workers", "1", "--things-twice", "--room-share", "0"]
    assert main([*command, "--dry-run"]) == 0
    assert "the same things in two scenes each" in capsys.readouterr().out
    assert main(command) == 0
    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["extra"]["things_twice"] is True
    data = Dataset.open(tmp_path / "set")
    named: dict[str, set[str]] = {}
    for row, scene in enumerate(data.scenes()):
        for entry in data.entries(row):
            if "thing" in entry:
                assert entry["part_of"] is None
                named.setdefault(entry["thing"], set()).add(scene)
    assert named and all(name.startswith("5_0_") for name in named)
    assert max(map(len, named.values())) == 2


def test_things_twice_is_of_rooms_by_opengl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["collect", "--out", str(tmp_path / "set"), "--dry-run", "--things-twice"]
    assert main([*command, "--renderer", "cycles"]) == 1
    assert "expected --things-twice with --renderer opengl" in capsys.readouterr().err
