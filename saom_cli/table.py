"""What `saom segment` prints: a line for each object, 80 columns wide at most."""

from __future__ import annotations

from typing import Any

import numpy as np

from saom_core.instances import Instances
from saom_core.prompting.prompts import Prompts
from saom_core.segmenter import Segmentation
from saom_core.taxonomy import OTHER

NAME_WIDTH = 18


class Table:
    """Prints answers, and remembers which of its signs need a word at the end.

    Args:
        class_score_threshold: from which score on a class is named.
    """

    def __init__(self, class_score_threshold: float) -> None:
        self._threshold = class_score_threshold
        self._other = self._unsure = False

    def lines(self, title: str, answer: Segmentation, asked: Prompts) -> list[str]:
        """The objects of one photo; where some were asked for, below the point or the box that each answers.

        Args:
            title: of the photo.
            answer: what the segmenter found.
            asked: what it was asked; none: everything mode.
        """
        instances = answer.instances
        count = f"{len(instances)} instance{'' if len(instances) == 1 else 's'}"
        if not len(asked):
            return [f"{title}: {count}", *(f"  {self._row(instances, k)}" for k in range(len(instances)))]
        lines = [f"{title}: {count} for {len(asked)} prompt{'' if len(asked) == 1 else 's'}"]
        for prompt in range(len(asked)):
            lines.append(f"  {_prompt_words(asked, prompt)}")
            rows = [k for k, answered in enumerate(answer.prompts) if answered == prompt]
            lines += [f"    {self._row(instances, k)}" for k in rows] or ["    nothing there"]
        return lines

    def legend(self) -> list[str]:
        """What the signs mean that were printed."""
        lines = []
        if self._other:
            lines.append(f"{OTHER}: none of the model's classes; `class` is how sure the model is of that.")
        if self._unsure:
            lines.append(
                f"class with `?`: that of the likeliest class, too unsure to be named (below\n"
                f"  --class-score-threshold {self._threshold:g})."
            )
        return lines

    def _row(self, instances: Instances, k: int) -> str:
        name, score = instances.class_names[k], float(instances.class_scores[k])
        unsure = name in ("", OTHER) and 0 < score < self._threshold
        self._unsure |= unsure
        self._other |= name == OTHER and not unsure
        left, top, right, bottom = instances.boxes_xyxy[k].astype(int)
        label = name or "object"
        label = label if len(label) <= NAME_WIDTH else label[: NAME_WIDTH - 2] + ".."
        class_score = f"{score:.2f}{'?' if unsure else ''}" if name or unsure else "-"
        distance = instances.distances_m[k]
        return (
            f"{label:{NAME_WIDTH}s} mask {instances.scores[k]:.2f} class {class_score:5s} "
            f"box {f'{left},{top},{right},{bottom}':19s}" + (f" {distance:.2f} m" if np.isfinite(distance) else "")
        ).rstrip()


def prompt_of(asked: Prompts, k: int) -> dict[str, Any]:
    """Prompt k by its kind: {"point": [x, y]} or {"box": [x0, y0, x1, y1]}, pixels; of an object all that it has."""
    singles = len(asked.points_xy) + len(asked.boxes_xyxy)
    if k < len(asked.points_xy):
        return {"point": asked.points_xy[k].tolist()}
    if k < singles:
        return {"box": asked.boxes_xyxy[k - len(asked.points_xy)].tolist()}
    one = asked.objects[k - singles]
    parts = {
        "points": one.points_xy.tolist(),
        "negative_points": one.negative_xy.tolist(),
        "box": [] if one.box_xyxy is None else one.box_xyxy.tolist(),
        "mask": one.mask is not None,
    }
    return {name: value for name, value in parts.items() if value}


def _prompt_words(asked: Prompts, k: int) -> str:
    """Prompt k as its line says it: `point 3,4`, or `points 3,4 5,6 negative_points 7,8 mask`."""
    words = []
    for name, value in prompt_of(asked, k).items():
        numbers = [] if value is True else np.array(value).reshape(-1, 4 if name == "box" else 2).tolist()
        words += [name, *(",".join(f"{number:g}" for number in some) for some in numbers)]
    return " ".join(words)
