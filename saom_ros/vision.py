"""The ROS convention, vision_msgs: detections in the image and in space, and the names of the classes.

vision_msgs is in every ROS distribution but not on PyPI; without it these topics are not there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Quaternion, Vector3

from saom_core.runtime import ModelInfo
from saom_ros.answer import Answer
from saom_ros.output import ONCE, Output

try:
    from vision_msgs import msg as vision_msgs
except ImportError:
    vision_msgs = None


def detections(answer: Answer) -> Any:
    """Detection2DArray: box, class name and score of each instance; id is Instance.track_id, "" without tracking."""
    message = vision_msgs.Detection2DArray(header=answer.header)
    for k, (left, top, right, bottom) in enumerate(answer.instances.boxes_xyxy.tolist()):
        box = vision_msgs.BoundingBox2D(size_x=right - left, size_y=bottom - top)
        box.center.position.x, box.center.position.y = (left + right) / 2, (top + bottom) / 2
        results = [_hypothesis(answer, k)]
        message.detections.append(
            vision_msgs.Detection2D(header=answer.header, results=results, bbox=box, id=_track(answer, k))
        )
    return message


def detections_3d(answer: Answer) -> Any:
    """Detection3DArray: the instances that have a box in space; empty without depth and intrinsics."""
    header = answer.metric_header
    message = vision_msgs.Detection3DArray(header=header)
    boxes = answer.instances.boxes3d
    if boxes is None:
        return message
    for k in np.flatnonzero(boxes.known).tolist():
        center, size, turn = boxes.centers_m[k].tolist(), boxes.sizes_m[k].tolist(), boxes.quaternions_xyzw[k].tolist()
        box = vision_msgs.BoundingBox3D(size=Vector3(x=size[0], y=size[1], z=size[2]))
        box.center.position = Point(x=center[0], y=center[1], z=center[2])
        box.center.orientation = Quaternion(x=turn[0], y=turn[1], z=turn[2], w=turn[3])
        result = _hypothesis(answer, k)
        result.pose.pose = box.center
        message.detections.append(
            vision_msgs.Detection3D(header=header, results=[result], bbox=box, id=_track(answer, k))
        )
    return message


def label_info(model: ModelInfo) -> Any:
    """LabelInfo of the values in ~/class_image."""
    classes = [
        vision_msgs.VisionClass(class_id=number + 1, class_name=name) for number, name in enumerate(model.class_names)
    ]
    return vision_msgs.LabelInfo(class_map=[vision_msgs.VisionClass(class_id=0, class_name="background"), *classes])


def _track(answer: Answer, k: int) -> str:
    track_id = int(answer.instances.track_ids[k])
    return str(track_id) if track_id >= 0 else ""


def _hypothesis(answer: Answer, k: int) -> Any:
    result = vision_msgs.ObjectHypothesisWithPose()
    result.hypothesis.class_id = answer.instances.class_names[k]
    result.hypothesis.score = float(answer.instances.class_scores[k])
    return result


def _outputs() -> dict[str, Output]:
    if vision_msgs is None:
        return {}
    return {
        "detections": Output(vision_msgs.Detection2DArray, detections),
        "detections_3d": Output(vision_msgs.Detection3DArray, detections_3d),
        "label_info": Output(vision_msgs.LabelInfo, label_info, ONCE),
    }


VISION_OUTPUTS = _outputs()
"""Rows of the table of topics, `saom_ros.outputs.OUTPUTS`."""
