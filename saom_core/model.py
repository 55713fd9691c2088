"""The Python front door: `load()` a model, give it pictures of any kind, get `Instances`.

    import saom_core

    model = saom_core.load()
    for k, name in enumerate(model.segment("photo.jpg").class_names):
        print(k, name)

The ROS node uses `saom_core.loading.Models`, whose segmenters take arrays only and tell times beside the instances.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraIntrinsics, CameraLike, intrinsics_of
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.pictures.photos import image_rgb_of
from saom_core.pictures.videos import VIDEO_SUFFIXES, Frame, Video
from saom_core.places.depth_checks import FARTHEST_SENSOR_M, depth_in_metres, depth_problem, measured_in, size_problem
from saom_core.places.depth_files import DepthFile, read_scaled_depth
from saom_core.prompting.prompts import Prompts
from saom_core.runtime import ModelInfo
from saom_core.segmenter import Segmenter

if TYPE_CHECKING:
    from saom_core.naming.track_looks import NamedStream

log = logging.getLogger("saom")


class Model:
    """Everything mode for Python programs.

    Args:
        segmenter: does the work; see `load`.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self._told: set[str] = set()  # kinds of doubt about depth and camera

    @property
    def info(self) -> ModelInfo:
        """What the model is, where it runs, and its class names."""
        return self.segmenter.info

    def segment(
        self,
        image: Any,
        depth: Any = None,
        camera: CameraLike | None = None,
        *,
        depth_scale: float = 0.0,
        bgr: bool = False,
    ) -> Instances:
        """All whole objects of one picture.

        Depth of a doubtful unit, or a camera of another resolution, is told in the log, once.

        Args:
            image: (H, W, 3) uint8 RGB, the path of a photo, or a PIL image; these two are turned by their EXIF data.
            depth: (H, W) floating, metres along the optical axis, aligned with the image, 0 or NaN = none; or the path
                of a depth picture (see `saom_core.places.depth_files.read_depth`); None: colour alone.
            camera: of the image, as `CameraIntrinsics`, (fx, fy, cx, cy) in its pixels, or K (3, 3); with depth it
                gives centroids and boxes in metres and tells what things stand on, and tables are no objects then.
            depth_scale: metres per unit of the depth's numbers, such as 1 / 5000 for TUM's pictures; 0: floats are
                metres, and whole numbers in files millimetres.
            bgr: an array has its channels in OpenCV's order, blue first.

        Raises:
            InputError: a picture that cannot be read, an array of another shape or type, depth farther than
                any camera measures (millimetres that are given as metres), or no camera of this picture.
        """
        image_rgb = _photo_of(image, bgr)
        known = self._checked_camera(camera, image_rgb)
        read = self._checked_depth(depth, depth_scale)
        found = self.segmenter.segment(image_rgb, None if read is None else read.depth_m, known).instances
        self._check_sizes(found, read, depth_scale)
        return found

    def ask(
        self,
        image: Any,
        *,
        points_xy: Sequence[Sequence[float]] = (),
        boxes_xyxy: Sequence[Sequence[float]] = (),
        negative_points_xy: Sequence[Sequence[float]] = (),
        one_object: bool = False,
        mask: npt.NDArray[np.bool_] | npt.NDArray[np.float32] | None = None,
        depth: Any = None,
        camera: CameraLike | None = None,
        depth_scale: float = 0.0,
        bgr: bool = False,
    ) -> tuple[Instances, tuple[int, ...]]:
        """The whole object at each point and in each box, whatever its score.

        Args:
            image: as `segment`, as all arguments that are not told here.
            points_xy: pixels of the image, (x, y) of each; one alone will do.
            boxes_xyxy: left, top, right, bottom in pixels; right and bottom exclusive.
            negative_points_xy: pixels that are not on the object; all that is given then shows one object. For SAM
                checkpoints, as the next two.
            one_object: all that is given shows one object.
            mask: about where the one object is; see `saom_core.prompting.prompts.ObjectPrompt.mask`.
            depth: as `segment`.
            camera: as `segment`.
            depth_scale: as `segment`.
            bgr: as `segment`.

        Returns:
            The objects by falling score, and for each of them the prompt that it answers: points first, then boxes.

        Raises:
            InputError: as `segment`, and a prompt outside the image, or one that this model cannot be asked.
        """
        points, negative = _flat("points_xy", points_xy, 2), _flat("negative_points_xy", negative_points_xy, 2)
        boxes = _flat("boxes_xyxy", boxes_xyxy, 4)
        prompts = Prompts.from_flat(points, boxes, negative, one_object=one_object, mask=mask)
        image_rgb = _photo_of(image, bgr)
        known = self._checked_camera(camera, image_rgb)
        read = self._checked_depth(depth, depth_scale)
        answer = self.segmenter.ask(image_rgb, prompts, None if read is None else read.depth_m, known)
        self._check_sizes(answer.instances, read, depth_scale)
        return answer.instances, answer.prompts

    def tracker(self, *, live: bool = True) -> NamedStream:
        """Objects with numbers and names that last, for the frames of one camera or film, with depth or without.

        Each frame is given to its `update(image_rgb, stamp_s, depth_m, camera)`. A model may have several trackers,
        and several threads may use it, each with a tracker of its own.

        Args:
            live: the frames come from a camera, so that few new things are looked at in each, to be done in time.
        """
        from saom_core.naming.track_looks import NamedStream  # photos do without

        return NamedStream(self.segmenter, live=live)

    def _checked_camera(self, camera: CameraLike | None, image_rgb: npt.NDArray[np.uint8]) -> CameraIntrinsics | None:
        if camera is None:
            return None
        known = intrinsics_of(camera, image_rgb.shape[:2])
        if not (0 <= known.cx < known.width and 0 <= known.cy < known.height):
            self._tell(
                "camera",
                f"camera: expected its axis to meet the picture of {known.width}x{known.height} pixels, got cx "
                f"{known.cx:g} and cy {known.cy:g}: unless the picture was cut out of a larger one, these numbers are "
                "of another resolution, and all places in metres are wrong",
            )
        return known

    def _checked_depth(self, depth: Any, depth_scale: float) -> DepthFile | None:
        """Depth with the scale of its numbers.

        Raises:
            InputError: no depth, or all of it lies where no camera measures, while a thousandth would be in range.
        """
        read, config = _depth_of(depth, depth_scale), self.segmenter.config
        if read is None or read.depth_m.ndim != 2 or not np.issubdtype(read.depth_m.dtype, np.floating):
            return read  # the segmenter says what is wrong
        problem = depth_problem(read.depth_m, config.min_depth_m, config.max_depth_m, read.scale)
        if problem is None:
            return read
        distances = measured_in(read.depth_m)
        if distances.size and not problem.usable and distances.min() > FARTHEST_SENSOR_M:
            raise InputError(problem.text)
        self._tell(problem.kind, problem.text)
        return read

    def _check_sizes(self, found: Instances, read: DepthFile | None, depth_scale: float) -> None:
        problem = None if read is None or depth_scale else size_problem(found, read.scale)
        if problem is not None:
            self._tell(problem.kind, problem.text)

    def _tell(self, kind: str, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            log.warning("%s", text)

    def stream(self, images: Iterable[Any], *, bgr: bool = False) -> Iterator[Instances]:
        """The objects of each of many pictures that have nothing to do with each other, one after the other.

        Args:
            images: each as `segment` takes it, such as a list of paths; taken one by one, when they are wanted.
            bgr: as `segment`.

        Yields:
            What `segment` gives for each, in the order of the pictures.

        Raises:
            InputError: as `segment`, at the picture that it is about.
        """
        for image in images:
            yield self.segment(image, bgr=bgr)

    def video(self, source: str | os.PathLike[str] | int) -> Iterator[tuple[Frame, Instances]]:
        """The objects of each frame of a video or of a camera; an object keeps its `track_ids` entry, from 1 on.

        Args:
            source: path of a video file, or the number of a camera, 0 being the first, which never ends by itself.

        Yields:
            The frame: `image_rgb` (H, W, 3) uint8, `index` from 0 on, `stamp_s` seconds since the first frame; and its
            instances, of which a tracked object has one name through all frames.

        Raises:
            InputError: no such file or camera, or none that OpenCV can open.
        """
        with Video(source) as video:
            stream = self.tracker(live=video.is_camera)
            for frame in video:
                yield frame, stream.update(frame.image_rgb, frame.stamp_s)


def load(model: str | os.PathLike[str] = "", **options: Any) -> Model:
    """Load a model.

    Args:
        model: a saom-*.onnx file, or (where torch is installed) a checkpoint of the SAM family; "": the bundled
            saom-tiny.
        options: fields of `saom_core.config.SaomConfig`, such as `provider="cuda"` or `score_threshold=0.6`.

    Raises:
        ModelError: the model cannot be loaded.
        ConfigError: an option that does not exist, or is out of range.
    """
    return Model(load_segmenter(SaomConfig().replace(model=os.fspath(model), **options)))


def _photo_of(image: Any, bgr: bool) -> npt.NDArray[np.uint8]:
    """See `image_rgb_of`; a video is told what to do with it."""
    if isinstance(image, (str, os.PathLike)) and Path(image).suffix.lower() in VIDEO_SUFFIXES:
        raise InputError(f"expected a photo, got the video {os.fspath(image)}: go through `video({image!r})`")
    return image_rgb_of(image, bgr=bgr)


def _depth_of(depth: Any, depth_scale: float) -> DepthFile | None:
    """(H, W) floating metres of an array or of a depth picture's path, with the scale of their numbers."""
    if depth is None:
        return None
    if isinstance(depth, np.ndarray):  # whole numbers of an unknown unit are refused where arrays are checked
        return DepthFile(depth_in_metres(depth, depth_scale) if depth_scale else depth, depth_scale or 1.0)
    if isinstance(depth, (str, os.PathLike)):
        return read_scaled_depth(Path(depth), depth_scale)
    raise InputError(f"expected an array in metres or the path of a depth picture, got {type(depth).__name__}")


def _flat(name: str, rows: Any, width: int) -> list[float]:
    """The numbers of points or boxes, one after the other; one alone may be given without a list around it."""
    try:
        numbers = np.asarray(rows, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty((0, 0, 0))
    if numbers.shape == (0,) or numbers.shape == (width,) or (numbers.ndim == 2 and numbers.shape[1] == width):
        return [float(value) for value in numbers.ravel()]
    raise InputError(f"{name}: expected rows of {width} numbers, in pixels, got {rows!r}")
