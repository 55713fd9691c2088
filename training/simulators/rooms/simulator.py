"""The `rooms` simulator: episode number -> scene -> settled world -> frames."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saom_core.errors import InputError

from ...data.frames import Frame, FrameObject, Split
from ..interface import CollectOptions
from .assets.load import Assets, load_assets
from .cameras import View, random_lens, random_lights, random_view
from .choose import pair_of, things_of
from .looks.pictures import Pictures
from .mujoco_world import World, WorldObject
from .options import PICTURE_SUFFIXES, ROOM_SHARE, cycles_renderer, files_of
from .renderer import ColorRenderer, Renderer
from .scene import make_scene
from .sensor import random_depth_camera, sense_color, sense_depth

if TYPE_CHECKING:
    from .cycles.renderer import CyclesRenderer

VERSION = "3"  # goes up when the same seed gives other pictures
SPLIT_CYCLE = 20  # one scene in twenty is for validation and one for the test
MIN_MEDIAN_DEPTH_M = 0.35
TRIES_PER_FRAME = 12
BAYER_SHARE = 0.5  # of the pictures, where there are hard tables: one value a pixel, as a sensor sees
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoomsOptions:
    """What decides the pictures, besides the episode's number."""

    seed: int = 0
    sizes_hw: tuple[tuple[int, int], ...] = ((300, 400),)  # each episode has one of them
    frames: int = 6  # per episode
    assets: Assets | None = None
    pictures: Pictures | None = None
    room_share: float = ROOM_SHARE
    hard_share: float = 0.0
    things_twice: bool = False  # scenes in pairs, see `choose.py`
    cycles_samples: int = 0  # paths per pixel of Blender's path tracer; 0: colour from OpenGL


def split_of(index: int) -> Split:
    """The split of scene number `index`."""
    place = index % SPLIT_CYCLE
    return "val" if place == SPLIT_CYCLE - 2 else "test" if place == SPLIT_CYCLE - 1 else "train"


def create(options: CollectOptions) -> RoomsSimulator:
    """The simulator that `saom collect` asks for."""
    sizes_hw = tuple((height, width) for height, width in options.extra.get("sizes_hw", [options.size_hw]))
    assets, pictures = None, None
    if "assets" in options.extra:
        wanted = options.extra["assets"]
        assets = load_assets(_folder(options, "assets"), wanted["share"], wanted["unit"], wanted["up"])
    if "textures" in options.extra:
        pictures = Pictures(tuple(files_of(_folder(options, "textures"), PICTURE_SUFFIXES)))
    samples = 0
    if "renderer" in options.extra:
        samples = int(options.extra["renderer"]["samples"])
        here = cycles_renderer(samples)
        if here != options.extra["renderer"]:
            raise InputError(
                f"expected the renderer {options.extra['renderer']}, got {here}: install the same one here"
            )
    rooms = float(options.extra.get("room_share", ROOM_SHARE))
    hard = float(options.extra.get("hard_share", 0.0))
    twice = bool(options.extra.get("things_twice", False))
    return RoomsSimulator(
        RoomsOptions(options.seed, sizes_hw, options.frames_per_scene, assets, pictures, rooms, hard, twice, samples)
    )


def _cycles(samples: int) -> CyclesRenderer:
    from .cycles.renderer import CyclesRenderer  # needs `bpy`, which few have

    return CyclesRenderer(samples)


def _folder(options: CollectOptions, name: str) -> Path:
    if name not in options.machine:
        raise InputError(f"expected the folder of --{name} that this data set was begun with, got none: give it again")
    return Path(options.machine[name])


class RoomsSimulator:
    """The simulator for these options; see `interface.Simulator`."""

    name = "rooms"
    version = VERSION

    def __init__(self, options: RoomsOptions) -> None:
        self.options = options
        self._largest_hw = tuple(max(edges) for edges in zip(*options.sizes_hw, strict=True))
        self._renderer = Renderer(self._largest_hw)
        self._cycles = _cycles(options.cycles_samples) if options.cycles_samples else None
        self._painter: ColorRenderer = self._cycles or self._renderer

    def episode(self, index: int) -> list[Frame]:
        """Build scene `index`, let it settle, look at it from several places."""
        sizes_hw = self.options.sizes_hw
        size_hw = sizes_hw[np.random.default_rng((self.options.seed, index, 1)).integers(len(sizes_hw))]
        rng = np.random.default_rng((self.options.seed, index))
        options, things = self.options, None
        if options.things_twice:
            things = things_of(options.seed, pair_of(index), options.assets)
        scene = make_scene(
            rng, options.assets, room_share=options.room_share, hard_share=options.hard_share, things=things
        )
        try:
            world = World(scene, rng, self._largest_hw, pictures=self.options.pictures)
        except (FloatingPointError, ValueError) as error:
            log.warning("scene %d is left out: %s", index, error)
            return []
        self._renderer.load(world)
        if self._cycles is not None:  # with a stream of its own: the views of a seed are those that OpenGL shows
            self._cycles.load(world, np.random.default_rng((self.options.seed, index, 2)))
        targets = targets_of(world)
        frames = (self._frame(index, world, targets, size_hw, rng) for _ in range(self.options.frames))
        return [frame for frame in frames if frame is not None]

    def close(self) -> None:
        """Free the OpenGL context, and Blender's scene."""
        self._renderer.close()
        if self._cycles is not None:
            self._cycles.close()

    def _frame(
        self, index: int, world: World, targets: np.ndarray, size_hw: tuple[int, int], rng: np.random.Generator
    ) -> Frame | None:
        for _ in range(TRIES_PER_FRAME):
            view = random_view(rng, world.scene, targets, size_hw)
            if view is None:
                continue
            camera_rng = rng
            if self.options.things_twice:  # begun anew for each picture: one lens, light and sensor for the scene
                camera_rng = np.random.default_rng((self.options.seed, index, 4))
                view = replace(view, camera=random_lens(camera_rng, size_hw))
            geoms, depth_m = self._renderer.surface(view)
            object_ids = np.where(geoms >= 0, world.geom_object[geoms], -1).astype(np.int32)
            if _good_view(object_ids, depth_m):
                return self._sensed(index, world, view, geoms, object_ids, depth_m, rng, camera_rng)
        return None

    def _sensed(
        self,
        index: int,
        world: World,
        view: View,
        geoms: np.ndarray,
        object_ids: np.ndarray,
        depth_m: np.ndarray,
        rng: np.random.Generator,
        camera_rng: np.random.Generator,
    ) -> Frame:
        lights, ambient = random_lights(
            camera_rng, world.scene, view.pose[:3, 3] + view.pose[:3, 2] * np.median(depth_m)
        )
        bayer = self.options.hard_share > 0 and bool(camera_rng.random() < BAYER_SHARE)
        image_rgb = sense_color(self._painter.color(view, lights, ambient), camera_rng, bayer=bayer)
        depth_camera = random_depth_camera(camera_rng, depth_m.shape)
        hole_rate = np.where(geoms >= 0, world.geom_hole_rate[geoms], 0.0).astype(np.float32)
        visible = visible_shares(world, view, object_ids)
        objects = tuple(_frame_object(item, share) for item, share in zip(world.objects, visible, strict=True))
        return Frame(
            image_rgb=image_rgb,
            depth_m=sense_depth(depth_m, hole_rate, view.camera.fx, depth_camera, rng),
            object_ids=object_ids,
            part_ids=np.where(geoms >= 0, world.geom_part[geoms], 0).astype(np.int32),
            objects=objects,
            camera=view.camera,
            pose=view.pose,
            scene=f"rooms_{self.options.seed}_{index:06d}",
            split=split_of(pair_of(index) if self.options.things_twice else index),
        )


def _frame_object(item: WorldObject, visible: float) -> FrameObject:
    model = item.placed.model
    thing = "_".join(str(number) for number in model.thing)
    return FrameObject(model.class_name, model.style, item.parts, dict(model.sub_objects), visible, thing)


def targets_of(world: World) -> np.ndarray:
    """(N, 3) points worth a look: on a table-top the things that lie high enough, in a room everything."""
    centers = np.array(
        [
            world.data.xpos[item.body]
            + world.data.xmat[item.body].reshape(3, 3) @ (0, 0, item.placed.model.size[2] / 2)
            for item in world.objects
        ]
    )
    tops = np.array([item.placed.movable or world.scene.family == "room" for item in world.objects], bool)
    low = 0.25 if world.scene.family == "table" else -0.1
    good = tops & (centers[:, 2] > low) if len(centers) else tops
    if not good.any():
        return np.array([[0.0, 0.0, 0.6]]) if not len(centers) else centers[:1]
    return centers[good]


def _good_view(object_ids: np.ndarray, depth_m: np.ndarray) -> bool:
    """Whether the camera is not inside something, before a bare wall or close to one object: it sees two instances."""
    if np.median(depth_m) < MIN_MEDIAN_DEPTH_M or np.quantile(depth_m, 0.05) < 0.2:
        return False
    ids, counts = np.unique(object_ids, return_counts=True)
    share = counts / object_ids.size
    seen = ids[(ids >= 0) & (share > 0.002)]
    return len(seen) >= 2 and bool(share[ids >= 0].max() < 0.85 and share[ids >= 0].sum() > 0.02)


def visible_shares(world: World, view: View, object_ids: np.ndarray) -> np.ndarray:
    """(N,) share of each object's surface, as far as it faces the camera inside the picture, that the picture shows.

    Points spread over the surface are projected, weighted by the area they would cover; a point counts as seen if its
    pixel shows the object. Cheaper than drawing every object alone, and within a few per cent of it.
    """
    camera, rotation, eye = view.camera, view.pose[:3, :3], view.pose[:3, 3]
    shares = np.zeros(len(world.objects))
    for index, item in enumerate(world.objects):
        turn = world.data.xmat[item.body].reshape(3, 3)
        offsets = item.points @ turn.T + world.data.xpos[item.body] - eye
        facing = -(offsets * (item.normals @ turn.T)).sum(1)
        x, y, z = (offsets @ rotation).T
        ahead = (facing > 0) & (z > 0.05)
        column = np.rint(camera.cx + camera.fx * x[ahead] / z[ahead]).astype(int)
        row = np.rint(camera.cy + camera.fy * y[ahead] / z[ahead]).astype(int)
        inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
        weight = (facing[ahead] / z[ahead] ** 3)[inside]
        if weight.sum() > 0:
            shares[index] = (weight * (object_ids[row[inside], column[inside]] == index)).sum() / weight.sum()
    return shares
