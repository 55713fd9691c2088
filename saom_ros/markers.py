"""~/markers: the instances' boxes and names, and the planes that they stand on, for rviz."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from saom_core.geometry.support import Plane
from saom_core.overlay import color_of
from saom_ros.answer import Answer


def markers(answer: Answer) -> MarkerArray:
    """Boxes, names and planes for rviz; the first marker deletes those of the frame before."""
    header = answer.metric_header
    message = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    if answer.instances.support is not None:
        message.markers += [_plane(header, k, plane) for k, plane in enumerate(answer.instances.support.planes)]
    boxes = answer.instances.boxes3d
    if boxes is None:
        return message
    # y points down in the camera's own frame
    upwards = np.array([0.0, -1.0, 0.0]) if answer.pose is None else -answer.pose.rotation[:, 1]
    for k in np.flatnonzero(boxes.known).tolist():
        center, size, turn = boxes.centers_m[k].tolist(), boxes.sizes_m[k].tolist(), boxes.quaternions_xyzw[k].tolist()
        red, green, blue = (channel / 255 for channel in color_of(answer.instances, k))
        pose = Pose(position=Point(x=center[0], y=center[1], z=center[2]))
        pose.orientation = Quaternion(x=turn[0], y=turn[1], z=turn[2], w=turn[3])
        box = Marker(header=header, ns="boxes", id=k, type=Marker.CUBE, pose=pose)
        box.scale = Vector3(x=max(size[0], 1e-3), y=max(size[1], 1e-3), z=max(size[2], 1e-3))
        box.color = ColorRGBA(r=red, g=green, b=blue, a=0.4)
        name = answer.instances.class_names[k] or "object"
        text = Marker(header=header, ns="names", id=k, type=Marker.TEXT_VIEW_FACING, text=name)
        above = np.array(center) + (max(size) / 2 + 0.02) * upwards
        text.pose.position = Point(x=above[0], y=above[1], z=above[2])
        text.scale.z = 0.03
        text.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        message.markers += [box, text]
    return message


def _plane(header: Header, k: int, plane: Plane) -> Marker:
    """What is seen of a plane, as triangles about its first corner; rviz shows them from both sides."""
    corners = [Point(x=x, y=y, z=z) for x, y, z in plane.outline_m.tolist()]
    marker = Marker(header=header, ns="planes", id=k, type=Marker.TRIANGLE_LIST)
    marker.pose.orientation.w = 1.0
    marker.scale = Vector3(x=1.0, y=1.0, z=1.0)
    marker.color = ColorRGBA(r=0.3, g=0.6, b=1.0, a=0.25)
    for one, other in zip(corners[1:-1], corners[2:], strict=True):
        marker.points += [corners[0], one, other]
    return marker
