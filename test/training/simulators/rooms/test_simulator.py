"""The `rooms` simulator: deterministic scenes, honest masks, plausible sensors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import mujoco
import numpy as np
import pytest

from saom_cli.main import main
from saom_core.errors import ConfigError
from saom_core.taxonomy import CLASSES_AND_OTHER, OTHER
from saom_training.data.frames import Frame
from saom_training.simulators.rooms import options
from saom_training.simulators.rooms.cameras import View, look_at, random_lens
from saom_training.simulators.rooms.geometry.model import Look, ObjectModel, Solid
from saom_training.simulators.rooms.looks.materials import KINDS, layout_of, make_material
from saom_training.simulators.rooms.meshes import solid_mesh
from saom_training.simulators.rooms.mujoco_world import World, sample_surface
from saom_training.simulators.rooms.scene import Placed, Scene, make_scene
from saom_training.simulators.rooms.sensor import DepthCamera, random_depth_camera, sense_color, sense_depth, shadow
from saom_training.simulators.rooms.shell import Room
from saom_training.simulators.rooms.simulator import RoomsOptions, RoomsSimulator, split_of, visible_shares

pytestmark = pytest.mark.slow

SIZE_HW = (120, 160)


@pytest.fixture(scope="module")
def simulator():
    made = RoomsSimulator(RoomsOptions(seed=11, sizes_hw=(SIZE_HW,), frames=2))
    yield made
    made.close()


def box_scene(*boxes: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Scene:
    """Boxes of (size, position) that do not fall, over a floor."""
    looks = {"skin": Look("plain", (0.7, 0.2, 0.2)), "floor": Look("wood", (0.5, 0.4, 0.3))}
    floor = Solid("box", (6.0, 6.0, 0.1), (0.0, 0.0, -0.05), "floor", "background")
    room = Room((6.0, 6.0, 3.0), [floor], looks)
    objects = []
    for size, pos in boxes:
        solid = Solid("box", size, (0.0, 0.0, size[2] / 2), "skin", "body")
        model = ObjectModel("Box", "test", (solid,), looks, size, 0.2, "table")
        objects.append(Placed(model, pos, np.eye(3), movable=False))
    return Scene("table", room, objects)


def view_of(eye: tuple[float, float, float], target: tuple[float, float, float]) -> View:
    return View(look_at(np.array(eye), np.array(target), 0.0), random_lens(np.random.default_rng(3), SIZE_HW))


def test_same_seed_same_scene():
    first, again, other = (make_scene(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert [item.model.style for item in first.objects] == [item.model.style for item in again.objects]
    assert all(a.pos == b.pos for a, b in zip(first.objects, again.objects, strict=True))
    assert [item.model.style for item in first.objects] != [item.model.style for item in other.objects]


def test_same_episode_same_frames(simulator: RoomsSimulator):
    first, again = simulator.episode(3), simulator.episode(3)
    assert first
    for a, b in zip(first, again, strict=True):
        for name in ("image_rgb", "depth_m", "object_ids", "part_ids", "pose"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_frames_are_consistent(simulator: RoomsSimulator):
    frames = [frame for index in range(4) for frame in simulator.episode(index)]
    assert len(frames) >= 4
    for frame in frames:
        assert frame.object_ids.min() >= -1
        assert frame.object_ids.max() < len(frame.objects)
        assert np.isfinite(frame.depth_m).all()
        assert (frame.depth_m >= 0).all()
        assert 20 < frame.image_rgb.mean() < 235
        for item in frame.objects:
            assert item.class_name in CLASSES_AND_OTHER
            assert 0 <= item.visible <= 1 + 1e-9
        for index in np.unique(frame.object_ids[frame.object_ids >= 0]):
            parts = frame.part_ids[frame.object_ids == index]
            assert parts.max() < len(frame.objects[index].parts)


def test_walls_floor_and_windows_are_no_instances():
    scene = box_scene(((0.2, 0.2, 0.2), (0.0, 0.0, 0.0)))
    window = dataclasses.replace(scene.objects[0].model, class_name=OTHER, style="window_plain")
    scene.objects.append(Placed(window, (1.0, 0.0, 0.0), np.eye(3), movable=False))
    world = World(scene, np.random.default_rng(0), SIZE_HW)
    drawn = [world.model.geom(index).name for index in range(world.model.ngeom) if world.geom_object[index] >= 0]
    assert len(drawn) == 1
    assert set(world.geom_object.tolist()) == {-1, 0}


def test_depth_and_ids_of_a_known_box(simulator: RoomsSimulator):
    """A ray tracer of one box says the same as the renderer."""
    size, eye, target = np.array([0.4, 0.3, 0.5]), (0.9, -1.1, 1.0), (0.0, 0.0, 0.2)
    world = World(box_scene((tuple(size.tolist()), (0.0, 0.0, 0.0))), np.random.default_rng(0), SIZE_HW)
    view = view_of(eye, target)
    simulator._renderer.load(world)
    geoms, depth_m = simulator._renderer.surface(view)
    seen = np.where(geoms >= 0, world.geom_object[geoms], -1)

    v, u = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    rays = np.stack(
        [(u - view.camera.cx) / view.camera.fx, (v - view.camera.cy) / view.camera.fy, np.ones(u.shape)], -1
    )
    rays = rays @ view.pose[:3, :3].T
    low, high = np.array([-size[0] / 2, -size[1] / 2, 0]), np.array([size[0] / 2, size[1] / 2, size[2]])
    near, far = ((bound - np.array(eye)) / rays for bound in (low, high))
    enter, leave = np.minimum(near, far).max(-1), np.maximum(near, far).min(-1)
    hit = (enter < leave) & (enter > 0)
    assert hit.sum() > 500
    assert (hit != (seen == 0)).mean() < 0.005  # only pixels that an edge crosses
    both = hit & (seen == 0)
    assert np.abs(depth_m[both] - enter[both]).max() < 0.03
    assert np.median(np.abs(depth_m[both] - enter[both])) < 1e-3
    to_floor = -eye[2] / rays[..., 2]
    on_floor = np.abs(np.array(eye)[:2] + to_floor[..., None] * rays[..., :2]).max(-1) < 2.95  # it is 6 m wide
    floor = (seen < 0) & ~hit & (to_floor > 0) & on_floor
    assert floor.sum() > 3000
    np.testing.assert_allclose(depth_m[floor], to_floor[floor], rtol=2e-2)


def test_visible_share_against_drawing_each_object_alone(simulator: RoomsSimulator):
    front, back = ((0.3, 0.1, 0.25), (0.0, -0.3, 0.0)), ((0.3, 0.1, 0.5), (0.1, 0.2, 0.0))
    view = view_of((0.0, -1.6, 0.5), (0.0, 0.0, 0.2))

    def drawn(*boxes) -> tuple[World, np.ndarray]:
        world = World(box_scene(*boxes), np.random.default_rng(0), SIZE_HW)
        simulator._renderer.load(world)
        geoms, _ = simulator._renderer.surface(view)
        return world, np.where(geoms >= 0, world.geom_object[geoms], -1)

    world, together = drawn(front, back)
    _, alone = drawn(back)
    expected = (together == 1).sum() / (alone == 0).sum()
    shares = visible_shares(world, view, together)
    assert 0.3 < expected < 0.9
    assert shares[0] == pytest.approx(1.0, abs=0.03)
    assert shares[1] == pytest.approx(expected, abs=0.07)


def test_things_rest_on_what_is_below():
    scene = box_scene(((1.0, 1.0, 0.5), (0.0, 0.0, 0.0)))
    cup = dataclasses.replace(scene.objects[0].model, size=(0.1, 0.1, 0.1))
    solid = Solid("box", (0.1, 0.1, 0.1), (0.0, 0.0, 0.05), "skin", "body")
    cup = dataclasses.replace(cup, solids=(solid,))
    scene.objects.append(Placed(cup, (0.1, 0.1, 0.56), np.eye(3), movable=True))
    world = World(scene, np.random.default_rng(0), SIZE_HW)
    assert world.data.xpos[world.objects[1].body][2] == pytest.approx(0.5, abs=0.004)


def test_settled_scenes_are_at_rest_and_do_not_overlap():
    for seed in range(3):
        scene = make_scene(np.random.default_rng(seed))
        world = World(scene, np.random.default_rng(seed), SIZE_HW)
        assert np.isfinite(world.data.qpos).all()
        present = [item for item in world.objects if world.data.xpos[item.body][2] > -1]
        assert present
        assert all(world.data.xpos[item.body][2] < scene.room.size[2] for item in present)
        movable = {item.body for item in present if item.placed.movable}
        assert movable
        for steps in (0, 20):  # what floats has no speed yet, and falls in the next tenth of a second
            mujoco.mj_step(world.model, world.data, steps)
            mujoco.mj_forward(world.model, world.data)
            starts = [world.model.body_dofadr[body] for body in movable]
            assert max(np.abs(world.data.qvel[start : start + 3]).max() for start in starts) <= 0.6
            contacts = world.data.contact[: world.data.ncon]
            touching = [c.dist for c in contacts if movable & {int(world.model.geom_bodyid[geom]) for geom in c.geom}]
            assert touching and min(touching) > -0.015


def test_every_look_gives_a_picture():
    rng = np.random.default_rng(0)
    for kind in (*KINDS, "glass", "screen", "leaves"):
        look = Look(kind, (0.8, 0.3, 0.2), (0.1, 0.1, 0.5), alpha=0.4 if kind == "glass" else 1.0)
        for is_box in (True, False):
            material = make_material(look, layout_of(look, is_box), rng, (0.2, 0.1, 0.3), 64)
            assert material.picture.dtype == np.uint8
            assert material.picture.ndim == 3
            assert 0 <= material.hole_rate <= 1


def test_package_faces_differ():
    look = Look("print", (0.9, 0.8, 0.2), (0.1, 0.1, 0.5))
    picture = make_material(look, "atlas", np.random.default_rng(1), (0.2, 0.05, 0.3), 64).picture
    cell = picture.shape[0] // 2
    faces = [picture[r : r + cell, c : c + cell].astype(int) for r in (0, cell) for c in (0, cell, 2 * cell)]
    different = [
        np.abs(faces[i] - faces[j]).mean() for i in range(6) for j in range(i) if (i, j) not in ((1, 0), (3, 2), (5, 4))
    ]
    assert min(different) > 5
    assert max(face.std() for face in faces) > 15


@pytest.mark.parametrize(
    ("kind", "size", "area"),
    [
        ("box", (0.2, 0.3, 0.4), 2 * (0.06 + 0.08 + 0.12)),
        ("cylinder", (0.1, 0.3), 2 * np.pi * 0.1 * 0.3 + 2 * np.pi * 0.01),
        ("sphere", (0.1,), 4 * np.pi * 0.01),
        ("capsule", (0.1, 0.3), 4 * np.pi * 0.01 + 2 * np.pi * 0.1 * 0.3),
        ("ellipsoid", (0.2, 0.2, 0.2), 4 * np.pi * 0.01),
    ],
)
def test_meshes_are_closed_and_face_outwards(kind, size, area):
    solid = Solid(kind, size, (0.5, -0.2, 0.1), "skin", "body", euler=(0.3, -0.8, 1.2))
    mesh = solid_mesh(solid, "tile", 0.3)
    triangles = mesh.points.reshape(-1, 3, 3)
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    outward = (cross * (triangles.mean(1) - np.asarray(solid.pos))).sum(1)
    assert (outward > 0).all()
    assert np.linalg.norm(cross, axis=1).sum() / 2 == pytest.approx(area, rel=0.04)
    assert ((mesh.normals * np.repeat(cross, 3, 0)).sum(1) > 0).all()
    points, _ = sample_surface([mesh], 2000, np.random.default_rng(0))
    np.testing.assert_allclose(points.mean(0), solid.pos, atol=0.02)


def test_splits_are_by_scene():
    splits = [split_of(index) for index in range(200)]
    assert splits.count("val") == splits.count("test") == 10


# --- sensors


def test_shadow_of_a_step_lies_on_one_side_and_is_as_wide_as_the_parallax():
    depth_m = np.full((4, 200), 2.0, np.float32)
    depth_m[:, 80:120] = 1.0
    focal, baseline = 200.0, 0.075
    width = focal * baseline * (1 / 1.0 - 1 / 2.0)
    to_right = shadow(depth_m, focal, baseline)
    assert to_right[0, 80 - int(width) + 1 : 80].all()
    assert not to_right[0, 80:].any()
    assert to_right[0].sum() == pytest.approx(width, abs=1.5)
    np.testing.assert_array_equal(shadow(depth_m, focal, -baseline), shadow(depth_m[:, ::-1], focal, baseline)[:, ::-1])


def test_depth_camera_limits_quantises_and_blanks_borders():
    depth_m = np.tile(np.linspace(0.1, 6, 160, dtype=np.float32), (120, 1))
    camera = DepthCamera(False, 0.0, 0.0, 0.002, (0.4, 4.0), 0.0, (0.0, 0.0), (5, 0, 0, 7), 0.0)
    measured = sense_depth(depth_m, np.zeros_like(depth_m), 150.0, camera, np.random.default_rng(0))
    assert not measured[:5].any()
    assert not measured[:, -7:].any()
    valid = measured > 0
    assert (depth_m[valid] > 0.39).all()
    assert (depth_m[valid] < 4.01).all()
    error = np.abs(measured - depth_m)[valid]
    assert (error <= 0.5 * 0.002 * depth_m[valid] ** 2 * 1.1 + 1e-4).all()
    assert len(np.unique(measured[60])) < len(np.unique(depth_m[60][valid[60]])) + 2


def test_perfect_depth_is_untouched_and_holes_follow_their_rate():
    depth_m = np.full((240, 320), 1.0, np.float32)
    perfect = dataclasses.replace(random_depth_camera(np.random.default_rng(0), (240, 320)), perfect=True)
    np.testing.assert_array_equal(sense_depth(depth_m, depth_m * 0, 300.0, perfect, np.random.default_rng(0)), depth_m)
    camera = DepthCamera(False, 0.0, 0.0, 0.0, (0.2, 9.0), 0.0, (0.0, 0.0), (0, 0, 0, 0), 1.0)
    for rate in (0.0, 0.2, 0.6):
        shares = [
            (sense_depth(depth_m, np.full_like(depth_m, rate), 300.0, camera, np.random.default_rng(seed)) == 0).mean()
            for seed in range(5)
        ]
        assert np.mean(shares) == pytest.approx(rate, abs=0.12)


def test_color_sensor_brightens_dark_scenes_and_keeps_shape():
    dark = np.full((60, 80, 3), 30, np.uint8)
    seen = [sense_color(dark, np.random.default_rng(seed)) for seed in range(6)]
    assert all(picture.shape == dark.shape and picture.dtype == np.uint8 for picture in seen)
    assert np.mean([picture.mean() for picture in seen]) > 70


def test_a_frame_of_wrong_size_is_refused(simulator: RoomsSimulator):
    frame = simulator.episode(3)[0]
    with pytest.raises(ValueError, match="expected depth_m of shape"):
        dataclasses.replace(frame, depth_m=frame.depth_m[:-1])
    assert isinstance(frame, Frame)


@pytest.mark.parametrize("share", ["room", "hard"])
def test_a_set_keeps_its_shares(share: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["collect", "--out", str(tmp_path / "set"), "--frames", "1", "--frames-per-scene", "1"]
    command += ["--size", "64x48", "--workers", "1"]
    option = f"--{share}-share"
    assert main([*command, option, "1"]) == 0
    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["extra"] == {f"{share}_share": 1.0}
    assert main([*command, option, "1"]) == 0
    capsys.readouterr()
    assert main(command) == 1
    assert "use the same options" in capsys.readouterr().err
    assert main([*command, option, "1.5"]) == 1
    assert f"expected a {option} from 0 to 1, got 1.5" in capsys.readouterr().err


def test_without_a_folder_surfaces_get_photographs_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        photographs = options.of_robosuite("textures", "photographs")
    except ConfigError:
        pytest.skip("robosuite is not installed")
    command = ["collect", "--out", str(tmp_path / "set"), "--frames", "1", "--frames-per-scene", "1"]
    command += ["--size", "64x48", "--workers", "1", "--textures"]
    assert main(command) == 0
    pictures = options.fingerprint(photographs, options.PICTURE_SUFFIXES)
    assert json.loads((tmp_path / "set" / "dataset.json").read_text())["extra"] == {"textures": pictures}
    assert main([*command, str(photographs)]) == 0  # the same files, wherever they lie
    find = options.importlib.util.find_spec
    monkeypatch.setattr(
        options.importlib.util, "find_spec", lambda name, *of: None if name == "robosuite" else find(name, *of)
    )
    assert main(command) == 1
    assert "pip install --no-deps robosuite" in capsys.readouterr().err
