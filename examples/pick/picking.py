"""What the robot does: which thing comes next, and the way of the hand from the table into the box."""

from __future__ import annotations

from typing import Any

import numpy as np
from table import Table

from saom_training.grasping.execution import APPROACH_M
from saom_training.grasping.gripper import PARKED_M
from saom_training.grasping.planner import Grasp

HIGH_M = 0.30  # above the table: so high things are carried
TRIES = 2  # for each thing
SAME_M = 0.05  # something so near to where a grasp failed is the same thing
HOLDS_M = 0.004  # pads that are farther apart have something between them


def choose(answer: Any, table: Table, failed: list[np.ndarray]) -> Any:
    """The instance to pick next: of what stands on the table and has not failed twice, the nearest one; None for none.

    Args:
        answer: `saom_ros/InstanceArray`.
        table: Where it is, and where the camera is.
        failed: Places (3,) of grasps that have failed, metres in the world.
    """
    pose = table.view.pose
    left = []
    for instance in answer.instances:
        c = instance.centroid
        place = pose[:3, :3] @ (c.x, c.y, c.z) + pose[:3, 3]
        tried = sum(float(np.linalg.norm(place - other)) < SAME_M for other in failed)
        if instance.track_id > 0 and not instance.is_surface and table.on_table(place) and tried < TRIES:
            left.append((tried, instance.distance, instance))
    return min(left, key=lambda item: item[:2])[2] if left else None


def carry(table: Table, grasp: Grasp) -> bool:
    """Grasps, lifts, and drops into the box; False where the jaws have closed on nothing."""
    bench = table.bench
    before, high = grasp.pose.copy(), grasp.pose.copy()
    before[:3, 3] -= APPROACH_M * grasp.pose[:3, 2]
    high[2, 3] = table.height_m + HIGH_M
    bench.gripper.put(before, grasp.opening_m)
    bench.move(before, grasp.pose, 0.7)
    bench.gripper.grip(0.0)
    bench.wait(0.5)
    bench.move(grasp.pose, high, 0.8)
    held = bench.gripper.opening_m > HOLDS_M
    over = high.copy()
    over[:2, 3] = table.bin_m[:2]
    if held:
        bench.move(high, over, 1.2)
        held = bench.gripper.opening_m > HOLDS_M
        bench.gripper.grip(0.08)
        bench.wait(0.7)
    parked = grasp.pose.copy()
    parked[:3, 3] = PARKED_M
    bench.gripper.put(parked, 0.08)
    return held
