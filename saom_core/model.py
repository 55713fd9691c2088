"""The Python front door: `load()` a model, give it pictures of any kind, get `Instances`.

    import saom_core

    model = saom_core.load()
    for k, name in enumerate(model.segment("photo.jpg").class_names):
        print(k, name)

The ROS node uses `saom_core.loading.Models`, whose segmenters take arrays only and tell times beside the instances.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraLike
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.inputs import Inputs
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.pictures.videos import Frame, Video
from saom_core.prompting.prompts import Prompts
from saom_core.runtime import ModelInfo
from saom_core.segmenter import Segmenter


class Model:
    """Everything mode for Python programs.

    Args:
        segmenter: does the work; see `load`.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self._inputs = Inputs()

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
            image: (H, W, 3) uint8 RGB, the path of a photo, or a PIL image; these two are turned by their EXIF data,
                and their depth and camera, which are those of the pixels as they are stored, with them: places are in
                the frame of the photo as it is shown.
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
        frame = self._inputs.frame(image, depth, camera, self.segmenter.config, depth_scale, bgr)
        found = self.segmenter.segment(frame.image_rgb, frame.depth_m, frame.camera).instances
        self._inputs.check_sizes(found, frame)
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
        frame = self._inputs.frame(image, depth, camera, self.segmenter.config, depth_scale, bgr)
        answer = self.segmenter.ask(frame.image_rgb, prompts, frame.depth_m, frame.camera)
        self._inputs.check_sizes(answer.instances, frame)
        return answer.instances, answer.prompts

    def tracker(self, *, live: bool = True) -> ModelTracker:
        """Objects with numbers and names that last, for the frames of one camera or film, with depth or without.

        Each frame is given to its `update`. A model may have several trackers, and several threads may use it, each
        with a tracker of its own.

        Args:
            live: the frames come from a camera, so that few new things are looked at in each, to be done in time.
        """
        return ModelTracker(self.segmenter, live=live)

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


class ModelTracker:
    """The frames of one stream; see `Model.tracker`, which makes it."""

    def __init__(self, segmenter: Segmenter, *, live: bool) -> None:
        from saom_core.naming.track_looks import NamedStream  # photos do without

        self._segmenter, self._stream, self._inputs = segmenter, NamedStream(segmenter, live=live), Inputs()

    def update(
        self,
        image: Any,
        stamp_s: float,
        depth: Any = None,
        camera: CameraLike | None = None,
        *,
        depth_scale: float = 0.0,
        bgr: bool = False,
    ) -> Instances:
        """The objects of the next frame: `track_ids` are their numbers, and their boxes keep the axes.

        Args:
            image: as `Model.segment`, as all arguments that are not told here; each doubt is told once a stream.
            stamp_s: when it was taken, seconds.
            depth: as `Model.segment`.
            camera: as `Model.segment`.
            depth_scale: as `Model.segment`.
            bgr: as `Model.segment`.

        Raises:
            InputError: as `Model.segment`.
        """
        frame = self._inputs.frame(image, depth, camera, self._segmenter.config, depth_scale, bgr)
        found = self._stream.update(frame.image_rgb, stamp_s, frame.depth_m, frame.camera)
        self._inputs.check_sizes(found, frame)
        return found


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


def _flat(name: str, rows: Any, width: int) -> list[float]:
    """The numbers of points or boxes, one after the other; one alone may be given without a list around it."""
    try:
        numbers = np.asarray(rows, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty((0, 0, 0))
    if numbers.shape == (0,) or numbers.shape == (width,) or (numbers.ndim == 2 and numbers.shape[1] == width):
        return [float(value) for value in numbers.ravel()]
    raise InputError(f"{name}: expected rows of {width} numbers, in pixels, got {rows!r}")
