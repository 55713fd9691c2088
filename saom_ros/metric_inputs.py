"""Depth and camera of a frame: what of them belongs to its picture, and what is wrong with the rest.

Metres that are wrong look like metres that are right. So depth or intrinsics that cannot belong to the picture are left
out, what is doubtful is used and told, and each trouble says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError
from saom_core.instances import Instances
from saom_core.messages.cameras import CameraOfStream, kind_of_picture
from saom_core.messages.headers import check_frame_id
from saom_core.messages.pictures import depth_from_image, depth_type
from saom_core.places.depth_checks import DepthProblem, depth_problem, depth_scale_of, size_problem
from saom_core.places.registration import Registration
from saom_core.places.rigid import IDENTITY, RigidTransform
from saom_ros.compressed_depth import raw_depth
from saom_ros.frames import Frames
from saom_ros.parameters import NodeConfig

WITHOUT_DEPTH = "working without depth"
ALIGN = "connect the depth that the driver aligns to colour, or name the depth's own camera_info as depth_camera_info"
WITHOUT_POSITIONS = "no positions in metres, only distances"

TROUBLES = ("depth", "depth unit", "camera_info", "rectified")
"""Names of what can be wrong with the inputs of one frame."""

SIZES = "object sizes"
"""Name of the trouble that the answers show, not the inputs."""

NO_INFO = "no camera_info"
"""Kind of the trouble that somebody who asks for distances alone may have on purpose."""

SAME_CAMERA_PX = 0.5
"""Focal lengths and principal points that differ by no more are rounded numbers of one camera."""

PATIENCE = 5
"""So many answers in a row say the same of the objects' sizes before it is told, or is over."""


@dataclass(frozen=True)
class Trouble:
    """Something wrong with an input."""

    name: str  # one of `TROUBLES`, or SIZES
    kind: str  # stays the same as long as the same thing is wrong, while the numbers in the text may change
    text: str
    consequence: str = ""  # what is done without that input; "": it is used all the same

    def __str__(self) -> str:
        return f"{self.text}; {self.consequence}" if self.consequence else self.text


@dataclass(frozen=True)
class Geometry:
    """What a frame's metres come from; the camera alone tells sizes roughly, by which things are named."""

    depth_m: npt.NDArray[np.float32] | None  # (H, W)
    camera: CameraIntrinsics | None
    troubles: tuple[Trouble, ...] = ()
    depth_scale: float = 1.0  # metres per unit of the depth message


class MetricInputs:
    """Judges depth and camera_info of frames.

    Args:
        image_topic: resolved name of the topic that the pictures come from.
        depth_topic: resolved name of the topic that depth comes from; "": as the pictures.
        frames: knows how a depth camera of its own stands to the colour camera; None: tf is not listened to.
    """

    def __init__(self, image_topic: str, depth_topic: str = "", frames: Frames | None = None) -> None:
        self._image_topic, self._depth_topic, self._frames = image_topic, depth_topic, frames
        self._cameras, self._depth_cameras = CameraOfStream(), CameraOfStream()
        self._registration: Registration | None = None  # of the last frame; cameras seldom move against each other

    def of(
        self,
        header: Header,
        size_hw: tuple[int, int],
        messages: tuple[Image | CompressedImage | None, CameraInfo | None],
        core: SaomConfig,
        node: NodeConfig,
        depth_info: CameraInfo | None = None,
    ) -> Geometry:
        """Depth and camera of one picture.

        Depth with a camera_info of its own is registered to the picture, unless that describes the picture's camera.

        Args:
            header: of the picture.
            size_hw: of the picture.
            messages: depth of the same moment, and the camera_info that is known, where there are any.
            core: for the range of valid distances.
            node: for the settings of depth and camera.
            depth_info: camera_info of the depth, where it has one of its own.
        """
        depth, info = messages
        camera, of_camera = self._camera(info, header, size_hw, node)
        if depth is None:  # the camera still has a say in names; what is wrong with it matters to metres alone
            return Geometry(None, camera)
        try:
            if depth_info is None:
                _check_frame_id("depth", depth.header, header, node.check_frames)
            depth = raw_depth(depth) if isinstance(depth, CompressedImage) else depth
            depth_m = depth_from_image(depth, node.depth_scale)
            if depth_info is None:
                _check_size(depth_m, size_hw)
        except InputError as error:
            return Geometry(None, camera, (Trouble("depth", str(error), str(error), WITHOUT_DEPTH),))
        scale = depth_scale_of(depth_type(depth), node.depth_scale)
        problem = depth_problem(depth_m, core.min_depth_m, core.max_depth_m, scale)
        troubles = [] if problem is None else [_trouble(problem)]
        if problem is not None and not problem.usable:
            return Geometry(None, camera, tuple(troubles), scale)
        if depth_info is not None and not (camera is None and _looks_aligned(depth, depth_m, header, size_hw)):
            try:
                depth_m = self._registered(depth, depth_m, depth_info, header, camera, node)
            except InputError as error:
                troubles.append(Trouble("depth", "not registered", str(error), WITHOUT_DEPTH))
                return Geometry(None, camera, (*troubles, *of_camera), scale)
        return Geometry(depth_m, camera, (*troubles, *of_camera), scale)

    def _registered(
        self,
        depth: Image,
        depth_m: npt.NDArray[np.float32],
        depth_info: CameraInfo,
        header: Header,
        camera: CameraIntrinsics | None,
        node: NodeConfig,
    ) -> npt.NDArray[np.float32]:
        """The depth (H, W) of a camera of its own as the colour camera sees it.

        Raises:
            InputError: a camera_info or the transform between the cameras is missing, or does not fit.
        """
        if camera is None:
            raise InputError("depth: its registration needs the camera_info of the colour camera, which is missing")
        ours, theirs = header.frame_id.lstrip("/"), depth.header.frame_id.lstrip("/")
        described = depth_info.header.frame_id.lstrip("/")
        if node.check_frames and theirs and described and described != theirs:
            raise InputError(
                f"depth_camera_info: expected the frame_id of the depth, {theirs!r}, got {described!r}: connect the "
                "camera_info beside the depth topic, or set the parameter check_frames to false if it describes the "
                "depth's camera"
            )
        depth_camera = self._depth_camera(depth_info, (depth_m.shape[0], depth_m.shape[1]), node)
        if ours == theirs and _same_pixels(depth_camera, camera):
            return depth_m
        if not ours or not theirs or ours == theirs or not node.check_frames:
            return self._register(depth_camera, IDENTITY, camera)(depth_m)
        if self._frames is None:
            raise InputError(
                f"depth: expected tf2_ros, through which the way from {theirs!r} to {ours!r} is known, found none: "
                "install ros-$ROS_DISTRO-tf2-ros-py, or connect the depth that the driver aligns to colour"
            )
        pose = self._frames.transform(ours, depth.header, node.tf_timeout_s, "depth")
        return self._register(depth_camera, pose, camera)(depth_m)

    def _depth_camera(self, info: CameraInfo, size_hw: tuple[int, int], node: NodeConfig) -> CameraIntrinsics:
        kind = kind_of_picture("auto" if self._depth_topic else node.rectified, self._depth_topic, info)
        if kind.doubt:  # where its own topic does not tell, depth is rectified if the pictures are
            kind = kind_of_picture(node.rectified, self._image_topic, info)
        return self._depth_cameras.of(info, size_hw, rectified=kind.rectified)

    def _register(self, depth_camera: CameraIntrinsics, pose: RigidTransform, camera: CameraIntrinsics) -> Registration:
        kept = self._registration
        if kept is None or kept.key != (depth_camera, pose.key, camera):
            kept = self._registration = Registration(depth_camera, pose, camera)
        return kept

    def _camera(
        self, info: CameraInfo | None, header: Header, size_hw: tuple[int, int], node: NodeConfig
    ) -> tuple[CameraIntrinsics | None, list[Trouble]]:
        if info is None:
            return None, [Trouble("camera_info", NO_INFO, "no camera_info has come", WITHOUT_POSITIONS)]
        kind = kind_of_picture(node.rectified, self._image_topic, info)
        try:
            _check_frame_id("camera_info", info.header, header, node.check_frames)
            camera = self._cameras.of(info, size_hw, rectified=kind.rectified)
        except InputError as error:
            return None, [Trouble("camera_info", str(error), str(error), WITHOUT_POSITIONS)]
        return camera, [Trouble("rectified", "unknown", kind.doubt)] if kind.doubt else []


class SteadyTroubles:
    """What a stream of frames has to tell: each trouble in the words that it was first told in."""

    def __init__(self) -> None:
        self._told: dict[str, Trouble] = {}
        self._large = 0  # answers in a row that say "large objects", negative: that do not

    def of_frame(self, troubles: Iterable[Trouble]) -> dict[str, Trouble | None]:
        """What to tell for each of `TROUBLES`; None where nothing is wrong."""
        now = {trouble.name: trouble for trouble in troubles}
        return {name: self._steady(name, now.get(name)) for name in TROUBLES}

    def of_answer(self, instances: Instances, geometry: Geometry, node: NodeConfig) -> Trouble | None:
        """What to tell of the objects' sizes; a few answers in a row must agree."""
        # somebody who has set the unit by hand knows what it is
        problem = None if node.depth_scale else size_problem(instances, geometry.depth_scale)
        self._large = max(self._large, 0) + 1 if problem is not None else min(self._large, 0) - 1
        if problem is not None and self._large >= PATIENCE:
            return self._steady(SIZES, Trouble(SIZES, problem.kind, problem.text))
        if self._large <= -PATIENCE:
            return self._steady(SIZES, None)
        return self._told.get(SIZES)

    def _steady(self, name: str, trouble: Trouble | None) -> Trouble | None:
        before = self._told.pop(name, None)
        if trouble is None:
            return None
        self._told[name] = before if before is not None and before.kind == trouble.kind else trouble
        return self._told[name]


def _trouble(problem: DepthProblem) -> Trouble:
    if problem.usable:
        return Trouble("depth" if problem.kind == "scattered" else "depth unit", problem.kind, problem.text)
    return Trouble("depth", problem.kind, problem.text, WITHOUT_DEPTH)


def _check_frame_id(name: str, header: Header, image: Header, wanted: bool) -> None:
    """Refuses a message of another frame_id, if that is wanted.

    Raises:
        InputError: another frame.
    """
    if wanted:
        remedy = ALIGN if name == "depth" else "connect the image's own"
        remedy += ", or set the parameter check_frames to false if the two are one place"
        check_frame_id(name, header, image, remedy)


def _looks_aligned(depth: Image, depth_m: npt.NDArray[np.float32], header: Header, size_hw: tuple[int, int]) -> bool:
    """Whether depth has the picture's size and frame."""
    return depth_m.shape == size_hw and depth.header.frame_id.lstrip("/") == header.frame_id.lstrip("/")


def _same_pixels(one: CameraIntrinsics, other: CameraIntrinsics) -> bool:
    """Whether each pixel of two cameras at one place looks the same way, to about half a pixel."""
    if (one.width, one.height) != (other.width, other.height):
        return False
    ours, theirs = ((camera.fx, camera.fy, camera.cx, camera.cy) for camera in (one, other))
    if not np.allclose(ours, theirs, rtol=0, atol=SAME_CAMERA_PX):
        return False
    if one.is_pinhole or other.is_pinhole:
        return one.is_pinhole and other.is_pinhole
    lens, other_lens = ((camera.distortion_model, camera.distortion, camera.rotation) for camera in (one, other))
    return lens == other_lens


def _check_size(depth_m: npt.NDArray[np.float32], size_hw: tuple[int, int]) -> None:
    """Refuses depth (H, W) that has not the image's size.

    Raises:
        InputError: another size.
    """
    if depth_m.shape != size_hw:
        raise InputError(
            f"depth: expected the image's size {size_hw[1]}x{size_hw[0]}, got {depth_m.shape[1]}x{depth_m.shape[0]}: "
            f"{ALIGN}"
        )
