"""`saom evaluate --html`: figures, classes and telling pictures as one page that needs no server and no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from saom_core.pictures.photos import write_photo
from saom_core.web_page import page

from ..dataset import Dataset
from .comparison import GroundTruth
from .pictures import Image, Picked, draw_answer, draw_truth
from .report import PROTOCOLS, Report, class_value, gain, show_interval

JPEG_QUALITY = 85
KINDS = {
    "worst": "The worst pictures",
    "best": "The best pictures",
    "most gained": "Where the last model gains most on the first",
    "most lost": "Where the last model loses most against the first",
}
STYLE = """
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 8px; }
.pictures div { font-size: 13px; color: var(--soft); } .pictures img { width: 100%; margin-top: 2px; }
.sortable tr:last-child th { cursor: pointer; } .sortable th[aria-sort] { color: var(--accent); }
th[aria-sort=ascending]::after { content: " \\25B2"; } th[aria-sort=descending]::after { content: " \\25BC"; }
th.group { text-align: center; } td small { display: block; font-size: 11px; line-height: 1.2; }
td.text { font-size: 12.5px; }
@media (max-width: 700px) { td.text { display: none; } th, td { padding: 4px 8px; } }
"""
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : column > 0;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (column > 0 && (x === "" || y === "")) return (x === "") - (y === "");  // unknown ones always last
      return (column > 0 ? x - y : x.localeCompare(y)) * (down ? -1 : 1);
    });
    table.tBodies[0].append(...rows);
  }));
}
"""
LEGEND = (
    "A prediction has the colour of the object that it found (IoU of at least .5). Outlined in red: among predictions, "
    "masks that found no object; in the ground truth, objects that were not found. Where it is not known what is "
    "there, the ground truth is darkened and nothing is asked."
)
SCORES = {
    "everything": "Numbers on predictions are the model's own scores, the mask quality that it expects.",
    "paper": "Dots are the points that ask, numbers the IoU with the object asked for, names its class.",
}


def page_of(report: Report, sections: Mapping[str, Sequence[Picked]], data: Dataset) -> str:
    """The page.

    Args:
        report: the figures.
        sections: kind -> images of `data` to show.
        data: the data set that was evaluated.
    """
    title = f"{' and '.join(model.name for model in report.models)} on {report.title}"
    files = "; ".join(f"{model.name}: {model.path} on {model.provider}" for model in report.models)
    facts = (
        f"<h1>{html.escape(title)}</h1><p>{html.escape(report.extent)}; {html.escape(report.settings)}.</p>"
        f"<p class=note>{html.escape(files)}</p>"
    )
    # pictures before the long table of classes: they say most
    body = [facts, *_figure_tables(report), *_galleries(report, sections, data), _class_table(report)]
    return page(html.escape(title), "".join(body), style=STYLE, script=SCRIPT)


def write_pictures(report: Report, sections: Mapping[str, Sequence[Picked]], data: Dataset, folder: Path) -> None:
    """The page's pictures as files: predictions of each model, then the ground truth, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, picked in sections.items():
        for rank, one in enumerate(picked, 1):
            row = [picture for _, picture in _row(report, one, data)]
            name = f"{kind.replace(' ', '_')}_{rank}_{data.image(one.index)['id']:010d}.jpg"
            write_photo(folder / name, np.asarray(cv2.hconcat(row), np.uint8), JPEG_QUALITY)


def _figure_tables(report: Report) -> Iterator[str]:
    for protocol, (title, meanings) in PROTOCOLS.items():
        columns = [(model, figures) for model in report.models if (figures := model.of(protocol))]
        if not columns:
            continue
        heads = "".join(f"<th>{html.escape(model.name)}</th>" for model, _ in columns)
        heads += "<th>gain</th>" if len(columns) == 2 else ""
        rows = []
        for meaning in meanings:
            values = [figures[meaning.key] for _, figures in columns]
            between = [show_interval(figures.get("intervals", {}).get(meaning.key)) for _, figures in columns]
            cells = "".join(
                f"<td>{meaning.show(value)}{_small(known)}</td>" for value, known in zip(values, between, strict=True)
            )
            if len(columns) == 2:
                difference = gain(meaning, values)
                better = difference and float(difference) * meaning.sign
                known = show_interval(report.gain_intervals.get(protocol, {}).get(meaning.key), "+")
                kind = "good" if better and better > 0 else "bad" if better else ""
                cells += f'<td class="{kind}">{difference}{_small(known) if difference else ""}</td>'
            less = " (less is better)" if meaning.sign < 0 else ""
            rows.append(
                f"<tr><td>{meaning.title}</td>{cells}<td class=text>{html.escape(meaning.text)}{less}</td></tr>"
            )
        yield (
            f"<h2>{html.escape(title[0].upper() + title[1:])}</h2><p class=note>Small: the middle 95 % of 1000 sets of "
            f"the pictures drawn with replacement.</p><div class=scroll><table><thead><tr><th></th>{heads}<th></th>"
            f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        )


def _small(text: str) -> str:
    return f"<small>{text}</small>" if text else ""


def _class_table(report: Report) -> str:
    """A row per class; a click on a column's head sorts by it."""
    columns = report.class_columns()
    spans = [sum(model is one for one, _, _ in columns) for model in report.models]
    groups = "".join(
        f'<th class=group colspan="{span}">{html.escape(model.name)}</th>'
        for model, span in zip(report.models, spans, strict=True)
    )
    heads = "".join(
        f'<th title="{html.escape(meaning.text)}">{html.escape(meaning.title)}</th>' for *_, meaning in columns
    )
    rows = []
    for name, count in report.class_rows:
        cells = f'<td data-value="{count}">{count}</td>'
        for model, protocol, meaning in columns:
            value = class_value(model, protocol, meaning, name)
            cells += f'<td data-value="{"" if value is None else value}">{meaning.show(value)}</td>'
        rows.append(f"<tr><td>{html.escape(name or '(no name)')}</td>{cells}</tr>")
    return (
        "<h2>Classes</h2><p class=note>A click on a head sorts. Hold the pointer over it for its meaning. "
        "Few objects make a figure uncertain.</p><div class=scroll><table class=sortable><thead>"
        f"<tr><th></th><th></th>{groups}</tr><tr><th>class</th><th>objects</th>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _galleries(report: Report, sections: Mapping[str, Sequence[Picked]], data: Dataset) -> Iterator[str]:
    protocol = "everything" if report.models[0].everything else "paper"
    measure = "panoptic quality, whatever the class" if protocol == "everything" else "mean IoU of the objects"
    if any(sections.values()):
        yield f"<h2>Pictures</h2><p>{LEGEND} {SCORES[protocol]} A picture's figure is its {measure}.</p>"
    for kind, picked in sections.items():
        if picked:
            yield f"<h2>{KINDS[kind]}</h2>" + "".join(_figure(report, one, data) for one in picked)


def _figure(report: Report, picked: Picked, data: Dataset) -> str:
    image = data.image(picked.index)
    cells = "".join(
        f'<div>{html.escape(title)}<img loading="lazy" alt="{html.escape(title)}" src="{_data_url(picture)}"></div>'
        for title, picture in _row(report, picked, data)
    )
    caption = f"{html.escape(str(image['scene']))}, picture {html.escape(str(image['id']))}"
    return f'<figure><figcaption>{caption}</figcaption><div class="pictures">{cells}</div></figure>'


def _row(report: Report, picked: Picked, data: Dataset) -> Iterator[tuple[str, Image]]:
    """Title and picture of each model's predictions, then of the ground truth with what the last model missed."""
    sample = data[picked.index]
    truth = GroundTruth.of(sample)
    for model, answer in zip(report.models, picked.answers, strict=True):
        picture = draw_answer(sample.image_rgb, answer.instances, truth, points=model.everything is None)
        yield f"{model.name}: {answer.quality:.2f}", picture
    yield "ground truth", draw_truth(sample.image_rgb, truth, picked.answers[-1].instances)


def _data_url(picture: Image) -> str:
    _, packed = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(packed.tobytes()).decode("ascii")
