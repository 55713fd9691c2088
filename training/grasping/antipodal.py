"""Antipodal pairs: two places of a surface that a parallel jaw can press together without slipping.

A contact holds while the force at it stays inside the friction cone around the surface's normal, whose half angle is
atan of the coefficient of friction. Two contacts that press against each other along the line between them hold an
object if that line lies in both cones (Nguyen, Constructing Force-Closure Grasps, 1988).
"""

from __future__ import annotations

import numpy as np

from .completion import Surface


def antipodal_pairs(surface: Surface, friction: float, width_m: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of points that are antipodal.

    Args:
        surface: N points with outward normals.
        friction: Coefficient of the contacts.
        width_m: Least and largest distance of the two.

    Returns:
        (P, 2) int indices, each pair once, and (P,) float how well the worse of the two contacts is met: the cosine of
        the angle between the line and its normal.
    """
    points, normals = surface.points, surface.normals
    first, second = np.triu_indices(len(points), 1)
    lines = points[second] - points[first]
    lengths = np.linalg.norm(lines, axis=1)
    fits = (lengths >= width_m[0]) & (lengths <= width_m[1])
    first, second, lines = first[fits], second[fits], lines[fits] / lengths[fits, None]
    # the jaw at the first point presses along the line, against the normal there
    met = np.minimum(-np.einsum("ni,ni->n", lines, normals[first]), np.einsum("ni,ni->n", lines, normals[second]))
    held = met >= np.cos(np.arctan(friction))
    return np.stack([first[held], second[held]], axis=1), met[held]
