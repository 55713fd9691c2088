"""What the demo shows: tables for a terminal of 80 columns, one HTML page for the browser."""

from __future__ import annotations

import base64
import html
import math
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from saom_ros.msg import Instance, InstanceArray

from saom_core.config import SaomConfig
from saom_core.overlay import instance_color
from saom_core.taxonomy import OTHER
from saom_core.web_page import page

COLUMNS = 80
STAGES = ("wait", "decode", "preprocess", "network", "postprocess", "places", "publish", "total")


@dataclass(frozen=True)
class Shot:
    """One picture and the answer to it."""

    name: str
    answer: InstanceArray
    overlay_rgb: npt.NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class Followed:
    """One object by the number that it kept, over all pictures."""

    track_id: int
    name: str  # the class that it was called most often
    pictures: int  # that it was seen in


@dataclass(frozen=True)
class Summary:
    """Rate and latency of the answers."""

    camera_hz: float
    answered_hz: float
    latency_p50_ms: float  # from the image's stamp to the answer's arrival in another process
    latency_p95_ms: float
    stages: dict[str, str]  # values of the node's diagnostics

    def lines(self) -> list[str]:
        """The figures as text."""
        model, provider = self.stages.get("model", "?"), self.stages.get("provider", "?")
        stages = [f"{stage} {self.stages[f'{stage}_ms']}" for stage in STAGES if f"{stage}_ms" in self.stages]
        return [
            f"Model {model} on {provider}. Camera {self.camera_hz:.0f} Hz, answers {self.answered_hz:.1f} Hz.",
            f"From the image's stamp to its answer in another process: p50 {self.latency_p50_ms:.0f} ms, "
            f"p95 {self.latency_p95_ms:.0f} ms.",
            f"In the node, ms: {'; '.join(stages)}.",
            f"Frames: {self.stages.get('frames_received', '?')} received, {self.stages.get('frames_answered', '?')} "
            f"answered, {self.stages.get('frames_dropped', '?')} dropped for newer ones.",
        ]


def followed(shots: list[Shot]) -> list[Followed]:
    """The objects that kept their number over more than one picture, those seen longest first."""
    names: dict[int, Counter[str]] = {}
    for item in (item for shot in shots for item in shot.answer.instances):
        if item.track_id >= 0:
            names.setdefault(item.track_id, Counter())[item.class_name or "object"] += 1
    found = [Followed(number, said.most_common(1)[0][0], said.total()) for number, said in names.items()]
    return sorted((one for one in found if one.pictures > 1), key=lambda one: (-one.pictures, one.track_id))


HEAD = ("id", "object", "mask", "class", "box x0 y0 x1 y1", "away", "size")
_WIDTHS = (4, 18, 4, 5, 19, 6, 15)
LEGEND = (
    "mask and class: how sure the model is of each, 0 to 1. Other is none of the model's classes, and its class score "
    "how sure the model is of that; with `?` it is the score of the likeliest class, too unsure to be named."
)


def row_of(item: Instance) -> tuple[str, ...]:
    """The columns of `HEAD` for one instance: number, name, scores of mask and class, box, distance, size."""
    box = " ".join(f"{value:.0f}" for value in item.box_xyxy)
    distance = f"{item.distance:.2f} m" if math.isfinite(item.distance) else "-"
    edges = (item.box_size.x, item.box_size.y, item.box_size.z)
    size = " x ".join(f"{100 * edge:.0f}" for edge in edges) + " cm" if math.isfinite(sum(edges)) else "-"
    number = str(item.track_id) if item.track_id >= 0 else "-"
    unsure = item.class_name in ("", OTHER) and 0 < item.class_score < SaomConfig().class_score_threshold
    scores = f"{item.score:.2f}", f"{item.class_score:.2f}{'?' if unsure else ''}"
    return number, item.class_name or "object", *scores, box, distance, size


def print_tables(shots: list[Shot], summary: Summary) -> None:
    """Prints the last picture's instances, which objects kept their number, and the figures."""
    last = shots[-1]
    print(f"\n{last.name}: {len(last.answer.instances)} instances")
    for row in (HEAD, *(row_of(item) for item in last.answer.instances)):
        cut = (
            text if len(text) <= width else text[: width - 2] + ".." for text, width in zip(row, _WIDTHS, strict=True)
        )
        print(" ".join(text.ljust(width) for text, width in zip(cut, _WIDTHS, strict=True)).rstrip()[:COLUMNS])
    total = sum(len(shot.answer.instances) for shot in shots)
    lines = [LEGEND, f"{len(shots)} pictures, {total} instances in all.", *summary.lines()]
    if tracks := followed(shots):
        kept = ", ".join(f"{one.name} {one.track_id} ({one.pictures})" for one in tracks)
        lines.insert(2, f"Objects by their number, and the pictures that they were seen in: {kept}.")
    print()
    for line in lines:
        print(textwrap.fill(line, COLUMNS, subsequent_indent="  "))


def write_page(path: Path, shots: list[Shot], summary: Summary) -> None:
    """Writes one HTML file; the pictures are inside it, so that it can be sent to somebody."""
    tracks = followed(shots)
    rows = "".join(
        f'<tr style="--color:rgb{instance_color(one.track_id)}"><td>{html.escape(one.name)}</td><td>{one.track_id}</td>'
        f"<td>{one.pictures} of {len(shots)}</td></tr>"
        for one in tracks
    )
    kept = (
        "<h2>Objects that kept their number</h2><div class=scroll><table><thead><tr><th>object</th><th>number</th>"
        f"<th>seen in pictures</th></tr></thead><tbody>{rows}</tbody></table></div>"
        if tracks
        else ""
    )
    figures = (
        (len(shots), "pictures"),
        (
            len(tracks) or sum(len(shot.answer.instances) for shot in shots),
            "objects followed" if tracks else "instances",
        ),
        (f"{summary.latency_p50_ms:.0f} ms", "from stamp to answer, median"),
        (f"{summary.answered_hz:.0f} Hz", f"answers, of a {summary.camera_hz:.0f} Hz camera"),
    )
    cards = "".join(f"<div><b>{value}</b>{text}</div>" for value, text in figures)
    told = "".join(f"<p class=note>{html.escape(line)}</p>" for line in (*summary.lines(), LEGEND))
    body = (
        "<h1>Whole objects, as the node published them</h1><p>Each colour is one object, by the number that it keeps "
        f"from picture to picture.</p><div class=cards>{cards}</div>{told}{''.join(map(_shot_html, shots))}{kept}"
    )
    path.write_text(page("SAOM: what the camera saw", body, style=_STYLE), encoding="utf-8")


def _color(item: Instance) -> tuple[int, int, int]:
    """The colour that the instance has in the overlay."""
    return instance_color(item.track_id if item.track_id >= 0 else item.label - 1)


def _shot_html(shot: Shot) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(shot.overlay_rgb, cv2.COLOR_RGB2BGR), quality)[1]
    picture = base64.b64encode(jpeg.tobytes()).decode()
    shown = (1, 0, *range(2, len(HEAD)))  # the name first
    head = "".join(f"<th>{HEAD[column]}</th>" for column in shown)
    rows = ""
    for item in shot.answer.instances:
        row = row_of(item)
        cells = "".join(f"<td>{html.escape(row[column])}</td>" for column in shown)
        rows += f'<tr style="--color:rgb{_color(item)}">{cells}</tr>'
    return (
        f"<section><h2>{html.escape(shot.name)}: {len(shot.answer.instances)} instances</h2>"
        f'<div class=pair><img loading="lazy" alt="instances of {html.escape(shot.name)}" '
        f'src="data:image/jpeg;base64,{picture}"><div class=scroll><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></div></section>"
    )


_STYLE = """
.pair { display: grid; grid-template-columns: minmax(0, 11fr) minmax(0, 10fr); gap: 20px; align-items: start; }
@media (max-width: 900px) { .pair { grid-template-columns: minmax(0, 1fr); } }
tbody td:first-child { border-left: 10px solid var(--color); }
"""
