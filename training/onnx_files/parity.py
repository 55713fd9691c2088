"""Whether an exported file gives what torch gives, number by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import Tensor

from saom_core.errors import SaomError
from saom_core.everything import FURTHER_INPUTS, LEAST_SCORE
from saom_core.letterbox import Letterbox
from saom_core.model_file.contract import OUTPUTS_OF_THE_IMAGE
from saom_core.prompting.prompts import OPEN

from ..networks.everything import EverythingGraph
from ..networks.sam_everything import SamEverythingGraph

Answer = dict[str, npt.NDArray[Any]]
PICTURES_HW = ((480, 640), (360, 640), (500, 375))
"""Sizes of the pictures that files are tried with: a camera's, a wide one, an upright one."""
FEW = 5  # different prompts in the cases that ask few
EVERYTHING = {**OPEN, "score_threshold": LEAST_SCORE}
"""Open thresholds of everything mode: a score threshold of 0 would mean that prompts are asked."""
COMPARED_BY_THEMSELVES = ("masks", "boxes", "scores", "stability", "points", "class_ids")
"""Outputs that are not compared as embeddings are; boxes and stability follow from the masks."""
SAME_MASK_IOU = 0.9
MAY_DIFFER = 0.1  # share of the rows of one answer that may be missing in the other
MUST_PAIR = 0.5  # share of the rows that must be in both answers, whatever explains the rest


class ExportError(SaomError):
    """The file would not give what torch gives, or not well enough."""


@dataclass(frozen=True)
class Tolerance:
    """How far a file's answer to a prompt may be from torch's answer to the same prompt."""

    score: float  # predicted IoU
    logit: float  # a mask's logit may be off by this much ...
    logit_share: float  # ... and by this share of torch's logit
    pixels: float = 0.0  # share of a mask's pixels that may be farther off
    embedding: float = 0.01  # embeddings and class scores may be off by this share of the largest value
    rows: float = 0.05  # share of the rows whose embeddings may be farther off


@dataclass(frozen=True)
class Differences:
    """The largest that were found between rows of the same prompt and mask."""

    score: float = 0.0
    logit: float = 0.0
    flipped: float = 0.0  # share of a mask's pixels that are inside in one answer and outside in the other
    rows: int = 0  # how many were compared

    def merged(self, other: Differences) -> Differences:
        """The larger ones of both, and all rows."""
        return Differences(
            max(self.score, other.score),
            max(self.logit, other.logit),
            max(self.flipped, other.flipped),
            self.rows + other.rows,
        )


@dataclass(frozen=True)
class Case:
    """One call of a file."""

    image: Tensor  # (H, W, 3) uint8
    depth: Tensor | None  # (H, W) float32 metres; None for a network without depth
    prompts: Tensor  # (N, 2)
    further: dict[str, Tensor] = field(default_factory=dict)  # see `saom_core.everything.FURTHER_INPUTS`
    limits: Mapping[str, float] = field(default_factory=lambda: OPEN)  # thresholds

    def feed(self) -> Answer:
        """The inputs for onnxruntime."""
        inputs = {"image": self.image, "depth": self.depth, "prompts": self.prompts, **self.further}
        arrays = {name: value.numpy() for name, value in inputs.items() if value is not None}
        return arrays | {name: np.array(value, np.float32) for name, value in self.limits.items()}


def cases(
    size_hw: tuple[int, int],
    grid_xy: Tensor,
    *,
    depth: bool,
    thorough: bool,
    further: Sequence[str] = (),
    scored_twice: bool = False,
) -> Iterator[Case]:
    """What a file is tried with: pictures of several sizes, with and without depth, other prompts, few prompts.

    Args:
        size_hw: of the file's input.
        grid_xy: (N, 2) its prompts.
        depth: whether depth is an input.
        thorough: all combinations; else each picture and each kind of prompts once.
        further: names of the network's further inputs.
        scored_twice: whether everything mode scores masks otherwise than prompts that are asked, and is tried, too.
    """
    few = grid_xy[torch.arange(len(grid_xy)) % FEW * (len(grid_xy) // FEW)]
    asked = (grid_xy, grid_xy.flip(0) * 0.9, few)
    for number, picture_hw in enumerate(PICTURES_HW):
        photo, photo_depth = example_input(picture_hw, number)
        image, metres = letterboxed(photo.numpy(), photo_depth.numpy(), size_hw)
        known = further_inputs(further, picture_hw, size_hw)
        given = [metres, torch.zeros_like(metres)] if depth else [None]
        combinations = [(one, prompts) for one in given for prompts in asked]
        chosen = combinations if thorough else combinations[number :: len(asked)]
        yield from (Case(image, *pair, known) for pair in chosen)
        if scored_twice:
            yield from (Case(image, one, grid_xy, known, EVERYTHING) for one in given)


def further_inputs(names: Sequence[str], picture_hw: tuple[int, int], size_hw: tuple[int, int]) -> dict[str, Tensor]:
    """Values of further inputs for a picture of one size in an input of another."""
    box = Letterbox.fit(picture_hw, size_hw)
    return {name: torch.from_numpy(FURTHER_INPUTS[name](box)) for name in names}


def letterboxed(
    image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.float32], size_hw: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """A picture (H, W, 3) and its depth (H, W), scaled and padded to the file's input, as the node does."""
    box = Letterbox.fit((image_rgb.shape[0], image_rgb.shape[1]), size_hw)
    return torch.from_numpy(box.image(image_rgb)), torch.from_numpy(box.depth(depth_m))


def example_input(size_hw: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """A picture of random boxes on a ramp and its depth: more like a scene than noise is.

    Returns:
        (H, W, 3) uint8 and (H, W) float32 metres with holes.
    """
    rng = np.random.default_rng(seed)
    height, width = size_hw
    depth = np.repeat(np.linspace(1.6, 0.8, height, dtype=np.float32)[:, None], width, axis=1)
    image = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(12):
        tall, wide = (rng.integers(side // 7, side // 3) for side in size_hw)
        top, left = rng.integers(0, height - tall), rng.integers(0, width - wide)
        window = np.s_[top : top + tall, left : left + wide]
        image[window] = rng.integers(0, 255, 3)
        depth[window] = depth[window].min() - 0.08
    depth[rng.random(size_hw) < 0.02] = 0.0
    noise = rng.integers(0, 12, image.shape, dtype=np.uint8)
    return torch.from_numpy(image // 2 + image // 4 + noise), torch.from_numpy(depth)


@torch.no_grad()
def torch_answer(graph: EverythingGraph | SamEverythingGraph, case: Case) -> Answer:
    """What torch answers with all filters open.

    A filter would hide small differences, and of a difference at its threshold it would make a missing row.
    """
    limits = [torch.tensor(value) for value in case.limits.values()]
    values = graph(case.image, case.depth, case.prompts, *limits, *case.further.values())
    return {name: value.numpy() for name, value in zip(graph.outputs, values, strict=True)}


def check_parity(
    path: Path, expected: list[tuple[Case, Answer]], tolerance: Tolerance, masks_per_prompt: int = 1
) -> Differences:
    """Compare a file on the CPU with what torch answered.

    Returns:
        The largest differences of all cases.

    Raises:
        ExportError: see `compare_answers`; or torch answers nothing in any case, so that nothing is compared.
    """
    session = open_session(path)
    largest = Differences()
    for case, answer in expected:
        actual = dict(zip(answer, session.run(list(answer), case.feed()), strict=True))
        largest = largest.merged(compare_answers(answer, actual, tolerance, masks_per_prompt))
    if not largest.rows:
        raise ExportError(
            f"expected masks to compare with torch's, got none in {len(expected)} calls, because no prompt has a score "
            "above 0 though all filters are off: the file is not written; the weights find nothing, take others"
        )
    return largest


def open_session(path: Path) -> ort.InferenceSession:
    """A file on the CPU."""
    options = ort.SessionOptions()
    options.log_severity_level = 3  # otherwise it warns of every input that has a default
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare_answers(expected: Answer, actual: Answer, tolerance: Tolerance, masks_per_prompt: int = 1) -> Differences:
    """Raise ExportError unless two unfiltered answers of one image agree, row by row.

    Rows of the same prompt and mask must agree to the tolerance. Of the rows of either answer nine in ten must be in
    the other one. Rows are not counted where rounding decides: which of two prompts with nearly the same box stays, and
    which row is the last of a full answer.

    Args:
        expected: by torch.
        actual: by onnxruntime.
        tolerance: of the precision.
        masks_per_prompt: that the network draws.

    Returns:
        The largest differences between rows of the same prompt and mask.
    """
    pairs = _pairs(expected, actual, masks_per_prompt)
    mine, theirs = ([rows[side] for rows in pairs] for side in (0, 1))
    missing = _unexplained(expected, actual, mine, tolerance)
    added = _unexplained(actual, expected, theirs, tolerance)
    rows = [int((answer["scores"] > 0).sum()) for answer in (expected, actual)]
    if missing > MAY_DIFFER * rows[0] or added > MAY_DIFFER * rows[1] or len(pairs) < MUST_PAIR * max(rows):
        raise ExportError(
            f"expected onnxruntime to answer the prompts that torch answers, got {rows[1]} answers instead of "
            f"{rows[0]}, {len(pairs)} by the same prompts, {missing} of torch's are missing and {added} are new: "
            "the file is not written"
        )
    largest = Differences()
    for k, j in pairs:
        logits = expected["masks"][k]
        difference = np.abs(actual["masks"][j] - logits)
        off = float((difference > tolerance.logit + tolerance.logit_share * np.abs(logits)).mean())
        score = float(abs(actual["scores"][j] - expected["scores"][k]))
        if score > tolerance.score or off > tolerance.pixels:
            raise ExportError(
                f"expected onnxruntime to give what torch gives, but the prompt at {expected['points'][k]} has score "
                f"{actual['scores'][j]:.4f} instead of {expected['scores'][k]:.4f} and {off:.1%} of its mask differs: "
                "the file is not written"
            )
        flipped = float(((actual["masks"][j] > 0) != (logits > 0)).mean())
        largest = largest.merged(Differences(score, float(difference.max()), flipped, 1))
    _compare_names(expected, actual, pairs, tolerance)
    return largest


def _compare_names(expected: Answer, actual: Answer, pairs: list[tuple[int, int]], tolerance: Tolerance) -> None:
    """Compares classes and embeddings of the rows.

    A few may differ, since one pixel can decide the box that an embedding looks at, and two classes can nearly tie.
    """
    mine, theirs = (np.array(rows, int) for rows in (zip(*pairs, strict=True) if pairs else ((), ())))
    off = np.zeros(len(mine), bool)
    of_image = [name for name in expected if name in OUTPUTS_OF_THE_IMAGE]
    for name in [name for name in expected if name not in (*COMPARED_BY_THEMSELVES, *of_image)]:
        scale = max(1.0, float(np.abs(expected[name]).max()))
        differences = np.abs(expected[name][mine] - actual[name][theirs])
        largest = differences.max(axis=tuple(range(1, differences.ndim)), initial=0.0)
        off |= largest > tolerance.embedding * scale
    image = max(
        float(np.abs(expected[name] - actual[name]).max()) / max(1.0, float(np.abs(expected[name]).max()))
        for name in of_image
    )
    image_off = image > tolerance.embedding
    other = expected["class_ids"][mine] != actual["class_ids"][theirs]
    if image_off or (len(mine) and (off.mean() > tolerance.rows or other.mean() > 0.1)):
        raise ExportError(
            f"expected onnxruntime to give what torch gives, but of {len(off)} instances embeddings or class scores of "
            f"{off.sum()} differ and the classes of {other.sum()}, and the image's embedding by {image:.4f}: "
            "the file is not written"
        )


def _pairs(expected: Answer, actual: Answer, masks_per_prompt: int) -> list[tuple[int, int]]:
    """Rows of the same prompt and mask.

    Where prompts have several masks, an answer does not say which of them a row is. So rows are paired whose masks are
    most alike, and masks that are not alike are taken for different ones.
    """
    free: dict[tuple[float, ...], list[int]] = {}
    for j in np.flatnonzero(actual["scores"] > 0).tolist():
        free.setdefault(_point(actual, j), []).append(j)
    pairs = []
    for k in np.flatnonzero(expected["scores"] > 0).tolist():
        candidates = free.get(_point(expected, k), [])
        overlaps = {j: _iou(expected["masks"][k], actual["masks"][j]) for j in candidates}
        best = max(candidates, key=overlaps.__getitem__, default=None)
        if best is not None and (masks_per_prompt == 1 or overlaps[best] > SAME_MASK_IOU):
            candidates.remove(best)
            pairs.append((k, best))
    return pairs


def _unexplained(answer: Answer, other: Answer, paired: list[int], tolerance: Tolerance) -> int:
    """How many rows of an answer the other one lacks for another reason than rounding.

    Rounding may choose another prompt for the same mask, and it may choose the last row of an answer that is full.
    """
    there, scores = other["scores"] > 0, other["scores"]
    cut_off = scores.min() + tolerance.score if there.all() else 0.0
    count = 0
    for k in np.setdiff1d(np.flatnonzero(answer["scores"] > 0), paired).tolist():
        score, mask = answer["scores"][k], answer["masks"][k]
        near = np.flatnonzero(there & (np.abs(scores - score) <= tolerance.score))
        same = any(_iou(mask, other["masks"][j]) > SAME_MASK_IOU for j in near.tolist())
        count += not same and score > cut_off
    return count


def _point(answer: Answer, row: int) -> tuple[float, ...]:
    return tuple(answer["points"][row].round(2).tolist())


def _iou(logits: npt.NDArray[Any], others: npt.NDArray[Any]) -> float:
    """IoU of two masks; 1 where both are empty."""
    shared, either = np.count_nonzero((logits > 0) & (others > 0)), np.count_nonzero((logits > 0) | (others > 0))
    return shared / either if either else 1.0
