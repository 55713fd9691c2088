"""Instances in metres: valid depth, distance, centroid and oriented box of each mask."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.geometry.attitude import Attitude
from saom_core.geometry.depth import Boxes3d, FloatArray, back_project, median
from saom_core.geometry.oriented_box import LastBox, fit_box
from saom_core.geometry.scene_planes import SeenPlanes
from saom_core.geometry.strays import BORDER_PX, own_pixels
from saom_core.geometry.support import Support
from saom_core.geometry.upright import Upwards
from saom_core.instances import Instances, MaskCrop
from saom_core.places.standing import Scene

MIN_POINTS_3D = 16
MAX_POINTS_3D = 1000
"""Points of an instance that its 3D box is measured from; more change it by less than the sensor's noise."""

FORGOTTEN_AFTER = 300
"""Frames without an object after which its box is remembered no more."""


def measure(
    instances: Instances, depth_m: npt.NDArray[np.float32], camera: CameraIntrinsics | None, camera_up: str = "auto"
) -> Instances:
    """Instances with their depth: valid ratio, distance, and with intrinsics centroid, oriented box and support.

    Args:
        instances: N instances of the image.
        depth_m: (H, W) float32, metres, 0 = invalid.
        camera: of the image, or None.
        camera_up: the option of `SaomConfig`; without a pose "auto" is "up".
    """
    n = len(instances)
    ratio, distance = np.zeros(n, np.float32), np.full(n, np.nan, np.float32)
    for k, mask in enumerate(instances.masks):
        depths = depth_m[mask.window][mask.crop]
        depths = depths[depths > 0]
        ratio[k] = depths.size / mask.area
        if depths.size:
            distance[k] = median(depths)
    measured = dataclasses.replace(instances, valid_depth_ratio=ratio, distances_m=distance)
    return measured if camera is None else BoxMemory().locate(measured, depth_m, camera, camera_up=camera_up)


@dataclass(frozen=True)
class _Seen:
    """The box of a thing when it was seen last."""

    box: LastBox
    attitude: Attitude  # of the camera that saw it
    frame: int


class BoxMemory:
    """Measures the places of things in a stream of frames; a thing's box keeps its axes from frame to frame.

    Things are known by their track ids. Those without one are measured each time as if never seen before. Axes are kept
    as the camera sees them, so they are turned as it turns: by its pose, where that is known, and by what it sees of
    the plane that things stand on.
    """

    def __init__(self) -> None:
        self._boxes: dict[int, _Seen] = {}  # by track id
        self._surfaces: set[int] = set()  # of the last frame, by track id
        self._planes: SeenPlanes | None = None
        self._frame = 0
        self.table_in_doubt = False
        """Whether the last frame had a large plane that may be the table, and nothing stands on one that is upright."""

    def locate(
        self,
        instances: Instances,
        depth_m: npt.NDArray[np.float32],
        camera: CameraIntrinsics,
        camera_to_world: npt.NDArray[np.float64] | None = None,
        *,
        camera_up: str = "auto",
        remember: bool = True,
    ) -> Instances:
        """Instances with centroid, oriented box and what they stand on, in the camera's optical frame.

        Args:
            instances: N instances of the image, with their track ids.
            depth_m: (H, W) float32, metres, 0 = invalid.
            camera: of the image.
            camera_to_world: (4, 4) pose of the optical frame in a frame that stands still and whose z is up, metres;
                None: unknown.
            camera_up: the option of `SaomConfig`.
            remember: take this as the next frame of the stream.

        Raises:
            InputError: the camera is that of pictures of another size.
        """
        if (camera.height, camera.width) != instances.size_hw:
            height, width = instances.size_hw
            raise InputError(
                f"expected intrinsics of pictures of {width}x{height}, got those of {camera.width}x{camera.height}: "
                "positions in metres would be wrong, give the camera of this picture"
            )
        n = len(instances)
        centroids = np.full((n, 3), np.nan, np.float32)
        boxes = Boxes3d(np.full((n, 3), np.nan, np.float32), np.full((n, 4), np.nan, np.float32), centroids.copy())
        scene = Scene(depth_m, camera, Upwards.told(camera_up, camera_to_world), self._planes)
        support = Support.unknown(n, scene.planes)
        attitude = Attitude(
            rotation=None if camera_to_world is None else camera_to_world[:3, :3],
            normal=scene.planes[0].normal if scene.planes else None,
        )
        found: dict[int, _Seen] = {}
        for k, mask in enumerate(instances.masks):
            points, pixels = _points(mask, depth_m, camera)
            if len(points) < MIN_POINTS_3D:
                continue
            track_id = int(instances.track_ids[k])
            standing = scene.standing(mask, points, pixels, was_surface=track_id in self._surfaces)
            support.supported_by[k], support.is_surface[k] = standing.supported_by, standing.surface >= 0
            support.bottoms_m[k], support.tops_m[k] = standing.bottom_m, standing.top_m
            floor = scene.planes[standing.supported_by].coefficients if standing.supported_by >= 0 else None
            before = self._boxes.get(track_id)
            last = None if before is None else before.box.turned(attitude.turn_since(before.attitude))
            box, now = fit_box(points, partial(scene.normals, standing), last, floor)
            found[track_id] = _Seen(now, attitude, self._frame + 1)
            centroids[k] = points.mean(axis=0)
            boxes.centers_m[k], boxes.quaternions_xyzw[k], boxes.sizes_m[k] = (
                box.center_m,
                box.quaternion_xyzw,
                box.sizes_m,
            )
        if remember:
            self._remember(found)
            # a plane that things stand on is the table, whatever else there is
            believed = bool(scene.planes) and (not found or bool((support.supported_by >= 0).any()))
            self._planes, self.table_in_doubt = scene.seen, not believed and scene.table_in_doubt
            self._surfaces = {int(track_id) for track_id in instances.track_ids[support.is_surface] if track_id >= 0}
        return dataclasses.replace(instances, centroids_m=centroids, boxes3d=boxes, support=support)

    def _remember(self, found: dict[int, _Seen]) -> None:
        self._frame += 1
        self._boxes |= {track_id: seen for track_id, seen in found.items() if track_id >= 0}
        self._boxes = {k: seen for k, seen in self._boxes.items() if self._frame - seen.frame <= FORGOTTEN_AFTER}


def _points(mask: MaskCrop, depth_m: FloatArray, camera: CameraIntrinsics) -> tuple[FloatArray, int]:
    """Some points (P, 3) of a mask's surface, without strays, and how many of its pixels have depth."""
    depths = depth_m[mask.window]
    has_depth = mask.crop & (depths > 0)
    pixels = int(np.count_nonzero(has_depth))
    # Every second, third, ... row and column of what is large, so that no index is made for pixels that are left out.
    step = max(1, int(np.sqrt(pixels / MAX_POINTS_3D)))
    if step > 1 and np.count_nonzero(has_depth[::step, ::step]) < MIN_POINTS_3D:  # a thing thinner than a step
        step = 1
    pitch, border_px = step / max(camera.fx, camera.fy), BORDER_PX if step <= BORDER_PX else 1
    own = own_pixels(mask.crop[::step, ::step], depths[::step, ::step], pitch, border_px)
    rows, columns = np.nonzero(own)
    if rows.size > MAX_POINTS_3D:
        # a whole step could divide the row's length, and then only one side of every row would be sampled
        chosen = np.linspace(0, rows.size - 1, MAX_POINTS_3D).astype(np.intp)
        rows, columns = rows[chosen], columns[chosen]
    rows, columns = rows * step, columns * step
    points = back_project(depths[rows, columns], rows + mask.y, columns + mask.x, camera)
    # a wide lens has pixels without a ray, and a broken one no numbers
    return points[np.isfinite(points).all(axis=1)], pixels
