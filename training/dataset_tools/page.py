"""An HTML page of a data set: overlays, depth, and filters by class, occlusion and split. No server, no internet."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from saom_core.files import check_output, write_atomically
from saom_core.masks import innermost_pixel
from saom_core.pictures.photos import write_photo
from saom_core.web_page import page

from ..data.frames import Split
from ..dataset import Dataset, Sample, evenly_spread

_HUES = np.array([[(hue, 200, 255) for hue in range(0, 180, 9)]], np.uint8)
COLOURS = cv2.cvtColor(_HUES, cv2.COLOR_HSV2RGB)[0].astype(np.float32)
STYLE = """
body { padding: 0 0 48px; max-width: none; }
header { position: sticky; top: 0; background: var(--paper); padding: 12px clamp(12px, 3vw, 24px); z-index: 1;
  border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: center; }
h1 { font-size: 17px; margin: 0; flex-basis: 100%; } label { color: var(--soft); font-size: 13px; }
select { font: inherit; color: var(--ink); background: var(--raised); border: 1px solid var(--line); border-radius: 6px;
  padding: 2px 4px; max-width: 100%; }
@media (max-width: 600px) { header { position: static; } }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 14px;
  padding: 16px clamp(12px, 3vw, 24px); }
figure { margin: 0; background: var(--raised); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure[hidden] { display: none; } img { width: 100%; border-radius: 0; }
figcaption { padding: 8px 10px; margin: 0; } figcaption b { color: var(--ink); font-weight: 600; }
.picture { position: relative; } i { position: absolute; transform: translate(-50%, -50%); pointer-events: none; }
i { font: 10px/1.2 system-ui, sans-serif; color: #14181d; background: #fffd; padding: 0 3px; border-radius: 3px; }
.chosen i { background: #fe0; font-size: 13px; } i[hidden], .bare i { display: none; }
"""
SCRIPT = """
const figures = [...document.querySelectorAll("figure")], main = document.querySelector("main");
const value = id => document.getElementById(id).value;
function update() {
  const wanted = value("class"), visible = Number(value("visible")), split = value("split"), layer = value("layer");
  const any = !wanted && visible > 1;  // pictures without instances too
  let shown = 0;
  for (const figure of figures) {
    let found = 0;
    for (const name of figure.querySelectorAll("i")) {
      name.hidden = (wanted && name.textContent !== wanted) || Number(name.dataset.visible) >= visible;
      found += !name.hidden;
    }
    figure.hidden = (split && figure.dataset.split !== split) || !(any || found);
    if (figure.hidden) continue;
    shown += 1;
    figure.querySelector("img").src = figure.querySelector("a").href = figure.dataset.name + "_" + layer + ".jpg";
  }
  main.className = (any ? "" : "chosen ") + (layer === "color" ? "bare" : "");
  document.getElementById("count").textContent = shown + " of " + figures.length + " pictures";
}
for (const select of document.querySelectorAll("select")) select.addEventListener("change", update);
update();
"""
HEADER = (
    '<header><h1>{title}</h1><label>class <select id="class"><option value="">all</option>{classes}</select></label>'
    '<label>in sight <select id="visible"><option value="2">all</option><option value="0.95">less than 95 %</option>'
    '<option value="0.5">less than half</option></select></label>'
    '<label>split <select id="split"><option value="">all</option>{splits}</select></label>'
    '<label>show <select id="layer"><option value="overlay">overlay</option><option value="color">colour</option>'
    '<option value="depth">depth</option></select></label> <span id="count" class="note"></span></header>'
)


def write_page(path: Path, split: Split | None, out: Path, limit: int) -> Path:
    """Write `out/index.html` with at most `limit` pictures of a data set, evenly spread; returns its path."""
    check_output(out, folder=True)
    dataset = Dataset.open(path, split, sub_objects="apart", parts=True)
    figures = []
    classes: Counter[str] = Counter()
    chosen = evenly_spread(len(dataset), limit)
    for index in tqdm(chosen, unit="picture", desc="view"):
        sample = dataset[index]
        name = f"{sample.image_id:010d}"
        for layer, picture in (
            ("overlay", overlay(sample)),
            ("color", sample.image_rgb),
            ("depth", depth_view(sample)),
        ):
            write_photo(out / f"{name}_{layer}.jpg", picture, jpeg_quality=88)
        figures.append(_figure(sample, name, str(dataset.image(index)["split"])))
        classes.update({sample.class_names[row] for row in np.flatnonzero(sample.class_ids >= 0)})
    options = "".join(_option(name, f"{name} ({count})") for name, count in sorted(classes.items()))
    splits = "".join(_option(split, split) for split in sorted(set(dataset.splits())))
    title = html.escape(f"{dataset.path.name}: {len(chosen)} of {len(dataset)} pictures")
    header = HEADER.format(title=title, classes=options, splits=splits)
    body = f"{header}<main>{chr(10).join(figures)}</main>"
    write_atomically(out / "index.html", page(title, body, style=STYLE, script=SCRIPT).encode())
    return out / "index.html"


def _option(value: str, text: str) -> str:
    """A choice of a list; names of classes and splits come from files of anybody's."""
    return f'<option value="{html.escape(value)}">{html.escape(text)}</option>'


def _figure(sample: Sample, name: str, split: str) -> str:
    """One picture, with the name and the share in sight of each instance and sub-object at its innermost pixel."""
    rows = np.flatnonzero((sample.class_ids >= 0) & sample.masks.any((1, 2)))
    height, width = sample.depth_m.shape
    tags = []
    for row in rows:
        visible = sample.visible[row if sample.part_of[row] < 0 else sample.part_of[row]]
        x, y = innermost_pixel(sample.masks[row])
        place = f"left:{100 * x / width:.1f}%;top:{100 * y / height:.1f}%"
        tags.append(f'<i data-visible="{visible:.3f}" style="{place}">{html.escape(sample.class_names[row])}</i>')
    names = Counter(sample.class_names[row] for row in rows)
    split = html.escape(split)
    counted = ", ".join(f"{n} x {k}" if n > 1 else k for k, n in sorted(names.items()))
    return (
        f'<figure data-name="{name}" data-split="{split}"><div class="picture"><a target="_blank">'
        f'<img loading="lazy" alt="{html.escape(counted)}"></a>{"".join(tags)}</div>'
        f"<figcaption><b>{html.escape(str(sample.scene))}</b> {split}, {len(rows)} instances: {html.escape(counted)}"
        "</figcaption></figure>"
    )


def overlay(sample: Sample) -> np.ndarray:
    """(H, W, 3) uint8: instances tinted and outlined, parts outlined in white, ignored pixels hatched."""
    picture = sample.image_rgb.astype(np.float32)
    instances = np.flatnonzero(sample.class_ids >= 0).tolist()
    for row in sorted(instances, key=lambda row: -int(sample.masks[row].sum())):  # a lid's tint lies on its pot's
        mask = sample.masks[row]
        picture[mask] = 0.6 * picture[mask] + 0.4 * _colour(row)
    result = picture.astype(np.uint8)
    for row, mask in enumerate(sample.masks):
        outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(result, outline, -1, _colour(row).tolist() if row in instances else (255, 255, 255), 1)
    hatch = (np.add.outer(np.arange(result.shape[0]), np.arange(result.shape[1])) // 2) % 2 == 0
    result[sample.ignore & hatch] = (255, 0, 255)
    return result


def _colour(row: int) -> np.ndarray:
    return COLOURS[(row * 7) % len(COLOURS)]


def depth_view(sample: Sample) -> np.ndarray:
    """(H, W, 3) uint8: near is warm, far is cool, invalid is black."""
    valid = sample.depth_m > 0
    if not valid.any():
        return np.zeros((*sample.depth_m.shape, 3), np.uint8)
    low, high = np.quantile(sample.depth_m[valid], (0.01, 0.99))
    share = np.clip((sample.depth_m - low) / max(high - low, 1e-6), 0, 1)
    coloured = cv2.applyColorMap((255 - share * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1].copy()
    coloured[~valid] = 0
    return coloured
