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
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saom_core.camera import CameraLike, intrinsics_of
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.pictures.depth_files import read_depth
from saom_core.pictures.photos import read_photo
from saom_core.pictures.videos import VIDEO_SUFFIXES, Frame, Video
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
        bgr: bool = False,
    ) -> Instances:
        """All whole objects of one picture.

        Args:
            image: (H, W, 3) uint8 RGB, the path of a photo, or a PIL image.
            depth: (H, W) floating, metres along the optical axis, aligned with the image, 0 or NaN = none; or the path
                of a depth picture (see `depth_files.read_depth`); None: colour alone.
            camera: of the image, as `CameraIntrinsics`, (fx, fy, cx, cy) in pixels, or K (3, 3); with depth it gives
                centroids and boxes in metres and tells what things stand on, and tables are no objects then.
            bgr: an array has its channels in OpenCV's order, blue first.

        Raises:
            InputError: a picture that cannot be read, an array of another shape or type, or no camera of this picture.
        """
        image_rgb = image_rgb_of(image, bgr=bgr)
        known = None if camera is None else intrinsics_of(camera, image_rgb.shape[:2])
        return self.segmenter.segment(image_rgb, depth_m_of(depth), known).instances

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
        bgr: bool = False,
    ) -> tuple[Instances, tuple[int, ...]]:
        """The whole object at each point and in each box, whatever its score.

        Args:
            image: as `segment`, as all arguments that are not told here.
            points_xy: pixels of the image.
            boxes_xyxy: left, top, right, bottom in pixels; right and bottom exclusive.
            negative_points_xy: pixels that are not on the object; all that is given then shows one object. For SAM
                checkpoints, as the next two.
            one_object: all that is given shows one object.
            mask: about where the one object is; see `saom_core.prompting.prompts.ObjectPrompt.mask`.
            depth: as `segment`.
            camera: as `segment`.
            bgr: as `segment`.

        Returns:
            The objects by falling score, and for each of them the prompt that it answers: points first, then boxes.

        Raises:
            InputError: as `segment`, and a prompt outside the image, or one that this model cannot be asked.
        """
        points, boxes, negative = (
            [float(value) for row in rows for value in row] for rows in (points_xy, boxes_xyxy, negative_points_xy)
        )
        prompts = Prompts.from_flat(points, boxes, negative, one_object=one_object, mask=mask)
        image_rgb = image_rgb_of(image, bgr=bgr)
        known = None if camera is None else intrinsics_of(camera, image_rgb.shape[:2])
        answer = self.segmenter.ask(image_rgb, prompts, depth_m_of(depth), known)
        return answer.instances, answer.prompts

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
        from saom_core.naming.track_looks import NamedStream  # photos do without

        with Video(source) as video:
            stream = NamedStream(self.segmenter, live=video.is_camera)
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


def image_rgb_of(image: Any, *, bgr: bool = False) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of whatever shows a picture; see `Model.segment`."""
    if isinstance(image, (str, os.PathLike)):
        if Path(image).suffix.lower() in VIDEO_SUFFIXES:
            raise InputError(f"expected a photo, got the video {os.fspath(image)}: go through `video({image!r})`")
        return read_photo(Path(image))
    if isinstance(image, np.ndarray):
        return np.ascontiguousarray(image[..., ::-1]) if bgr else image
    if hasattr(image, "convert"):  # a picture of PIL, which is recognised without importing PIL
        return np.asarray(image.convert("RGB"), np.uint8)
    raise InputError(f"expected an array, the path of a photo or a PIL image, got {type(image).__name__}")


def depth_m_of(depth: Any) -> npt.NDArray[np.floating] | None:
    """(H, W) floating metres of an array or of a depth picture's path; None for None."""
    if depth is None or isinstance(depth, np.ndarray):
        return depth
    if isinstance(depth, (str, os.PathLike)):
        return read_depth(Path(depth))
    raise InputError(f"expected an array in metres or the path of a depth picture, got {type(depth).__name__}")
