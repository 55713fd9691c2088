"""What `saom reproduce` compares: fine-tunings of one base, and the everything modes in which they are evaluated."""

from __future__ import annotations

from dataclasses import dataclass

BASE, NEAREST, SAOM, ENCODER = "base", "nearest", "saom", "encoder"
ALL_MASKS = "all-masks"
COMPARED = "base-and-saom"
"""All models in one report, so that one page shows their answers side by side."""


@dataclass(frozen=True)
class EverythingMode:
    """One way to ask for everything, in which the base and what was fine-tuned from it are compared."""

    title: str
    suffix: str = ""  # of its file of figures and of its rows
    nms_iou: float | None = None  # of boxes; None: the command line's
    masks_per_prompt: str | None = None  # None: all of the base, the best one where training taught that


PAPERS = EverythingMode("the paper's box NMS")
AS_SAM = EverythingMode("segment-anything's box NMS", "-as-sam", nms_iou=0.7)
"""segment-anything's other thresholds were chosen for Meta's weights."""
MODES = (PAPERS, AS_SAM)
ONE_MASK = EverythingMode(
    "segment-anything's box NMS, a prompt's best mask alone", "-as-sam-one-mask", nms_iou=0.7, masks_per_prompt="best"
)
"""What that is worth to the base; SAOM has it in every mode."""


@dataclass(frozen=True)
class Variant:
    """One fine-tuning of the base."""

    key: str
    title: str
    options: tuple[str, ...]  # of `saom finetune`


_PAPER = ("--recipe", "paper", "--cache-embeddings")
ASSIGNMENTS = (
    Variant("none", "no assignment to the grid: the location prior's arg-max itself", (*_PAPER, "--no-snap-to-grid")),
    Variant("random", "a random point of the object, snapped to the grid", (*_PAPER, "--assignment", "random")),
    Variant("centre", "the object's centre, snapped to the grid", (*_PAPER, "--assignment", "centre")),
    Variant(NEAREST, "nearest neighbour of the location prior's arg-max: the paper's recipe", _PAPER),
)
"""The paper's recipe with every way to choose an object's prompt."""
RECIPE = Variant(SAOM, "SAOM, all of our recipe", ("--recipe", "saom"))
WITH_ENCODER = Variant(
    ENCODER,
    "SAOM, our recipe, the image encoder trained, too (learning rate 5e-4)",
    (*RECIPE.options, "--train-encoder", "--learning-rate", "5e-4"),
)
NO_BF16 = Variant("no-bf16", "float32 instead of bfloat16", ("--no-bf16",))
"""Left out where the device does not compute in bfloat16: there it is our recipe once more."""
WITHOUT = (
    Variant("predicted", "supervises the mask of highest predicted score", ("--supervised", "predicted")),
    Variant("anywhere", "prior and grid point may lie off the object", ("--no-on-object",)),
    Variant("one-prompt", "one prompt an object", ("--prompts-per-object", "1")),
    Variant("no-jitter", "no jitter of prompts", ("--jitter", "0")),
    Variant("no-background", "no background prompts", ("--background-prompts", "0")),
    Variant("duplicates", "duplicates not pushed down", ("--no-suppress-duplicates",)),
    Variant(
        "no-quality",
        "IoU head not trained, so no background prompts and duplicates either",
        ("--quality-weight", "0", "--background-prompts", "0", "--no-suppress-duplicates"),
    ),
    Variant("no-occlusion", "no objects pasted over others", ("--occlude", "0")),
    Variant("no-views", "no augmentation at all", ("--views", "1")),
    NO_BF16,
)
"""Our recipe, each addition switched off alone."""
