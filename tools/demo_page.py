"""What the demo shows: tables for the terminal, one HTML page for the browser."""

from __future__ import annotations

import base64
import html
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from saom_ros.msg import Instance, InstanceArray

from saom_core.overlay import instance_color

TABLES = 2
ROWS = 12
"""Pictures that are printed, and instances of each of them; the page shows all."""

STAGES = ("wait", "decode", "preprocess", "network", "postprocess", "places", "publish", "total")


@dataclass(frozen=True)
class Shot:
    """One picture and the answer to it."""

    name: str
    answer: InstanceArray
    overlay_rgb: npt.NDArray[np.uint8]  # (H, W, 3)


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


def row_of(item: Instance) -> tuple[str, ...]:
    """The columns of `HEAD` for one instance: label, track, class, its score, mask score, box, distance, size."""
    box = " ".join(f"{value:.0f}" for value in item.box_xyxy)
    distance = f"{item.distance:.2f} m" if math.isfinite(item.distance) else "-"
    edges = (item.box_size.x, item.box_size.y, item.box_size.z)
    size = " x ".join(f"{100 * edge:.0f}" for edge in edges) + " cm" if math.isfinite(sum(edges)) else "-"
    name = item.class_name or "object"
    numbers = str(item.label), str(item.track_id)
    return *numbers, name, f"{item.class_score:.2f}", f"{item.score:.2f}", box, distance, size


HEAD = ("#", "track", "class", "p(class)", "mask", "box x0 y0 x1 y1", "distance", "size")


def print_tables(shots: list[Shot], summary: Summary) -> None:
    """Prints the first pictures' instances and the figures."""
    for shot in shots[:TABLES]:
        items = shot.answer.instances
        print(f"\n{shot.name}: {len(items)} instances")
        rows = [HEAD, *(row_of(item) for item in items[:ROWS])]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
        for row in rows:
            print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
        if len(items) > ROWS:
            print(f"  ... and {len(items) - ROWS} more on the page")
    total = sum(len(shot.answer.instances) for shot in shots)
    print(f"\n{len(shots)} pictures, {total} instances in all.")
    print("\n".join(summary.lines()))


def write_page(path: Path, shots: list[Shot], summary: Summary) -> None:
    """Writes one HTML file; the pictures are inside it, so that it can be sent to somebody."""
    figures = "".join(f"<p>{html.escape(line)}</p>" for line in summary.lines())
    path.write_text(_PAGE.format(figures=figures, shots="".join(map(_shot_html, shots))), encoding="utf-8")


def _color(item: Instance) -> tuple[int, int, int]:
    """The colour that the instance has in the overlay."""
    return instance_color(item.track_id if item.track_id >= 0 else item.label - 1)


def _shot_html(shot: Shot) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(shot.overlay_rgb, cv2.COLOR_RGB2BGR), quality)[1]
    picture = base64.b64encode(jpeg.tobytes()).decode()
    head = "".join(f"<th>{text}</th>" for text in HEAD)
    rows = "".join(
        f'<tr style="--color:rgb{_color(item)}">'
        + "".join(f"<td>{html.escape(text)}</td>" for text in row_of(item))
        + "</tr>"
        for item in shot.answer.instances
    )
    return (
        f"<section><h2>{html.escape(shot.name)}: {len(shot.answer.instances)} instances</h2>"
        f'<div><img alt="instances of {html.escape(shot.name)}" src="data:image/jpeg;base64,{picture}">'
        f"<table><tr>{head}</tr>{rows}</table></div></section>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>SAOM: what the camera saw</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1400px; padding: 0 1rem; color: #1c2127 }}
p {{ margin: .2rem 0 }}
section div {{ display: flex; gap: 1.2rem; align-items: flex-start; flex-wrap: wrap }}
img {{ max-width: min(600px, 100%); border-radius: 4px }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }}
td:first-child {{ border-left: 12px solid var(--color) }}
th, td {{ text-align: left; padding: .15rem .5rem; border-bottom: 1px solid #dde1e6; white-space: nowrap }}
</style></head><body>
<h1>Whole objects, as the node published them</h1>
{figures}
{shots}
</body></html>
"""
