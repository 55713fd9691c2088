"""What `saom evaluate` found, as a text table and as JSON; several models side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from .resampling import Resampled

Protocol = Literal["everything", "paper"]
Figures = dict[str, Any]
"""Figure -> value; None: nothing was asked. Under `per_class` class -> figure -> value, under `intervals` figure ->
interval of 95 % by the bootstrap over pictures."""


@dataclass(frozen=True)
class Meaning:
    """What one figure is."""

    key: str
    title: str
    text: str
    sign: int = 1  # 1: higher is better, -1: lower is better, 0: neither

    def show(self, value: Any) -> str:
        """A value for people."""
        return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


EVERYTHING = (
    Meaning("objects", "objects", "whole objects of at least 100 px in the pictures", 0),
    Meaning("predictions", "predictions", "masks that a robot would get", 0),
    Meaning("recall50", "found, IoU .5", "objects found whole: by a mask of their own with IoU of at least .5"),
    Meaning("recall75", "found, IoU .75", "the same with IoU of at least .75"),
    Meaning("precision50", "predictions that are an object", "of all masks, those that found an object at IoU .5"),
    Meaning("over_segmentation_rate", "found only in pieces", "objects that only two or more masks of parts cover", -1),
    Meaning("duplicate_rate", "duplicates", "of all masks, those of an object that another mask has found already", -1),
    Meaning("AP", "AP", "COCO's average precision of masks, IoU .5 to .95, whatever the class"),
    Meaning("AP50", "AP50", "the same at IoU .5"),
    Meaning("AP75", "AP75", "the same at IoU .75"),
    Meaning("pq_class_agnostic", "PQ", "panoptic quality, whatever the class"),
    Meaning(
        "mIoU",
        "mIoU",
        "the paper's figure, each object with the mask that fits it best (none: 0); needless masks cost nothing",
    ),
    Meaning("mAcc", "mAcc", "the paper's figure: object pixels under that mask; a mask too large costs nothing"),
    Meaning(
        "mIoU_label_image",
        "mIoU, label image",
        "the same of the label image, where each pixel has one mask, the smaller in front: pieces cost what they cover",
    ),
    Meaning("mAcc_label_image", "mAcc, label image", "object pixels under its mask there"),
    Meaning("overlap_precision", "overlap P", "as for OCID: predicted pixels that lie on the right object"),
    Meaning("overlap_recall", "overlap R", "as for OCID: object pixels found"),
    Meaning("overlap_f", "overlap F", "as for OCID: harmonic mean of both, mean over pictures"),
    Meaning("boundary_precision", "boundary P", "as for OCID: predicted boundary near the right object's boundary"),
    Meaning("boundary_recall", "boundary R", "as for OCID: object boundary near the right prediction's boundary"),
    Meaning("boundary_f", "boundary F", "as for OCID: harmonic mean of both, mean over pictures"),
    Meaning("found_f75", "found, F .75", "as for OCID: objects with an overlap F above .75"),
    Meaning("AP_class", "AP with class", "COCO's average precision, mean over the classes that model and data share"),
    Meaning("AP50_class", "AP50 with class", "the same at IoU .5"),
    Meaning("pq", "PQ with class", "panoptic quality, mean over the model's classes that occur or were predicted"),
    Meaning("class_accuracy", "named right", "of the objects found, those called by their class"),
)
PAPER = (
    Meaning("objects", "objects", "whole objects of at least 100 px in the pictures", 0),
    Meaning("mIoU", "mIoU", "per class sum of intersections / sum of unions; mean over classes"),
    Meaning("mAcc", "mAcc", "per class sum of intersections / sum of object pixels: a mask too large costs nothing"),
    Meaning(
        "objects_below_embedding",
        "below the embedding",
        "objects smaller than the model's image features; their point comes from the features enlarged",
        0,
    ),
)
PROTOCOLS: dict[Protocol, tuple[str, tuple[Meaning, ...]]] = {
    "everything": ("everything mode: what a robot gets", EVERYTHING),
    "paper": ("the paper's protocol: each object asked for by a point that its own mask chose", PAPER),
}
PER_CLASS: tuple[tuple[Protocol, Meaning], ...] = (
    ("everything", Meaning("recall50", "found .5", "objects found whole at IoU .5")),
    ("everything", Meaning("recall75", "found .75", "objects found whole at IoU .75")),
    ("everything", Meaning("iou", "IoU", "of everything mode's masks: sum of intersections / sum of unions")),
    ("everything", Meaning("acc", "Acc", "of everything mode's masks: sum of intersections / sum of object pixels")),
    ("everything", Meaning("AP50", "AP50", "COCO's average precision with class, at IoU .5")),
    ("everything", Meaning("pq", "PQ", "panoptic quality of the class")),
    ("everything", Meaning("named_right", "named", "of the objects found, those called by their class")),
    ("paper", Meaning("iou", "paper's IoU", "each object asked for by its own point")),
    ("paper", Meaning("acc", "paper's Acc", "each object asked for by its own point")),
)
_TEXT_COLUMNS = {("everything", "recall50"), ("everything", "iou"), ("paper", "iou")}
"""The figures that are shown of each model where several stand side by side in a terminal; the page has all."""


@dataclass(frozen=True)
class ModelReport:
    """Figures of one model; None: not evaluated."""

    name: str
    path: str
    provider: str
    everything: Figures | None
    paper: Figures | None
    operating_score: float  # score from which on everything mode's predictions count

    def of(self, protocol: Protocol) -> Figures | None:
        """The figures of a protocol."""
        return self.everything if protocol == "everything" else self.paper


@dataclass(frozen=True)
class Report:
    """Figures of models on a data set."""

    data: dict[str, Any]  # name, images (how many), splits and scenes (names)
    options: dict[str, Any]
    models: list[ModelReport]
    # where there are two models, the intervals of the gain: protocol -> figure -> interval
    gain_intervals: dict[str, Figures] = field(default_factory=dict)
    resampled: list[Resampled] = field(default_factory=list)  # one for each model; they are too long for the JSON file

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(replace(self, resampled=[]))

    @property
    def title(self) -> str:
        """What was evaluated on."""
        return f"{self.data['name']}, {' and '.join(self.data['splits'])}"

    @property
    def extent(self) -> str:
        """How much of it."""
        return f"{self.data['images']} pictures of {len(self.data['scenes'])} scenes"

    @property
    def settings(self) -> str:
        """How it was evaluated."""
        scores = " and ".join(f"{score:g}" for score in dict.fromkeys(model.operating_score for model in self.models))
        options = [f"{key.replace('_', ' ')} {value}" for key, value in self.options.items()]
        return ", ".join([f"operating score {scores}", *options])

    @property
    def class_rows(self) -> list[tuple[str, int]]:
        """Classes of the objects, and how many there are of each."""
        counts = {
            name: row["objects"]
            for model in self.models
            for figures in (model.everything, model.paper)
            if figures
            for name, row in figures["per_class"].items()
        }
        return sorted(counts.items())

    def class_columns(self) -> list[tuple[ModelReport, Protocol, Meaning]]:
        """The columns of the table of classes: all figures of the first model, of the second, ..."""
        return [(model, p, meaning) for model in self.models for p, meaning in PER_CLASS if model.of(p)]


def class_value(model: ModelReport, protocol: Protocol, meaning: Meaning, name: str) -> Any:
    """A figure of a class."""
    figures = model.of(protocol)
    return figures["per_class"].get(name, {}).get(meaning.key) if figures else None


def gain(meaning: Meaning, values: list[Any]) -> str:
    """How far the last of two models is from the first, as text; empty where it cannot be said."""
    if len(values) != 2 or meaning.sign == 0 or None in values:
        return ""
    return f"{round(values[1] - values[0], 3) + 0.0:+.3f}"  # adding 0 turns -0.0 into 0.0, which prints without a sign


def show_interval(value: Any, sign: str = "") -> str:
    """An interval for people; empty where there is none."""
    return "" if value is None else "{low:{sign}.3f} to {high:{sign}.3f}".format(low=value[0], high=value[1], sign=sign)


def text_of(report: Report) -> str:
    """The report for a terminal."""
    lines = [f"{report.title}: {report.extent}", report.settings]
    width = max(12, *(len(model.name) + 2 for model in report.models))
    for protocol, (title, meanings) in PROTOCOLS.items():
        columns = [figures for model in report.models if (figures := model.of(protocol))]
        if not columns:
            continue
        names = "".join(f"{model.name:>{width}s}" for model in report.models)
        lines += ["", title, f"{'':32s}{names}" + (f"{'gain':>10s}" if len(columns) == 2 else "")]
        known = columns[0].get("intervals", {}) if len(columns) == 1 else report.gain_intervals.get(protocol, {})
        lines[-1] += f"{'95 %':>20s}" if known else ""
        for meaning in meanings:
            values = [figures[meaning.key] for figures in columns]
            shown = "".join(f"{meaning.show(value):>{width}s}" for value in values)
            between = show_interval(known.get(meaning.key), "" if len(columns) == 1 else "+")
            lines.append(f"{meaning.title:32s}{shown}{gain(meaning, values):>10s}{between:>20s}".rstrip())
    return "\n".join([*lines, "", *_class_lines(report)])


def _class_lines(report: Report) -> list[str]:
    several = len(report.models) > 1
    columns = [c for c in report.class_columns() if not several or (c[1], c[2].key) in _TEXT_COLUMNS]
    titles = [meaning.title for _, _, meaning in columns]
    lines = []
    if several:
        spans = [sum(c[0] is model for c in columns) * 13 for model in report.models]
        lines.append(f"{'':30s}" + "".join(f"{m.name:>{w}s}" for m, w in zip(report.models, spans, strict=True)))
    lines.append(f"{'class':20s}{'objects':>10s}" + "".join(f"{title:>13s}" for title in titles))
    for name, count in report.class_rows:
        values = [meaning.show(class_value(model, protocol, meaning, name)) for model, protocol, meaning in columns]
        lines.append(f"{name or '(no name)':20s}{count:10d}" + "".join(f"{value:>13s}" for value in values))
    return lines
