"""The space that a parallel jaw fills, as boxes, and which points are in its way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Jaw:
    """A parallel-jaw gripper, metres; the defaults are the Panda's hand as robosuite describes it.

    Frame of a grasp: z is the approach, y the line on which the jaws close, the origin lies between the two pads.
    """

    opening_m: float = 0.08  # between the pads, at most
    finger_thick_m: float = 0.024  # outwards from the pad
    finger_half_width_m: float = 0.0105  # along x
    tip_m: float = 0.013  # from the origin to the end of the fingers, along z
    palm_m: float = 0.0274  # from the origin back to the palm
    hand_half_m: tuple[float, float] = (0.032, 0.104)  # along x and y
    hand_back_m: float = 0.12  # from the palm back to the flange


REACH_BACK_M = 0.12
"""The jaw comes from so far along its approach; what it sweeps on the way must be free, too."""


def boxes_of(jaw: Jaw, openings_m: np.ndarray) -> np.ndarray:
    """Lower and upper corners (G, 3, 2, 3) of the two fingers and the hand with its way there, in each grasp's frame.

    Args:
        jaw: The gripper.
        openings_m: (G,) distance of the pads while it approaches.
    """
    half, boxes = openings_m / 2, np.empty((len(openings_m), 3, 2, 3))
    x, (hand_x, hand_y) = jaw.finger_half_width_m, jaw.hand_half_m
    boxes[:, 0, 0] = np.column_stack([np.full_like(half, -x), half, np.full_like(half, -jaw.palm_m)])
    boxes[:, 0, 1] = np.column_stack([np.full_like(half, x), half + jaw.finger_thick_m, np.full_like(half, jaw.tip_m)])
    boxes[:, 1] = boxes[:, 0]  # the other finger is its mirror image in y
    boxes[:, 1, 0, 1], boxes[:, 1, 1, 1] = -boxes[:, 0, 1, 1], -boxes[:, 0, 0, 1]
    boxes[:, 2] = [(-hand_x, -hand_y, -jaw.palm_m - jaw.hand_back_m - REACH_BACK_M), (hand_x, hand_y, -jaw.palm_m)]
    return boxes


def points_in_the_way(
    jaw: Jaw, turns: np.ndarray, origins: np.ndarray, openings_m: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """How many points lie inside the jaw or in its way, (G,) int.

    Args:
        jaw: The gripper.
        turns: (G, 3, 3), grasp frame to world.
        origins: (G, 3) metres.
        openings_m: (G,) distance of the pads while it approaches.
        points: (N, 3) metres.
    """
    flat = turns.transpose(1, 0, 2).reshape(3, -1).astype(np.float32)  # one product of matrices for all grasps
    middle = points.mean(axis=0)  # small numbers, for single precision
    moved = np.einsum("gi,gij->gj", origins - middle, turns).astype(np.float32)
    local = ((points - middle).astype(np.float32) @ flat).reshape(len(points), len(turns), 3) - moved
    x, y, z = (np.ascontiguousarray(local[..., axis]) for axis in range(3))
    inside = np.zeros(x.shape, bool)
    for box in np.moveaxis(boxes_of(jaw, openings_m).astype(np.float32), 1, 0):
        low, high = box[:, 0], box[:, 1]
        here = (x > low[:, 0]) & (x < high[:, 0])
        here &= (y > low[:, 1]) & (y < high[:, 1])
        here &= (z > low[:, 2]) & (z < high[:, 2])
        inside |= here
    return inside.sum(axis=0)


def lowest_m(jaw: Jaw, turns: np.ndarray, origins: np.ndarray, openings_m: np.ndarray) -> np.ndarray:
    """Height of the jaw's lowest corner, (G,) metres; arguments as `points_in_the_way`."""
    boxes = boxes_of(jaw, openings_m)
    choose = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    corners = np.stack([boxes[:, :, choose[:, axis], axis] for axis in range(3)], axis=-1)  # (G, 3, 8, 3)
    heights = np.einsum("gbci,gi->gbc", corners, turns[:, 2]) + origins[:, 2, None, None]
    return heights.min(axis=(1, 2))
