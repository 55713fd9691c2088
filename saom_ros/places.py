"""`Places`: where the instances of an answer are in metres, and in which frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from saom_core.errors import InputError
from saom_core.geometry.upright import image_direction
from saom_core.places.measure import BoxMemory
from saom_ros.answer import Answer
from saom_ros.frames import Frames
from saom_ros.metric_inputs import PATIENCE
from saom_ros.parameters import Parameters, listed

FRAME = "target frame"
"""Name of the trouble with tf."""
TRACK_FRAME = "track frame"
"""The same for the frame in which things are followed."""
NOT_ASKED_FOR = "the parameter classes leaves it out"
PLANES = "planes"
"""Name of the trouble that no plane of the scene is upright."""
TABLE_IN_DOUBT = (
    "planes: a large plane is seen that is not upright, and none that is, or just a smaller one, so that things may "
    "stand on nothing and tables may be left in: if the large plane is a table, the floor or the bottom of a bin, set "
    "camera_up to the direction of the picture that is up (towards: the camera looks straight down), or target_frame "
    "to a frame whose z is up; if it is a wall, camera_up: up says that the camera is mounted as usual"
)
SURFACE = "it is a surface, and the parameter drop_surfaces leaves those out"


class Places:
    """Adds places to answers.

    Args:
        options: the options of now.
        frames: knows the way into the frames that parameters name; None where none is set.
    """

    def __init__(self, options: Parameters, frames: Frames | None) -> None:
        self._options, self._frames = options, frames
        self._boxes = BoxMemory()
        self._doubts = 0  # frames in a row

    def locate(self, answer: Answer, *, remember: bool) -> Answer:
        """An answer with places in the camera's frame, where it has depth and a camera.

        Args:
            answer: with track ids, whose boxes keep their axes, and the pose of the camera, where it is known.
            remember: take it as the next frame of the camera's stream.
        """
        if answer.depth_m is None or answer.camera is None:
            if remember:
                self._doubts = 0
            return answer
        located = self._boxes.locate(
            answer.instances,
            answer.depth_m,
            answer.camera,
            answer.camera_to_world if self._z_is_up(answer.header) else None,
            camera_up=self._options.core.camera_up,
            remember=remember,
        )
        if remember:
            self._doubts = self._doubts + 1 if self._boxes.table_in_doubt else 0
        return dataclasses.replace(answer, instances=located)

    @property
    def table_in_doubt(self) -> str:
        """What there is to say of the planes of the last frames, "" for nothing; a few in a row must agree."""
        return TABLE_IN_DOUBT if self._doubts >= PATIENCE else ""

    @property
    def _fixed_frame(self) -> str:
        """The frame in which things are followed; "" for none."""
        return self._options.node.track_frame or self._options.node.target_frame

    def _z_is_up(self, header: Header) -> bool:
        """In the fixed frame: so it is in all frames but those of cameras (REP 103).

        The body of a camera moves along with it: camera_link, where pictures are of camera_color_optical_frame.
        """
        frame, of_picture = self._fixed_frame, header.frame_id.lstrip("/")
        body = frame.endswith("_link") and of_picture.startswith(frame.removesuffix("link"))
        return frame != of_picture and not body and not frame.endswith(("_optical", "_optical_frame"))

    def camera_up(self, header: Header) -> str:
        """The option `camera_up` for a picture that is not of the stream: tf says once what "auto" means for it."""
        camera_up = self._options.core.camera_up
        pose = self.camera_pose(header)[0] if camera_up == "auto" and self._z_is_up(header) else None
        return camera_up if pose is None else image_direction(pose[2, :3])

    def wanted(self, answer: Answer) -> tuple[Answer, str]:
        """An answer without what the parameters leave out, and what is wrong with them ("" for nothing).

        `drop_surfaces` leaves out tables, worktops and floors, `classes` what has other names. They are tracked all the
        same, so that an object's id does not change with the parameters.
        """
        support, names = answer.instances.support, answer.instances.class_names
        out = np.zeros(len(names), np.bool_)
        if support is not None and self._options.core.drop_surfaces:
            out |= support.is_surface
        surfaces = out.copy()
        asked = {name.casefold(): name for name in listed(self._options.node.classes)}
        if asked:
            out |= np.array([name.casefold() not in asked for name in names], np.bool_)
        known = {name.casefold() for name in answer.model.class_names}
        strange = [name for folded, name in asked.items() if folded not in known]
        trouble = (
            f"classes: expected some of the model's, got {', '.join(strange)}: it has "
            f"{', '.join(answer.model.class_names) or 'none'}"
            if strange
            else ""
        )
        if not out.any():
            return answer, trouble
        target = answer.target
        if target.index is not None and out[target.index]:
            reason = SURFACE if surfaces[target.index] else NOT_ASKED_FOR
            target = dataclasses.replace(target, index=None, reason=reason)
        elif target.index is not None:
            target = dataclasses.replace(target, index=int(target.index - np.count_nonzero(out[: target.index])))
        return dataclasses.replace(answer, instances=answer.instances.select(~out), target=target), trouble

    def camera_pose(self, header: Header) -> tuple[npt.NDArray[np.float64] | None, str]:
        """Where the camera is in the frame in which things are followed, and what is wrong ("" for nothing).

        That is the parameter `track_frame`, or `target_frame` where only that is set.

        Returns:
            (4, 4) from the optical frame into the fixed one; None where none is set, or tf does not know it.
        """
        node, fixed = self._options.node, self._fixed_frame
        if self._frames is None or not fixed:
            return None, ""
        try:
            asker = "track_frame" if node.track_frame else "target_frame"
            return self._frames.transform(fixed, header, node.tf_timeout_s, asker).matrix, ""
        except InputError as error:
            return None, f"{error}; objects are followed as if the camera stood still"

    def in_target_frame(self, answer: Answer, timeout_s: float | None = None) -> Answer:
        """An answer with its positions in the frame of the parameter `target_frame`, at the image's stamp.

        Args:
            answer: with places in the camera's frame.
            timeout_s: how long to wait for the transform; None: as the parameter `tf_timeout_s` says.

        Raises:
            InputError: tf does not know the way there; see `Frames.transform`.
        """
        target_frame = self._options.node.target_frame
        # frames without a target_frame: tf is there for a depth camera or for tracks
        needless = target_frame in ("", answer.header.frame_id) or answer.instances.centroids_m is None
        if self._frames is None or needless:
            return answer
        timeout_s = self._options.node.tf_timeout_s if timeout_s is None else timeout_s
        pose = self._frames.transform(target_frame, answer.header, timeout_s, "target_frame")
        return dataclasses.replace(answer, instances=pose.instances(answer.instances), frame_id=target_frame, pose=pose)

    def in_target_frame_or_nowhere(self, answer: Answer, timeout_s: float | None = None) -> tuple[Answer, str]:
        """The same for a stream: without a transform the answer has no positions, and the reason is told.

        Positions of another frame than the one that was asked for would be taken for right ones.
        """
        try:
            return self.in_target_frame(answer, timeout_s), ""
        except InputError as error:
            nowhere = dataclasses.replace(answer.instances, centroids_m=None, boxes3d=None, support=None)
            return dataclasses.replace(answer, instances=nowhere, camera=None), f"{error}; no positions in metres"
