"""The user's own meshes and pictures in the simulated rooms."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image

from saom_cli.main import main
from saom_core.errors import InputError
from saom_core.taxonomy import OTHER
from saom_training.simulators.interface import CollectOptions, make_simulator
from saom_training.simulators.rooms.assets.load import load_assets
from saom_training.simulators.rooms.looks.pictures import Pictures
from saom_training.simulators.rooms.mujoco_world import World
from saom_training.simulators.rooms.scene import Scene, make_scene

SIZE_HW = (120, 160)
RED, GREEN = (250, 10, 10), (10, 250, 10)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A textured mug-sized box, a part of no class drawn in millimetres with y up, and a file that is broken."""
    made = tmp_path / "assets"
    (made / "mug").mkdir(parents=True)
    (made / "brackets").mkdir()
    box = trimesh.creation.box((0.08, 0.1, 0.12))
    corners = (box.vertices[:, :2] - box.vertices[:, :2].min(0)) / np.ptp(box.vertices[:, :2], axis=0)
    box.visual = trimesh.visual.TextureVisuals(corners, image=Image.fromarray(np.full((64, 64, 3), RED, np.uint8)))
    box.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))  # z up to glTF's y up
    box.export(made / "mug" / "red.glb")
    angle = trimesh.util.concatenate(
        [
            trimesh.creation.box(bounds=[(0, 0, 0), (100, 10, 40)]),
            trimesh.creation.box(bounds=[(0, 0, 0), (10, 60, 40)]),
        ]
    )
    angle.export(made / "brackets" / "angle.stl")
    (made / "mug" / "broken.stl").write_bytes(b"solid nothing")
    return made


def test_meshes_become_objects_with_class_size_and_colliders(folder: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assets = load_assets(folder, 1.0, "mm", "y")
    assert "mug/broken.stl is left out" in caplog.text
    models = {model.style: model for model in (build(np.random.default_rng(0)) for build in assets.builders)}
    mug, angle = models["asset_red"], models["asset_angle"]
    assert mug.class_name == "Mug"
    assert angle.class_name == OTHER
    # the same factor, 0.85 to 1.15, for every edge: metres and y up in glTF whatever the options say
    factors = np.array([*np.array(mug.size) / (0.08, 0.1, 0.12), *np.array(angle.size) / (0.1, 0.04, 0.06)])
    assert np.allclose(factors, factors[0], atol=1e-6)
    assert 0.85 <= factors[0] <= 1.15
    # a convex box is its own collider; an angle is not the hull of itself, which would fill its inner corner
    assert sum(not solid.visible for solid in mug.solids) == 1
    hulls = [solid.vertices for solid in angle.solids if not solid.visible]
    assert len(hulls) > 1
    filled = sum(trimesh.convex.convex_hull(hull).volume for hull in hulls)
    true = factors[0] ** 3 * (0.1 * 0.04 * 0.01 + 0.01 * 0.04 * 0.05)
    assert true * 0.8 < filled < true * 1.35 < trimesh.convex.convex_hull(np.concatenate(hulls)).volume


def test_the_pieces_of_a_mesh_are_found_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    first = load_assets(folder, 1.0, "mm", "y")

    def fail(*args: object, **options: object) -> None:
        raise AssertionError("decomposed again")

    monkeypatch.setattr(trimesh.Trimesh, "convex_decomposition", fail)
    second = load_assets(folder, 1.0, "mm", "y")
    for build, again in zip(first.builders, second.builders, strict=True):
        for solid, other in zip(
            build(np.random.default_rng(1)).solids, again(np.random.default_rng(1)).solids, strict=True
        ):
            assert (solid.vertices is None) == (other.vertices is None)
            assert solid.vertices is None or np.array_equal(solid.vertices, other.vertices)


def test_wrong_units_and_empty_folders_are_told(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (folder / "mug" / "red.glb").unlink()
    with pytest.raises(InputError, match="usable mesh"):
        load_assets(folder, 1.0, "m", "y")
    assert "100 m: is its unit right?" in caplog.text
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"\.obj.*got none"):
        load_assets(tmp_path / "empty", 1.0, "m", "y")


def test_frames_show_the_meshes_as_instances_in_their_own_colours(folder: Path):
    (folder / "brackets" / "angle.stl").unlink()
    options = CollectOptions(
        "rooms",
        3,
        SIZE_HW,
        3,
        {"assets": {"files": "", "share": 1.0, "unit": "m", "up": "z"}},
        {"assets": str(folder)},
    )
    simulator = make_simulator(options)
    try:
        frames = [frame for episode in range(3) for frame in simulator.episode(episode)]
        again = simulator.episode(0)
    finally:
        simulator.close()
    assert all(np.array_equal(frame.image_rgb, other.image_rgb) for frame, other in zip(frames, again, strict=False))
    colours = []
    for frame in frames:
        for index, item in enumerate(frame.objects):
            pixels = frame.image_rgb[frame.object_ids == index].astype(int)
            if item.style == "asset_red" and len(pixels) > 80:
                assert item.class_name == "Mug"
                colours.append(pixels.mean(axis=0))
    assert len(colours) >= 3
    red, green, blue = np.median(colours, axis=0)  # one in seven gets a random look, and light has a colour
    assert red > 2 * max(green, blue)


def test_pictures_are_printed_on_packages(tmp_path: Path):
    path = tmp_path / "green.png"
    cv2.imwrite(str(path), np.full((90, 120, 3), GREEN[::-1], np.uint8))
    pictures = Pictures((path,))
    rng = np.random.default_rng(0)
    assert np.array_equal(np.unique(pictures.tile(rng, 64).reshape(-1, 3).max(axis=1)), [250])  # the inks may change
    tile = Pictures((tmp_path / "green.png",)).tile(rng, 64)
    assert tile.shape == (64, 64, 3)
    assert np.array_equal(tile[:, 0], tile[:, -1])  # repeats without a seam
    scene = make_scene(np.random.default_rng(4))
    assert _share_of_green(scene, pictures) > _share_of_green(scene, None) + 0.05


def _share_of_green(scene: Scene, pictures: Pictures | None) -> float:
    """Of the texture pixels of a scene, those with one ink at full strength and two at none."""
    world = World(scene, np.random.default_rng(0), SIZE_HW, pictures=pictures)
    pixels = np.sort(world.model.tex_data.reshape(-1, 3), axis=1)
    return float((pixels == (10, 10, 250)).all(axis=1).mean())


@pytest.mark.slow
def test_a_set_is_continued_with_the_same_meshes_alone(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "set"
    (folder / "brackets" / "angle.stl").unlink()
    (folder / "mug" / "broken.stl").unlink()
    command = ["collect", "--out", str(out), "--frames", "2", "--frames-per-scene", "2", "--size", "64x48"]
    command += ["--workers", "1"]
    assert main([*command, "--assets", str(folder)]) == 0
    moved = folder.rename(tmp_path / "moved")
    assert main([*command, "--assets", str(moved)]) == 0
    (moved / "mug" / "red.glb").rename(moved / "mug" / "blue.glb")
    assert main([*command, "--assets", str(moved)]) == 1
    assert "use the same options" in capsys.readouterr().err
    assert main([*command, "--assets", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err
