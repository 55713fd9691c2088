"""`saom evaluate`: models side by side from a data set to table, JSON and page."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sam_scenes import tiny_model, write_data

from saom_cli.main import main
from saom_core.instances import Instances, MaskCrop
from saom_core.sam.checkpoints import write_checkpoint
from saom_training.figures.comparison import GroundTruth
from saom_training.figures.pictures import Extremes, Gallery, ImageAnswer, Picked, draw_answer, draw_truth
from saom_training.figures.report import EVERYTHING, ModelReport, Report, gain, text_of
from saom_training.networks.checkpoint import save_network
from saom_training.networks.tiny import SaomTiny, TinyConfig

OPEN = [
    "--operating-score",
    "0.05",
    "--stability-threshold",
    "0",
    "--min-area-px",
    "1",
    "--grid",
    "4x4",
    "--threads",
    "1",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "blocks", frames=4, split="test")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A saom-tiny and a SAM with random weights; the latter names nothing."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("runs")
    save_network(
        SaomTiny(TinyConfig(("Mug", "Anvil"))), folder / "last", {"config": {"augment": {"size_hw": [64, 64]}}}
    )
    model = tiny_model()
    model.sam.mask_decoder.iou_prediction_head.layers[-1].bias.data += 0.5  # else no mask passes
    write_checkpoint(model, folder / "sam.safetensors")
    return [str(folder / "last"), str(folder / "sam.safetensors")]


@pytest.mark.slow
def test_two_models_and_both_protocols(
    data: Path, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "evaluate",
        "--data",
        str(data),
        "--protocol",
        "both",
        *OPEN,
        "--model",
        models[0],
        "--model",
        models[1],
    ]
    outputs = [
        "--json",
        str(tmp_path / "f.json"),
        "--resamples",
        str(tmp_path / "f.npz"),
        "--html",
        str(tmp_path / "f.html"),
        "--pictures",
        str(tmp_path / "p"),
    ]
    assert main([*arguments, *outputs]) == 0
    report = json.loads((tmp_path / "f.json").read_text())
    assert report["data"] == {
        "name": "blocks",
        "images": 4,
        "splits": ["test"],
        "scenes": [f"scene_{k}" for k in range(4)],
    }
    assert report["options"]["stability_threshold"] == 0
    tiny, sam = report["models"]
    assert tiny["operating_score"] == sam["operating_score"] == 0.05
    assert tiny["name"] != sam["name"] and tiny["provider"] == sam["provider"] == "cpu"
    for model in (tiny, sam):
        assert model["everything"]["objects"] == model["paper"]["objects"] > 0, "the same objects in both protocols"
        assert model["everything"]["predictions"] > 0 and 0 < model["paper"]["mIoU"] <= 1
        assert model["paper"]["grid"] == [4, 4]
        assert set(model["everything"]["per_class"]) == set(model["paper"]["per_class"]) <= {"Mug", "Book", "Bowl"}
        low, high = model["everything"]["intervals"]["mIoU"]
        assert 0 <= low <= model["everything"]["mIoU"] + 0.2 and low < high <= 1
    pair = [model["everything"]["intervals"]["mIoU"] for model in (tiny, sam)]
    gain_low, gain_high = report["gain_intervals"]["everything"]["mIoU"]
    assert pair[1][0] - pair[0][1] <= gain_low <= gain_high <= pair[1][1] - pair[0][0], "differences of drawn values"
    with np.load(tmp_path / "f.npz") as arrays:
        assert np.allclose(np.percentile(arrays["1/paper/mAcc"], (2.5, 97.5)), sam["paper"]["intervals"]["mAcc"])
    assert sam["everything"]["AP_class"] is None and tiny["everything"]["AP_class"] is not None
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if line.startswith("mAcc"))
    values = [model["everything"]["mAcc"] for model in (tiny, sam)]
    assert line.split()[1:3] == [f"{value:.3f}" for value in values] and f"{values[1] - values[0]:+.3f}" in line
    text = (tmp_path / "f.html").read_text()
    assert text.count(f"<th>{tiny['name']}</th><th>{sam['name']}</th><th>gain</th>") == 2, "over both tables of figures"
    page = Page(text)
    assert page.tables == 3 and not page.open and not page.links
    pictures = list((tmp_path / "p").iterdir())
    assert page.images == 3 * len(pictures) > 0, "each row: two models and the ground truth"
    assert cv2.imread(str(pictures[0])).shape == (48 * 12, 3 * 64 * 12, 3)


class Page(HTMLParser):
    """Counts what is in a page, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables = self.images = 0
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tables += tag == "table"
        if tag not in ("img", "meta"):
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href") and not str(value).startswith("data:image/jpeg;base64,"):
                self.links.append(str(value))
            self.images += name == "src"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.slow
def test_figures_are_written_where_nobody_reads_the_table(data: Path, models: list[str], tmp_path: Path) -> None:
    """`saom evaluate --json figures.json | head` runs for minutes, and head leaves after ten lines."""
    read, write = os.pipe()
    os.close(read)
    path = tmp_path / "figures.json"
    arguments = ["evaluate", "--data", str(data), "--limit", "1", "--model", models[0], *OPEN, "--json", str(path)]
    subprocess.run([sys.executable, "-m", "saom_cli", *arguments], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert json.loads(path.read_text())["models"]


def test_one_protocol_alone_and_fewer_images(data: Path, models: list[str], tmp_path: Path) -> None:
    for protocol, other in (("everything", "paper"), ("paper", "everything")):
        path = tmp_path / f"{protocol}.json"
        page = tmp_path / f"{protocol}.html"
        arguments = ["--data", str(data), "--protocol", protocol, "--limit", "2", "--model", models[0], *OPEN]
        assert main(["evaluate", *arguments, "--json", str(path), "--html", str(page), "--no-use-depth"]) == 0
        report = json.loads(path.read_text())
        assert report["models"][0][other] is None and report["models"][0][protocol]["images"] == 2
        assert report["data"]["scenes"] == ["scene_0", "scene_3"] and report["options"]["depth"] == "not given"
        assert report["options"]["names"] == "the model's own"
        assert Page(page.read_text()).tables == 2


@pytest.mark.slow
def test_several_operating_scores_are_columns_like_runs_of_their_own(
    data: Path, models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, page = tmp_path / "f.json", tmp_path / "f.html"
    common = [
        "evaluate",
        "--data",
        str(data),
        "--protocol",
        "both",
        "--model",
        models[1],
        *OPEN[2:],
        "--json",
        str(path),
    ]
    scores = ("0.05", "0.76")
    alone = []
    for score in scores:
        assert main([*common, "--operating-score", score]) == 0
        alone += json.loads(path.read_text())["models"]
    assert alone[0]["everything"]["predictions"] > alone[1]["everything"]["predictions"] > 0
    capsys.readouterr()
    asked = [part for score in scores for part in ("--operating-score", score)]
    assert main([*common, *asked, "--html", str(page)]) == 0
    together = json.loads(path.read_text())["models"]
    assert [model.pop("name") for model in together] == [
        f"{model.pop('name')}, {model['operating_score']}" for model in alone
    ]
    assert together == alone
    assert "operating score 0.05 and 0.76, depth" in capsys.readouterr().out
    assert Page(page.read_text()).tables == 3


@pytest.mark.slow
def test_evaluation_repeats_itself(data: Path, models: list[str], tmp_path: Path) -> None:
    texts = []
    for number in range(2):
        path = tmp_path / f"{number}.json"
        arguments = ["--data", str(data), "--protocol", "both", "--model", models[0], *OPEN, "--json", str(path)]
        assert main(["evaluate", *arguments]) == 0
        texts.append(path.read_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "val"], "expected images in .*got none in this split: its scenes are 4 for test .*every tenth"),
        (["--model", "nowhere.safetensors"], "there is none"),
        (["--nms-iou", "7"], "nms_iou: expected"),
    ],
)
def test_errors_say_what_to_do(
    data: Path, models: list[str], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = [] if "--model" in arguments else ["--model", models[0]]
    assert main(["evaluate", "--data", str(data), *model, *arguments]) == 1
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("arguments", [["--no-photo-names"], ["--vocabulary", "household"]])
def test_options_of_names_are_no_options_here(
    data: Path, models: list[str], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--data", str(data), "--model", models[0], *arguments])
    assert f"unrecognized arguments: {arguments[0]}" in capsys.readouterr().err


def answer(quality: float | None) -> ImageAnswer:
    return ImageAnswer(Instances.empty((4, 4)), quality)


@pytest.mark.parametrize("seed", range(3))
def test_gallery_against_sorting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 6, (15, 2)) / 5  # many equal ones
    gallery = Gallery(4, models=2)
    for index, (first, last) in enumerate(pairs):
        gallery.offer(index, [answer(first), answer(last)])
    gallery.offer(99, [answer(None), answer(0.0)])  # an image without anything to be judged by
    gains = pairs[:, 1] - pairs[:, 0]
    for kind, keys in {"worst": -pairs[:, 1], "best": pairs[:, 1], "most gained": gains, "most lost": -gains}.items():
        order = sorted(range(15), key=lambda k, keys=keys: (-keys[k], k))[:4]
        expected = [k for k in order if keys[k] > 0] if kind.startswith("most") else order
        assert [one.index for one in gallery.sections[kind]] == expected, kind


def test_galleries_of_one_model_and_of_nothing() -> None:
    gallery = Gallery(2, models=1)
    assert list(gallery.sections) == ["worst", "best"] and not any(gallery.sections.values())
    assert Gallery(0, models=2).sections == {}
    extremes = Extremes(1)
    extremes.offer(0.5, Picked(3, ()))
    assert [one.index for one in extremes.picked] == [3]


def test_pictures_show_what_was_found_and_what_was_not() -> None:
    image = np.full((100, 800, 3), 128, np.uint8)  # large enough not to be enlarged
    masks = np.zeros((2, 100, 800), bool)
    masks[0, 20:80, 20:200] = masks[1, 20:80, 600:760] = True
    ignore = np.zeros((100, 800), bool)
    ignore[:10] = True
    truth = GroundTruth(masks, ("Mug", "Box"), ignore)
    wrong = np.zeros_like(ignore)
    wrong[20:80, 300:500] = True
    predicted = Instances.from_masks(
        (100, 800), [MaskCrop.from_dense(m) for m in (masks[0], wrong)], np.array([0.9, 0.8], np.float32)
    )
    answered, there = draw_answer(image, predicted, truth), draw_truth(image, truth, predicted)
    assert answered.shape == there.shape == image.shape
    np.testing.assert_array_equal(answered[75, 30], there[75, 30])  # the colour of the object found
    red = (255, 40, 40)
    assert tuple(answered[30, 300]) == red and tuple(there[30, 600]) == red, "a false alarm, and a missed object"
    assert tuple(answered[30, 20]) != red and tuple(there[30, 20]) != red
    pointed = dataclasses.replace(predicted, points_xy=np.array([[650, 30], [700, 40]], np.float32))
    assert (draw_answer(image, pointed, truth, points=True)[30, 650] == 255).all()
    assert (draw_answer(image, pointed, truth)[30, 650] == 128).all()
    assert (answered[30, 650] == 128).all() and (there[5, 400] == 42).all(), "nothing there; not known what is there"


def report_of(*figures: dict[str, float | None]) -> Report:
    empty: dict[str, float | None] = {meaning.key: 0 for meaning in EVERYTHING}
    rows = {"per_class": {"Mug<b>": {"objects": 3, "recall50": 0.5}}}
    models = [
        ModelReport(f"model {k}", "", "cpu", {**empty, **one, **rows}, None, 0.5) for k, one in enumerate(figures)
    ]
    return Report({"name": "d", "images": 1, "splits": ["test"], "scenes": ["s"]}, {}, models)


def test_text_of_one_two_and_three_models() -> None:
    for values in ([0.5], [0.5, 0.25], [0.5, 0.25, None]):
        lines = text_of(report_of(*({"mIoU": value} for value in values))).splitlines()
        row = next(line for line in lines if line.startswith("mIoU")).split()[1:]
        shown = ["-" if value is None else f"{value:.3f}" for value in values]
        assert row == (shown + ["-0.250"] if len(values) == 2 else shown)
        assert sum("Mug<b>" in line for line in lines) == 1


def test_text_with_intervals() -> None:
    one, two = report_of({"mIoU": 0.5}), report_of({"mIoU": 0.5}, {"mIoU": 0.75})
    assert one.models[0].everything is not None
    one.models[0].everything["intervals"] = {"mIoU": (0.4, 0.625), "AP": None}
    two.gain_intervals["everything"] = {"mIoU": (-0.125, 0.5)}
    rows = [next(line for line in text_of(r).splitlines() if line.startswith("mIoU ")) for r in (one, two)]
    assert rows[0].split()[1:] == ["0.500", "0.400", "to", "0.625"]
    assert rows[1].split()[1:] == ["0.500", "0.750", "+0.250", "-0.125", "to", "+0.500"]


def test_gains() -> None:
    meaning = EVERYTHING[2]
    assert gain(meaning, [0.5, 0.75]) == "+0.250" and gain(meaning, [0.1, 0.09999]) == "+0.000"
    assert gain(meaning, [None, 0.5]) == gain(meaning, [0.5]) == gain(EVERYTHING[0], [1, 2]) == ""
