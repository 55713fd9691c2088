"""Off-screen rendering of a `World`: colour, depth and what every pixel shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import mujoco
import numpy as np
from mujoco.rendering.classic import gl_context

from .cameras import Light, View
from .mujoco_world import World

NEAR_M, FAR_M = 0.05, 30.0


class ColorRenderer(Protocol):
    """What makes the colour of a world that is loaded."""

    def color(self, view: View, lights: Sequence[Light], ambient: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB under these lamps and this ambient light (3,) RGB."""
        ...

    def close(self) -> None:
        """Free what is loaded."""
        ...


class Renderer:
    """OpenGL: one OpenGL context for the process, one set of uploaded meshes and textures per world.

    Use `load(world)`, then any number of `color` and `surface` calls; `close()` at the end.
    """

    def __init__(self, max_size_hw: tuple[int, int]) -> None:
        self._gl = gl_context.GLContext(max_size_hw[1], max_size_hw[0])
        self._gl.make_current()
        self._context: mujoco.MjrContext | None = None

    def load(self, world: World) -> None:
        """Upload a world; the one before is freed."""
        self._free()
        self._world = world
        self._context = mujoco.MjrContext(world.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(world.model, maxgeom=world.model.ngeom + 100)
        self._options = mujoco.MjvOption()

    def surface(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """What is seen: geom ids (H, W) int32, -1 for nothing, and depth along the axis (H, W) float32 metres."""
        scene = self._update(view)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = True
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
        rect = mujoco.MjrRect(0, 0, view.camera.width, view.camera.height)
        mujoco.mjr_render(rect, scene, self._context)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = False
        scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = False
        colour = np.empty((rect.height, rect.width, 3), np.uint8)
        reversed_z = np.empty((rect.height, rect.width), np.float32)
        mujoco.mjr_readPixels(colour, reversed_z, rect, self._context)
        number = colour.astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        geom_of = np.full(scene.ngeom + 1, -1, np.int32)
        for geom in scene.geoms[: scene.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                geom_of[geom.segid + 1] = geom.objid
        depth_m = NEAR_M * FAR_M / (NEAR_M + reversed_z.astype(np.float64) * (FAR_M - NEAR_M))
        return geom_of[number][::-1], depth_m[::-1].astype(np.float32)

    def color(self, view: View, lights: Sequence[Light], ambient: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB under these lamps and this ambient light (3,) RGB."""
        headlight = self._world.model.vis.headlight
        headlight.ambient[:], headlight.diffuse[:], headlight.specular[:] = ambient, 0.0, 0.0
        scene = self._update(view)
        lamps = list(scene.lights[1 : scene.nlight])  # the first is the headlight, here the ambient light
        for lamp, light in zip(lamps, lights, strict=False):
            lamp.pos[:], lamp.dir[:] = light.pos, light.direction
            lamp.diffuse[:], lamp.ambient[:], lamp.specular[:] = light.rgb, 0.0, light.rgb
            lamp.castshadow = light.shadow
            lamp.cutoff, lamp.exponent = light.cutoff, 1.0
            kinds = mujoco.mjtLightType
            lamp.type = kinds.mjLIGHT_DIRECTIONAL if light.directional else kinds.mjLIGHT_SPOT
        scene.nlight = 1 + len(lights)
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = any(light.shadow for light in lights)
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        rect = mujoco.MjrRect(0, 0, view.camera.width, view.camera.height)
        mujoco.mjr_render(rect, scene, self._context)
        image_rgb = np.empty((rect.height, rect.width, 3), np.uint8)
        mujoco.mjr_readPixels(image_rgb, None, rect, self._context)
        return image_rgb[::-1].copy()

    def close(self) -> None:
        """Free the uploaded world and the OpenGL context."""
        self._free()
        self._gl.free()

    def _free(self) -> None:
        if self._context is not None:
            self._context.free()
            self._context = None

    def _update(self, view: View) -> mujoco.MjvScene:
        world = self._world
        mujoco.mjv_updateScene(
            world.model, world.data, self._options, None, mujoco.MjvCamera(), mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        tangent = view.camera.height / 2 / view.camera.fy
        for camera in self._scene.camera:
            camera.pos[:], camera.forward[:], camera.up[:] = view.pose[:3, 3], view.pose[:3, 2], -view.pose[:3, 1]
            camera.frustum_center = 0.0
            camera.frustum_top, camera.frustum_bottom = tangent * NEAR_M, -tangent * NEAR_M
            camera.frustum_near, camera.frustum_far = NEAR_M, FAR_M
        return self._scene
