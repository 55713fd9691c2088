"""Blender's path tracer in the place of OpenGL: the same geometry and ground truth, light that throws shadows."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_training.benches.collect import step_times_ms
from saom_training.collect import add_arguments, run
from saom_training.data.shards import checked_info
from saom_training.simulators.interface import CollectOptions, make_simulator
from saom_training.simulators.rooms.cameras import Light, View, look_at
from saom_training.simulators.rooms.geometry.model import Look, ObjectModel, Solid
from saom_training.simulators.rooms.mujoco_world import World
from saom_training.simulators.rooms.options import cycles_renderer
from saom_training.simulators.rooms.renderer import Renderer
from saom_training.simulators.rooms.scene import Placed, Scene
from saom_training.simulators.rooms.shell import Room
from saom_training.simulators.rooms.simulator import RoomsOptions, RoomsSimulator

pytestmark = pytest.mark.slow

SIZE_HW = (48, 64)
SAMPLES = 2
CENTRED = CameraIntrinsics(60.0, 60.0, 31.5, 23.5, 64, 48)
AMBIENT = np.ones(3) * 0.5


@pytest.fixture(scope="module")
def cycles():
    if importlib.util.find_spec("bpy") is None:
        pytest.skip("colour by Cycles needs Blender's module bpy")
    from saom_training.simulators.rooms.cycles.renderer import CyclesRenderer

    made = CyclesRenderer(SAMPLES)
    yield made
    made.close()


@pytest.fixture(scope="module")
def opengl():
    made = Renderer(SIZE_HW)
    yield made
    made.close()


def box_world(
    rgb: tuple[float, float, float] = (0.9, 0.05, 0.05),
    kind: str = "plain",
    alpha: float = 1.0,
    picture: np.ndarray | None = None,
) -> World:
    """A coloured box on a pale floor, without walls; its surface is just as asked for."""
    looks = {"skin": Look(kind, rgb, alpha=alpha, picture=picture), "floor": Look("plain", (0.8, 0.8, 0.8))}  # type: ignore[arg-type]
    floor = Solid("box", (6.0, 6.0, 0.1), (0.0, 0.0, -0.05), "floor", "background")
    solid = Solid("box", (0.3, 0.4, 0.5), (0.0, 0.0, 0.25), "skin", "body")
    model = ObjectModel("Box", "test", (solid,), looks, (0.3, 0.4, 0.5), 0.2, "table")
    scene = Scene("table", Room((6.0, 6.0, 3.0), [floor], looks), [Placed(model, (0.0, 0.0, 0.0), np.eye(3), False)])
    return World(scene, np.random.default_rng(0), SIZE_HW)


def view_of(camera: CameraIntrinsics = CENTRED) -> View:
    return View(look_at(np.array([1.0, -1.4, 1.1]), np.array([0.0, 0.0, 0.2]), 0.1), camera)


def traced(world: World, view: View, camera: CameraIntrinsics) -> np.ndarray:
    """(H, W) bool: whether a pixel's own ray meets the box."""
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1)
    rays = rays @ view.pose[:3, :3].T
    near, far = ((np.array(bound) - view.pose[:3, 3]) / rays for bound in ((-0.15, -0.2, 0), (0.15, 0.2, 0.5)))
    return np.minimum(near, far).max(-1) < np.maximum(near, far).min(-1)


def is_red(image_rgb: np.ndarray) -> np.ndarray:
    """(H, W) bool."""
    red, green, _ = np.moveaxis(image_rgb.astype(float), 2, 0)
    return red > 2 * green


def within_one_pixel(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether each mask, made smaller by a pixel all round, lies in the other made larger by one."""

    def grown(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        rows, columns = mask.shape
        return np.any([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], 0)

    return not (first & ~grown(second)).any() and not (second & ~grown(first)).any()


def test_a_box_lies_where_the_id_picture_has_it(cycles, opengl: Renderer):
    world, view = box_world(), view_of()
    opengl.load(world)
    geoms, _ = opengl.surface(view)
    cycles.load(world, np.random.default_rng(0))
    seen, expected = is_red(cycles.color(view, [], AMBIENT)), np.where(geoms >= 0, world.geom_object[geoms], -1) == 0
    assert expected.sum() > 200
    assert within_one_pixel(seen, expected)
    for shift in ((0, 2), (2, 0)):  # the check itself sees two pixels
        assert not within_one_pixel(np.roll(seen, shift, (0, 1)), expected)


@pytest.mark.parametrize(
    "camera",
    [
        dataclasses.replace(CENTRED, cx=38.5, cy=18.5),
        dataclasses.replace(CENTRED, fx=80.0, fy=60.0),
        dataclasses.replace(CENTRED, fx=55.0, fy=70.0, cx=26.5, cy=29.5),
    ],
    ids=["off centre", "pixels that are no squares", "both"],
)
def test_any_pinhole(cycles, camera: CameraIntrinsics):
    world, view = box_world(), view_of(camera)
    cycles.load(world, np.random.default_rng(0))
    expected = traced(world, view, camera)
    assert 100 < expected.sum() < 1500
    assert within_one_pixel(is_red(cycles.color(view, [], AMBIENT)), expected)


def test_textures_lie_as_opengl_lays_them(cycles, opengl: Renderer):
    """A quarter of every face is red: which one, tells all ways to mirror or turn a texture apart."""
    picture = np.full((64, 64, 3), (20, 60, 200), np.uint8)
    picture[:32, :32] = (230, 10, 10)
    world, view = box_world(kind="picture", picture=picture), view_of()
    opengl.load(world)
    cycles.load(world, np.random.default_rng(0))
    expected, seen = is_red(opengl.color(view, [], np.ones(3))), is_red(cycles.color(view, [], AMBIENT))
    assert expected.sum() > 60
    likeness = [
        np.corrcoef(turned.ravel(), seen.ravel())[0, 1] for turned in (expected, expected[::-1], expected[:, ::-1])
    ]
    assert likeness[0] > 0.75 and max(likeness[1:]) < 0.5  # a red sliver of the top may mirror the sky instead


def test_normals_arrive(cycles):
    """Corners that share a place keep normals of their own, so that a box has edges."""
    import bpy

    from saom_training.simulators.rooms.cycles.stage import _mesh

    model = box_world().model
    for index in range(model.nmesh):
        corners = slice(model.mesh_faceadr[index], model.mesh_faceadr[index] + model.mesh_facenum[index])
        expected = model.mesh_normal[model.mesh_normaladr[index] + model.mesh_facenormal[corners].ravel()]
        mesh = _mesh(model, index)
        found = np.empty(expected.size, np.float32)
        mesh.corner_normals.foreach_get("vector", found)
        np.testing.assert_allclose(found.reshape(-1, 3), expected, atol=1e-3)
        bpy.data.meshes.remove(mesh)


def test_a_lamp_throws_a_shadow_on_the_far_side(cycles):
    cycles.load(box_world(), np.random.default_rng(0))
    view = View(look_at(np.array([0.0, -1.5, 2.0]), np.array([0.0, 0.0, 0.0]), 0.0), CENTRED)

    def floor_beside(side: float) -> tuple[float, float]:
        """Mean brightness left and right of the box, with a lamp on that side."""
        pos = np.array([side * 1.2, 0.0, 1.0])
        lamp = Light(pos, -pos / np.linalg.norm(pos), np.ones(3), directional=False, shadow=True, cutoff=70.0)
        picture = cycles.color(view, [lamp], np.ones(3) * 0.1).astype(float).mean(2)
        return picture[20:28, 12:20].mean(), picture[20:28, 44:52].mean()

    for side in (-1.0, 1.0):
        left, right = floor_beside(side)
        lit, shaded = (left, right) if side < 0 else (right, left)
        assert shaded < 0.75 * lit


def test_glass_shows_what_is_behind(cycles):
    """Through a box of glass the floor is seen, in the box's own place."""
    pictures = {}
    for kind, alpha in (("plain", 1.0), ("glass", 0.4)):
        cycles.load(box_world((0.02, 0.02, 0.02), kind, alpha), np.random.default_rng(0))
        pictures[kind] = cycles.color(view_of(), [], AMBIENT).astype(float).mean(2)
    inside = traced(box_world(), view_of(), CENTRED)
    assert pictures["plain"][inside].mean() < 0.5 * pictures["plain"][~inside].mean()
    assert pictures["glass"][inside].mean() > 1.3 * pictures["plain"][inside].mean()


def test_metal_mirrors_and_paint_does_not(cycles):
    from saom_training.simulators.rooms.cycles.surfaces import surface_of

    def of(kind: str, shininess: float = 0.5, alpha: float = 1.0):
        return surface_of(kind, shininess, alpha, 0.0, np.random.default_rng(0))

    assert of("metal").metallic == 1 and of("plain").metallic == 0
    assert of("plain", 0.9).roughness < of("plain", 0.2).roughness
    assert of("glass", alpha=0.4).transmission == 1 and of("glass", alpha=0.4).opacity == 1
    assert of("plastic", alpha=0.4).opacity == pytest.approx(0.4) and of("plastic").transmission == 0


def test_a_sky_gives_level_ground_the_light_it_is_asked_for(cycles):
    from saom_training.simulators.rooms.cycles.stage import sky_picture

    rng = np.random.default_rng(0)
    skies = [sky_picture(rng) for _ in range(20)]
    for sky in skies:
        elevation = (np.arange(len(sky)) + 0.5) / len(sky) * np.pi - np.pi / 2
        step = np.pi / len(sky)
        received = (
            (sky.mean(2) * (np.clip(np.sin(elevation), 0, None) * np.cos(elevation))[:, None]).sum() * step * step
        )
        assert received == pytest.approx(np.pi, rel=0.01)
        assert sky[-4:].mean() > sky[:4].mean()
    assert np.std([sky.max() for sky in skies]) > 1


def test_exposure_brings_any_light_to_the_same_brightness(cycles):
    from saom_training.simulators.rooms.cycles.renderer import exposed

    light = np.random.default_rng(0).uniform(0.05, 1, (*SIZE_HW, 3)).astype(np.float32)
    day, dusk = exposed(light * 50), exposed(light / 20)
    assert np.abs(day.astype(int) - dusk).max() <= 1
    assert 90 < day.mean() < 140
    light[:2, :2] = 1e4  # a lamp in the picture leaves the rest as it is
    assert np.abs(exposed(light).astype(int) - day)[4:].mean() < 10
    assert not exposed(np.zeros_like(light)).any()


def test_the_ground_truth_is_that_of_opengl_and_a_seed_gives_its_pictures_again(cycles):
    """Also when other episodes were made before in the same process: Blender's scene is this process's only one."""
    options = RoomsOptions(seed=11, sizes_hw=(SIZE_HW,), frames=2)
    made: dict[str, list] = {}
    for name, samples, before in (("opengl", 0, ()), ("cycles", SAMPLES, ()), ("again", SAMPLES, (4,))):
        simulator = RoomsSimulator(dataclasses.replace(options, cycles_samples=samples))
        for index in before:
            simulator.episode(index)
        made[name] = simulator.episode(3)
        simulator.close()
    assert made["opengl"]
    for drawn, painted, again in zip(*made.values(), strict=True):
        for name in ("depth_m", "object_ids", "part_ids", "pose"):
            np.testing.assert_array_equal(getattr(drawn, name), getattr(painted, name))
        assert drawn.objects == painted.objects and drawn.camera == painted.camera
        assert not np.array_equal(drawn.image_rgb, painted.image_rgb)
        assert 30 < painted.image_rgb.mean() < 225 and painted.image_rgb.std() > 8
        np.testing.assert_array_equal(painted.image_rgb, again.image_rgb)


# --- the command


def test_a_bench_tells_what_its_colour_costs(cycles):
    extra = {"renderer": cycles_renderer(SAMPLES)}
    times = step_times_ms(CollectOptions("rooms", 5, SIZE_HW, 1, extra), 1)
    assert times["colour"] > 10 * times["depth"]  # OpenGL: about as much
    assert sum(times.values()) - times["all"] <= times["all"]


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., int]:
    """`saom collect` of one tiny picture into the same folder."""

    def collect(*arguments: str) -> int:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        small = ["--out", str(tmp_path / "data"), "--size", "64x48", "--frames", "1", "--frames-per-scene", "1"]
        return run(parser.parse_args([*small, "--workers", "1", *arguments]))

    return collect


def test_a_data_set_remembers_its_renderer(cycles, command, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert command("--renderer", "cycles", "--cycles-samples", "2") == 0
    assert "Sample" not in capfd.readouterr().out  # of Cycles' progress
    assert len(list((tmp_path / "data" / "images").glob("*.png"))) == 1
    assert command("--renderer", "cycles", "--cycles-samples", "2") == 0
    for other in ((), ("--renderer", "cycles"), ("--renderer", "opengl")):
        with pytest.raises(InputError, match="expected in .* a data set of .*extra"):
            command(*other)


def test_a_machine_with_another_blender_is_refused(cycles):
    other = cycles_renderer(SAMPLES) | {"blender": "0.1"}
    with pytest.raises(InputError, match="install the same one here"):
        make_simulator(CollectOptions("rooms", 0, SIZE_HW, 1, {"renderer": other}))


def test_opengl_leaves_no_word_of_it_so_that_older_data_sets_go_on(command, tmp_path: Path):
    assert command("--dry-run") == 0
    before = CollectOptions("rooms", 0, SIZE_HW, 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(checked_info(tmp_path, before.info())))
    assert command("--dry-run", "--renderer", "opengl") == 0


def test_without_blender_one_line_tells_what_to_do(command, monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(InputError, match="pip install --no-deps 'bpy==4.5") as told:
        command("--renderer", "cycles")
    assert "\n" not in str(told.value)
