"""Whether an exported file gives what torch gives, number by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import Tensor, nn

from saom_core.errors import SaomError
from saom_core.everything import Letterbox
from saom_core.runtime import OUTPUTS, THRESHOLDS

Answer = dict[str, npt.NDArray]
UNFILTERED = dict(zip(THRESHOLDS, (0.0, 0.0, 1.0), strict=True))
"""A filter would hide small differences of most prompts and blow up those of the few at its edge."""
PICTURES_HW = ((480, 640), (360, 640), (500, 375))
"""Sizes of the pictures that files are tried with: a camera's, a wide one, an upright one."""
FEW = 5  # prompts, where few are asked
SAME_MASK_IOU = 0.9


class ExportError(SaomError):
    """The file would not give what torch gives, or not well enough."""


@dataclass(frozen=True)
class Tolerance:
    """How far a file's answer to a prompt may be from torch's."""

    score: float  # predicted IoU
    logit: float  # mask logits, absolute ...
    logit_share: float  # ... plus this share of torch's
    pixels: float = 0.0  # share of a mask's pixels that may be farther off
    embedding: float = 0.01  # embeddings and class scores, share of the largest value
    rows: float = 0.05  # share of the rows whose embeddings may be farther off


@dataclass(frozen=True)
class Case:
    """One call of a file."""

    image: Tensor  # (H, W, 3) uint8
    depth: Tensor | None  # (H, W) float32 metres; None for a network without depth
    prompts: Tensor  # (N, 2)

    def feed(self) -> dict[str, npt.NDArray]:
        """The inputs for onnxruntime."""
        inputs = {"image": self.image, "depth": self.depth, "prompts": self.prompts}
        arrays = {name: value.numpy() for name, value in inputs.items() if value is not None}
        return arrays | {name: np.array(value, np.float32) for name, value in UNFILTERED.items()}


def cases(size_hw: tuple[int, int], grid_xy: Tensor, *, depth: bool, thorough: bool) -> Iterator[Case]:
    """What a file is tried with: pictures of several sizes, with and without depth, other prompts, few prompts.

    Args:
        size_hw: of the file's input.
        grid_xy: (N, 2) its prompts.
        depth: whether depth is an input.
        thorough: all combinations; else each picture and each kind of prompts once.
    """
    few = grid_xy[torch.arange(len(grid_xy)) % FEW * (len(grid_xy) // FEW)]
    asked = (grid_xy, grid_xy.flip(0) * 0.9, few)
    for number, picture_hw in enumerate(PICTURES_HW):
        image, metres = letterboxed(*(t.numpy() for t in example_input(picture_hw, number)), size_hw)
        given = [metres, torch.zeros_like(metres)] if depth else [None]
        combinations = [(one, prompts) for one in given for prompts in asked]
        yield from (Case(image, *pair) for pair in (combinations if thorough else combinations[number :: len(asked)]))


def letterboxed(
    image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.float32], size_hw: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """A picture (H, W, 3) and its depth (H, W), scaled and padded to the file's input, as the node does."""
    box = Letterbox.fit(image_rgb.shape[:2], size_hw)
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
def torch_answer(graph: nn.Module, case: Case) -> Answer:
    """What torch answers."""
    limits = [torch.tensor(value) for value in UNFILTERED.values()]
    values = graph(case.image, case.depth, case.prompts, *limits)
    return {name: value.numpy() for name, value in zip(OUTPUTS, values, strict=True)}


def check_parity(path: Path, expected: list[tuple[Case, Answer]], tolerance: Tolerance) -> None:
    """Compare a file on the CPU with what torch answered.

    Raises:
        ExportError: see `compare_answers`.
    """
    session = open_session(path)
    for case, answer in expected:
        actual = session.run(list(OUTPUTS), case.feed())
        compare_answers(answer, dict(zip(OUTPUTS, actual, strict=True)), tolerance)


def open_session(path: Path) -> ort.InferenceSession:
    """A file on the CPU."""
    options = ort.SessionOptions()
    options.log_severity_level = 3  # else it warns of every input that has a default
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare_answers(expected: Answer, actual: Answer, tolerance: Tolerance) -> None:
    """Raise ExportError unless two unfiltered answers of one image agree, row by row.

    Nine in ten rows must be in both answers (box pre-selection may decide a tie otherwise), and these agree to the
    tolerance.
    """
    pairs, rows = _pairs(expected, actual)
    most = max(rows)
    if len(pairs) < 0.9 * most:
        raise ExportError(
            f"expected onnxruntime to answer the prompts that torch answers, got {len(pairs)} of {rows[0]} "
            f"(and {rows[1]} in all): the file is not written"
        )
    for k, j in pairs:
        score, logits = expected["scores"][k], expected["masks"][k]
        off = np.abs(actual["masks"][j] - logits) > tolerance.logit + tolerance.logit_share * np.abs(logits)
        if abs(actual["scores"][j] - score) > tolerance.score or off.mean() > tolerance.pixels:
            raise ExportError(
                f"expected onnxruntime to give what torch gives, but the prompt at {expected['points'][k]} has score "
                f"{actual['scores'][j]:.4f} instead of {score:.4f} and {off.mean():.1%} of its mask differs: "
                "the file is not written"
            )
    _compare_names(expected, actual, pairs, tolerance)


def _compare_names(expected: Answer, actual: Answer, pairs: list[tuple[int, int]], tolerance: Tolerance) -> None:
    """Classes and embeddings of the rows; a few may differ: one pixel decides a box, or two classes nearly tie."""
    mine, theirs = (np.array(rows, int) for rows in (zip(*pairs, strict=True) if pairs else ((), ())))
    off = np.zeros(len(mine), bool)
    for name in ("class_scores", "embeddings"):
        scale = max(1.0, float(np.abs(expected[name]).max()))
        differences = np.abs(expected[name][mine] - actual[name][theirs]).reshape(len(mine), -1)
        off |= differences.max(axis=1, initial=0.0) > tolerance.embedding * scale
    image = np.abs(expected["image_embedding"] - actual["image_embedding"]).max()
    image_off = image > tolerance.embedding * max(1.0, float(np.abs(expected["image_embedding"]).max()))
    other = expected["class_ids"][mine] != actual["class_ids"][theirs]
    if image_off or (len(mine) and (off.mean() > tolerance.rows or other.mean() > 0.1)):
        raise ExportError(
            f"expected onnxruntime to give what torch gives, but of {len(off)} instances embeddings or class scores of "
            f"{off.sum()} differ and the classes of {other.sum()}, and the image's embedding by {image:.4f}: "
            "the file is not written"
        )


def _pairs(expected: Answer, actual: Answer) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Rows of the same prompt and mask; how many rows each answer has.

    Where prompts have several masks, answers do not tell which is which: the most alike are paired, and masks that are
    not alike at all are different ones.
    """
    free: dict[tuple[float, ...], list[int]] = {}
    for j in np.flatnonzero(actual["scores"] > 0).tolist():
        free.setdefault(_point(actual, j), []).append(j)
    there = np.flatnonzero(expected["scores"] > 0).tolist()
    asked = Counter(_point(expected, k) for k in there)
    several = max([*asked.values(), *map(len, free.values())], default=1) > 1
    pairs = []
    for k in there:
        candidates = free.get(_point(expected, k), [])
        overlaps = {j: _iou(expected["masks"][k], actual["masks"][j]) for j in candidates}
        best = max(candidates, key=overlaps.__getitem__, default=None)
        if best is not None and (not several or overlaps[best] > SAME_MASK_IOU):
            candidates.remove(best)
            pairs.append((k, best))
    return pairs, (len(there), int((actual["scores"] > 0).sum()))


def _point(answer: Answer, row: int) -> tuple[float, ...]:
    return tuple(answer["points"][row].round(2).tolist())


def _iou(logits: npt.NDArray, others: npt.NDArray) -> float:
    """IoU of two masks; 1 where both are empty."""
    shared, either = np.count_nonzero((logits > 0) & (others > 0)), np.count_nonzero((logits > 0) | (others > 0))
    return shared / either if either else 1.0
