"""The simulated table: things on it, a gripper above it, a box beside it, a depth camera, and one that films."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_training.grasping.execution import Bench
from saom_training.grasping.gripper import add_gripper
from saom_training.grasping.scenes import WIDEST_M
from saom_training.simulators.rooms.cameras import Light, View, look_at
from saom_training.simulators.rooms.catalogue.primitives import plain_table
from saom_training.simulators.rooms.choose import random_object
from saom_training.simulators.rooms.geometry.boxes import about_z
from saom_training.simulators.rooms.geometry.model import ObjectModel
from saom_training.simulators.rooms.mujoco_world import World
from saom_training.simulators.rooms.renderer import Renderer
from saom_training.simulators.rooms.scene import Placed, Scene
from saom_training.simulators.rooms.sensor import DepthCamera, sense_depth
from saom_training.simulators.rooms.shell import make_room

SIZE_HW = (480, 640)
AREA_M = (0.62, 0.42)  # of the table, about its middle: where things stand and the robot picks
BIN_M, BIN_DEPTH_M = 0.36, 0.20
DEPTH_CAMERA = DepthCamera(False, 0.05, 0.0012, 0.001, (0.2, 4.0), 0.5, (0.4, 0.2), (0, 0, 0, 0), 0.5)


@dataclass(frozen=True)
class Shot:
    """What the camera gives at one moment."""

    image_rgb: np.ndarray  # (H, W, 3) uint8
    depth_m: np.ndarray  # (H, W) float32, 0 = invalid


class Table:
    """A world from a seed.

    Args:
        seed: Another number gives other things.
        count: How many things.
    """

    def __init__(self, seed: int, count: int) -> None:
        self._rng = rng = np.random.default_rng(seed)
        scene = Scene("table", make_room(rng, "table"))
        model = plain_table(rng)
        while not (0.75 < model.size[0] < 1.15 and 0.55 < model.size[1] < 0.9):
            model = plain_table(rng)
        scene.objects.append(Placed(model, (0.0, 0.0, 0.0), np.eye(3), movable=False))
        self.height_m = model.size[2]
        self.bin_m = np.array([model.size[0] / 2 + BIN_M / 2 + 0.06, 0.0, self.height_m])
        for place in self._places(count):
            thing = self._thing()
            pos = (float(place[0]), float(place[1]), self.height_m + 0.004)
            scene.objects.append(Placed(thing, pos, about_z(float(rng.uniform(-np.pi, np.pi))), movable=True))
        self.world = World(scene, rng, SIZE_HW, extend=self._extend)
        self.bench = Bench(self.world.model, self.world.data)
        self.renderer = Renderer(SIZE_HW)
        self.renderer.load(self.world)
        height, width = SIZE_HW
        lens = CameraIntrinsics(740.0, 740.0, (width - 1) / 2, (height - 1) / 2, width, height)
        middle = np.array([0.0, 0.0, self.height_m])
        self.view = View(look_at(middle + (0.0, -0.55, 0.72), middle + (0.0, 0.02, 0.0), 0.0), lens)
        film = CameraIntrinsics(330.0, 330.0, 191.5, 143.5, 384, 288)
        eye, looks_at = middle + (0.2, -1.05, 0.62), middle + (0.22, 0.05, 0.04)
        self._film = View(look_at(eye, looks_at, 0.0), film)
        lamp, down = middle + (-0.3, -0.4, 1.1), np.array([0.2, 0.3, -1.0])
        self._lights = [Light(lamp, down / np.linalg.norm(down), np.full(3, 0.5), False, True, 75.0)]

    def _places(self, count: int) -> np.ndarray:
        """(count, 2) metres, on a loose grid about the middle of the table."""
        columns = int(np.ceil(np.sqrt(count * AREA_M[0] / AREA_M[1])))
        rows = -(-count // columns)
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)[:count]
        cell = np.array(AREA_M) / (columns, rows)
        return (grid + 0.5) * cell - np.array(AREA_M) / 2 + self._rng.uniform(-0.15, 0.15, (count, 2)) * cell

    def _thing(self) -> ObjectModel:
        """Something that the jaw can enclose, and that stays where it is put."""
        while True:
            model = random_object(self._rng, ("table",), (0.16, 0.12, 0.16), 0.4)
            if model and min(model.size[:2]) < WIDEST_M - 0.005 and model.size[2] > 0.025 and model.mass < 0.6:
                return model

    def _extend(self, spec: mujoco.MjSpec) -> None:
        add_gripper(spec)
        half, thick, box = BIN_M / 2, 0.008, mujoco.mjtGeom.mjGEOM_BOX
        x, y, top = self.bin_m
        low = top - BIN_DEPTH_M
        options = {"type": box, "rgba": [0.15, 0.35, 0.55, 1.0], "friction": [0.8, 0.01, 0.001]}
        spec.worldbody.add_geom(pos=[x, y, low / 2], size=[half, half, low / 2], **options)
        for side in (-1, 1):
            wall = [thick / 2, half, BIN_DEPTH_M / 2]
            spec.worldbody.add_geom(pos=[x + side * half, y, top - BIN_DEPTH_M / 2], size=wall, **options)
            wall = [half, thick / 2, BIN_DEPTH_M / 2]
            spec.worldbody.add_geom(pos=[x, y + side * half, top - BIN_DEPTH_M / 2], size=wall, **options)

    def shoot(self) -> Shot:
        """A picture and its depth, with noise and holes."""
        image_rgb = self.renderer.color(self.view, self._lights, np.full(3, 0.55))
        geoms, depth_m = self.renderer.surface(self.view)
        holes = np.where(geoms >= 0, self.world.geom_hole_rate[geoms], 0.0).astype(np.float32)
        return Shot(image_rgb, sense_depth(depth_m, holes, self.view.camera.fx, DEPTH_CAMERA, self._rng))

    def film(self) -> np.ndarray:
        """The scene from the side, (288, 384, 3) uint8."""
        return self.renderer.color(self._film, self._lights, np.full(3, 0.55))

    def on_table(self, point_m: np.ndarray) -> bool:
        """Whether a point lies where the robot picks; it knows where its table stands."""
        reach = np.array(AREA_M) / 2 + 0.12
        return bool(np.all(np.abs(point_m[:2]) < reach) and -0.01 < point_m[2] - self.height_m < 0.4)

    def left_and_boxed(self) -> tuple[int, int]:
        """How many things are still on the table, and how many lie in the box: the simulator's own knowledge."""
        places = np.array([self.world.data.xipos[item.body] for item in self.world.objects if item.placed.movable])
        in_box = np.all(np.abs(places[:, :2] - self.bin_m[:2]) < BIN_M / 2, axis=1) & (
            places[:, 2] < self.height_m + 0.1
        )
        return sum(map(self.on_table, places)), int(in_box.sum())
