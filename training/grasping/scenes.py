"""Cluttered tables of the simulator `rooms` with a gripper above, a camera, and one object that is to be grasped."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np

from ..simulators.rooms.cameras import View, random_lights, random_view
from ..simulators.rooms.mujoco_world import World, WorldObject
from ..simulators.rooms.renderer import Renderer
from ..simulators.rooms.scene import make_scene
from ..simulators.rooms.sensor import random_depth_camera, sense_color, sense_depth
from ..simulators.rooms.simulator import targets_of, visible_shares
from .execution import Bench
from .gripper import add_gripper
from .jaw import Jaw

SIZE_HW = (480, 640)
TRIES, VIEWS = 40, 40
DISTANCE_M, LEAST_PITCH = (0.45, 1.1), np.radians(30)  # where a camera for grasping looks from
LEAST_PX, LEAST_VISIBLE, LEAST_DEPTH = 500, 0.6, 0.6
WIDEST_M, LOWEST_M, HEAVIEST_KG = 0.065, 0.02, 1.0
_SETTLE_S = 0.5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableScene:
    """One picture of a table, the world that it shows, and the object to grasp.

    Attributes:
        bench: The world's physics with the gripper, at rest.
        world: All of it.
        view: The camera.
        image_rgb: (H, W, 3) uint8, as the camera gives it.
        depth_m: (H, W) float32, as the camera gives it, 0 = invalid.
        object_ids: (H, W) int32, which object is seen, -1: none.
        target: Number of the object to grasp.
    """

    bench: Bench
    world: World
    view: View
    image_rgb: np.ndarray
    depth_m: np.ndarray
    object_ids: np.ndarray
    target: int

    @property
    def body(self) -> int:
        """MuJoCo's number of the target's body."""
        return self.world.objects[self.target].body

    @property
    def pixel_xy(self) -> tuple[int, int]:
        """Where a person would click to choose the target: the pixel of it that is farthest from its border."""
        return innermost_pixel(self.object_ids == self.target)


def innermost_pixel(mask: np.ndarray) -> tuple[int, int]:
    """Column and row of a mask's pixel that is farthest from its border; the picture's edge is a border."""
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inside = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(column), int(row)


def make_table(seed: int, index: int, renderer: Renderer) -> TableScene:
    """Table number `index` of a seed; the same numbers give the same scene.

    Raises:
        ValueError: none of several tables shows an object that the gripper can hold.
    """
    for attempt in range(TRIES):
        rng = np.random.default_rng((seed, index, attempt))
        try:
            world = World(make_scene(rng, family="table"), rng, SIZE_HW, extend=add_gripper)
            bench = Bench(world.model, world.data)
            bench.wait(_SETTLE_S)
        except (FloatingPointError, ValueError) as error:
            log.info("table %d, attempt %d is left out: %s", index, attempt, error)
            continue
        bench.keep()
        renderer.load(world)
        scene = _photographed(bench, world, renderer, rng)
        if scene is not None:
            return scene
    raise ValueError(f"table {index} of seed {seed}: expected something to grasp in one of {TRIES} attempts, got none")


def _photographed(bench: Bench, world: World, renderer: Renderer, rng: np.random.Generator) -> TableScene | None:
    fitting = [k for k, item in enumerate(world.objects) if _fits(world, item)]
    for _ in range(VIEWS if fitting else 0):
        view = _random_view(world, fitting, rng)
        if view is None:
            continue
        geoms, depth_m = renderer.surface(view)
        object_ids = np.where(geoms >= 0, world.geom_object[geoms], -1).astype(np.int32)
        holes = np.where(geoms >= 0, world.geom_hole_rate[geoms], 0.0).astype(np.float32)
        depth_camera = random_depth_camera(rng, depth_m.shape)
        sensed_m = sense_depth(depth_m, holes, view.camera.fx, depth_camera, rng)
        shares = visible_shares(world, view, object_ids)
        good = [k for k in fitting if shares[k] >= LEAST_VISIBLE and _well_seen(object_ids == k, sensed_m)]
        if not good:
            continue
        target = good[rng.integers(len(good))]
        lights, ambient = random_lights(rng, world.scene, view.pose[:3, 3] + view.pose[:3, 2] * np.median(depth_m))
        image_rgb = sense_color(renderer.color(view, lights, ambient), rng)
        return TableScene(bench, world, view, image_rgb, sensed_m, object_ids, target)
    return None


def _random_view(world: World, fitting: list[int], rng: np.random.Generator) -> View | None:
    """A view as `rooms` draws them, of a table alone, not too far off and from above."""
    targets = targets_of(world)
    view = random_view(rng, world.scene, targets, SIZE_HW)
    if view is None:
        return None
    pitch = np.arcsin(-view.pose[2, 2])
    places = world.data.xpos[[world.objects[k].body for k in fitting]]
    distance = np.linalg.norm(places - view.pose[:3, 3], axis=1).min()
    return view if pitch >= LEAST_PITCH and DISTANCE_M[0] <= distance <= DISTANCE_M[1] else None


def _well_seen(mask: np.ndarray, depth_m: np.ndarray) -> bool:
    touches = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    return not touches and mask.sum() >= LEAST_PX and bool(np.mean(depth_m[mask] > 0) >= LEAST_DEPTH)


def _fits(world: World, item: WorldObject) -> bool:
    """Whether the jaw can enclose the object as it lies, and lift it."""
    if not item.placed.movable or not item.placed.is_instance or item.placed.model.mass > HEAVIEST_KG:
        return False
    turn = world.data.xmat[item.body].reshape(3, 3)
    points = (item.points @ turn.T + world.data.xpos[item.body]).astype(np.float32)
    if points[:, 2].min() < 0.2:  # on the floor, or taken away
        return False
    _, edges, _ = cv2.minAreaRect(np.ascontiguousarray(points[:, :2]))
    return min(edges) <= min(WIDEST_M, Jaw().opening_m) and float(np.ptp(points[:, 2])) >= LOWEST_M
