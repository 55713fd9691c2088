"""Answers prompts with as few runs of a file as possible: all prompts in one run, then those that are left.

In one run the file keeps a single answer of several that agree (it removes duplicates by the boxes of masks), so a
prompt can be left without an answer because a neighbour gave the same object. Such prompts are asked again, in a run
without those that are answered. So each prompt gets the answer that it would get alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saom_core.prompting.prompts import Prompts, box_ious

SAME_BOX_IOU = 0.8
"""Answers whose boxes agree more than this are one to the file: `BOX_IOU` of the exported graph, rounded down."""


@dataclass(frozen=True)
class Answers:
    """The A answers of one run."""

    points_in: npt.NDArray[np.float32]  # (A, 2) the point that each answers, as it was put in
    boxes_xyxy: npt.NDArray[np.float64]  # (A, 4) of the masks, pixels of the image
    scores: npt.NDArray[np.float32]  # (A,) predicted quality


class Asking:
    """Puts prompts to a file in as few runs as their answers allow.

    Args:
        prompts: P points and B boxes of the image.
        points_in: for each prompt its points (n, 2), in pixels of the file's input.
        run: runs the file with some points (m, 2).
        points_at_once: the most points of one run; no fewer than any prompt has.
        several: whether the file has several masks for a point; a neighbour may then take the best of them only.
    """

    def __init__(
        self,
        prompts: Prompts,
        points_in: list[npt.NDArray[np.float32]],
        run: Callable[[npt.NDArray[np.float32]], Answers],
        points_at_once: int,
        *,
        several: bool,
    ) -> None:
        self._prompts, self._points_in, self._run = prompts, points_in, run
        self._points_at_once, self._several = points_at_once, several

    def rows(self) -> list[dict[int, int]]:
        """One mapping a run: prompt -> its row in that run's answers. A prompt without an answer is in none of them."""
        runs: list[dict[int, int]] = []
        waiting, alone = list(range(len(self._prompts))), False
        while waiting:
            group = waiting[:1] if alone else self._portion(waiting)
            answers = self._run(np.concatenate([self._points_in[k] for k in group]))
            settled = {k: row for k in group if (row := self._best(k, answers)) is not None}
            if len(group) == 1:
                waiting.remove(group[0])
            else:
                settled = {k: row for k, row in settled.items() if not self._may_be_taken(k, row, answers)}
                waiting = [k for k in waiting if k not in settled]
            runs.append(settled)
            alone |= (
                len(group) > 1 and not settled
            )  # their answers remove each other, so further runs together would be wasted
        return runs

    def _portion(self, waiting: list[int]) -> list[int]:
        """The first prompts whose points fit into one run."""
        points = np.cumsum([len(self._points_in[k]) for k in waiting])
        return waiting[: int(np.count_nonzero(points <= self._points_at_once))]

    def _own(self, k: int, answers: Answers) -> npt.NDArray[np.bool_]:
        """Which of the answers, (A,), are to a point of prompt k."""
        return np.asarray((answers.points_in[:, None] == self._points_in[k]).all(axis=2).any(axis=1), np.bool_)

    def _best(self, k: int, answers: Answers) -> int | None:
        own = np.flatnonzero(self._own(k, answers))
        best = self._prompts.best(k, answers.boxes_xyxy[own], answers.scores[own])
        return None if best is None else int(own[best])

    def _may_be_taken(self, k: int, row: int, answers: Answers) -> bool:
        """Whether prompt k may have a better answer than `row`, which is missing because of another prompt's answer.

        A missing answer has a lower score than the one that took its place, and nearly the same box. So the other
        prompts' answers tell how good it can be.
        """
        others, boxes, scores = ~self._own(k, answers), answers.boxes_xyxy, answers.scores
        if k < len(self._prompts.points_xy):
            if not self._several:
                return False  # a point has one answer, and this is it
            margin = (boxes[:, 2:] - boxes[:, :2]) * (1 / SAME_BOX_IOU - 1)
            point = self._prompts.points_xy[k]
            near = ((boxes[:, :2] - margin <= point) & (point <= boxes[:, 2:] + margin)).all(axis=1)
            return bool((others & near & (scores >= scores[row])).any())
        ious = box_ious(self._prompts.boxes_xyxy[k - len(self._prompts.points_xy)], boxes)
        apart = (
            1 - SAME_BOX_IOU
        )  # 1 - IoU is a metric, so boxes at most so far apart differ at most so much from a third
        better = scores * np.minimum(1, ious + apart) >= scores[row] * ious[row]
        duplicate = (scores >= scores[row]) & (box_ious(boxes[row], boxes) >= 1 - 2 * apart)
        return bool((others & (better | duplicate)).any())
