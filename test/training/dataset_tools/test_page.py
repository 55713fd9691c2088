"""Pages about data sets of anybody's: names are text, whatever stands in them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from saom_core.instances import Instances, MaskCrop
from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.dataset_tools.page import write_page
from saom_training.figures.comparison import GroundTruth
from saom_training.figures.metrics import EverythingMetrics
from saom_training.figures.page import page_of
from saom_training.figures.pictures import ImageAnswer, Picked
from saom_training.figures.report import ModelReport, Report

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{0}&amp;"
"""Ends attributes of both kinds of quotes, begins elements, and is no format string."""


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def assert_harmless(page: str, times: int) -> Elements:
    """The page's own script alone, no handler in any element, and the name as it is, at least so often."""
    elements = Elements(page)
    assert [tag for tag, _ in elements.found].count("script") == 1
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert all(attributes.get("src") != "x" for _, attributes in elements.found)
    shown = [*elements.text, *(str(value) for _, attributes in elements.found for value in attributes.values())]
    assert sum(EVIL in text for text in shown) >= times
    return elements


def evil_set(path: Path, frame: Frame) -> Path:
    objects = (FrameObject(EVIL, EVIL, ("body", EVIL), {EVIL: EVIL}), *frame.objects[1:])
    frame = dataclasses.replace(frame, objects=objects, scene=EVIL)
    names = [EVIL, *(item.class_name for item in frame.objects[1:])]
    DatasetWriter(path, {"simulator": EVIL, "class_names": names}).write_episode(0, [frame])
    shard_path = path / "shards/00000000.json"
    shard = json.loads(shard_path.read_text())
    shard["images"][0]["split"] = EVIL
    shard_path.write_text(json.dumps(shard))
    return path


def test_the_page_of_a_data_set(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    path = evil_set(tmp_path / EVIL.replace("/", ""), make_frame())
    page = write_page(path, None, tmp_path / "page", 5).read_text()
    elements = assert_harmless(page, times=6)
    options = [attributes["value"] for tag, attributes in elements.found if tag == "option"]
    assert options.count(EVIL) == 2, "as a class and as a split, to choose by"


def test_the_page_of_an_evaluation(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    data = Dataset.open(evil_set(tmp_path / "set", make_frame()))
    truth = GroundTruth.of(data[0])
    answer = Instances.from_masks(
        truth.size_hw, [MaskCrop.from_dense(truth.masks[0])], np.ones(1, np.float32), class_names=[EVIL]
    )
    metrics = EverythingMetrics((EVIL,))
    metrics.add(answer, truth)
    models = [ModelReport(EVIL, EVIL, EVIL, metrics.figures(), None, 0.5)] * 2
    report = Report({"name": EVIL, "images": 1, "splits": [EVIL], "scenes": [EVIL]}, {EVIL: EVIL}, models)
    picked = Picked(0, (ImageAnswer(answer, 0.5), ImageAnswer(answer, 0.5)))
    assert_harmless(page_of(report, {"worst": [picked]}, data), times=8)
