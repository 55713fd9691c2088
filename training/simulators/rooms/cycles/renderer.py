"""Pictures of a `World` by Blender's path tracer Cycles, on one core: few samples, denoised."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
import OpenEXR

from ..cameras import Light, View
from ..mujoco_world import World
from .quiet import quiet
from .stage import add_sky, add_things, looked_at, set_ambient, set_camera, set_lamps

DISPLAY_MEAN = 0.45  # of the exposed picture; the sensor has an exposure of its own
KNEE = 0.6  # light up to here is kept, what is brighter is pressed into the rest
MAX_GAIN = 30.0


class CyclesRenderer:
    """Blender's scene of this process, filled by `load`; a process has one at most.

    Args:
        samples: Paths per pixel, before denoising.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._folder = tempfile.TemporaryDirectory(prefix="saom_cycles_")

    def load(self, world: World, rng: np.random.Generator) -> None:
        """Carry a world over; the one before is freed.

        Args:
            world: The scene at rest.
            rng: Source of what OpenGL has no word for, such as polish, sizes of lamps, and what shines in.
        """
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._world, self._rng = world, rng
        self._set_up()
        add_things(world, rng)
        add_sky(rng)

    def color(self, view: View, lights: Sequence[Light], ambient: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB under these lamps and this ambient light (3,) RGB."""
        set_camera(view)
        set_lamps(lights, looked_at(self._world, view), self._rng)
        set_ambient(ambient)
        return exposed(self._rendered())

    def close(self) -> None:
        """Free the scene."""
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._folder.cleanup()

    def _set_up(self) -> None:
        scene = bpy.context.scene
        scene.render.engine = "CYCLES"
        scene.render.threads_mode, scene.render.threads = "FIXED", 1
        scene.render.use_persistent_data = True
        scene.render.film_transparent = False
        scene.render.image_settings.file_format = "OPEN_EXR"
        scene.render.image_settings.color_mode = "RGB"
        scene.render.image_settings.color_depth = "32"
        scene.render.image_settings.exr_codec = "NONE"
        scene.render.filepath = str(Path(self._folder.name) / "frame.exr")
        cycles = scene.cycles
        cycles.device, cycles.samples, cycles.seed = "CPU", self._samples, 0
        cycles.use_adaptive_sampling = False
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
        cycles.denoising_input_passes, cycles.denoising_prefilter = "RGB_ALBEDO_NORMAL", "FAST"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 6, 2, 2
        cycles.transmission_bounces, cycles.transparent_max_bounces = 6, 6
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.sample_clamp_direct, cycles.sample_clamp_indirect = 20.0, 4.0

    def _rendered(self) -> np.ndarray:
        """(H, W, 3) float32 linear light."""
        with quiet(1):  # Cycles tells its progress, line by line, and cannot be asked not to
            bpy.ops.render.render(write_still=True)
        with OpenEXR.File(bpy.context.scene.render.filepath) as file:
            return np.array(file.channels()["RGB"].pixels, np.float32)


def exposed(light: np.ndarray) -> np.ndarray:
    """A camera's automatic exposure, and a soft limit of what is too bright.

    Args:
        light: (H, W, 3) float32, linear.

    Returns:
        (H, W, 3) uint8 display values.
    """
    light = np.clip(np.nan_to_num(light), 0, None)
    mean = float((np.minimum(light.mean(2), np.quantile(light, 0.99)) ** (1 / 2.2)).mean())
    light = light * min(MAX_GAIN, (DISPLAY_MEAN / max(mean, 1e-3)) ** 2.2)
    pressed = 1 - (1 - KNEE) * np.exp(-(np.maximum(light, KNEE) - KNEE) / (1 - KNEE))
    return (np.where(light > KNEE, pressed, light) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)
