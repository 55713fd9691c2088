"""An HTML page of a data set: overlays, depth, and filters by class, split and occlusion. No server, no internet."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from training.dataset import Dataset, Sample

COLOURS = np.array(
    [cv2.cvtColor(np.uint8([[[hue, 200, 255]]]), cv2.COLOR_HSV2RGB)[0, 0] for hue in range(0, 180, 9)], np.float32
)
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 0; background: #f4f4f2; color: #222; }}
header {{ position: sticky; top: 0; background: #fff; padding: 10px 16px; border-bottom: 1px solid #ccc; z-index: 1; }}
h1 {{ font-size: 16px; margin: 0 0 6px; }} label {{ margin-right: 14px; }} select {{ font: inherit; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 12px; padding: 16px; }}
figure {{ margin: 0; background: #fff; border: 1px solid #ddd; border-radius: 6px; overflow: hidden; }}
figure[hidden] {{ display: none; }} img {{ width: 100%; display: block; }}
figcaption {{ padding: 6px 8px; font-size: 12px; }} figcaption b {{ font-weight: 600; }}
</style></head><body><header><h1>{title}</h1>
<label>class <select id="class"><option value="">all</option>{classes}</select></label>
<label>split <select id="split"><option value="">all</option>{splits}</select></label>
<label>show <select id="layer"><option value="overlay">overlay</option><option value="color">colour</option>
<option value="depth">depth</option></select></label> <span id="count"></span></header>
<main>{figures}</main><script>
const figures = [...document.querySelectorAll("figure")];
function update() {{
  const wanted = document.getElementById("class").value, split = document.getElementById("split").value;
  const layer = document.getElementById("layer").value;
  let shown = 0;
  for (const figure of figures) {{
    const classes = figure.dataset.classes.split(" ");
    figure.hidden = (wanted && !classes.includes(wanted)) || (split && figure.dataset.split !== split);
    if (!figure.hidden) {{ shown += 1; figure.querySelector("img").src = figure.dataset.name + "_" + layer + ".jpg"; }}
  }}
  document.getElementById("count").textContent = shown + " of " + figures.length + " pictures";
}}
for (const select of document.querySelectorAll("select")) select.addEventListener("change", update);
update();
</script></body></html>
"""


def write_page(dataset: Dataset, out: Path, limit: int) -> Path:
    """Write `out/index.html` with at most `limit` pictures, evenly spread; returns its path."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(limit, len(dataset))).astype(int)) if len(dataset) else []
    figures = []
    classes: Counter[str] = Counter()
    for index in tqdm(chosen, unit="picture", desc="view"):
        sample = dataset[int(index)]
        whole = sample.part_of < 0
        names = [name for name, is_whole in zip(sample.class_names, whole, strict=True) if is_whole]
        classes.update(set(names))
        name = f"{sample.image_id:010d}"
        for layer, picture in (
            ("overlay", overlay(sample)),
            ("color", sample.image_rgb),
            ("depth", depth_view(sample)),
        ):
            cv2.imwrite(str(out / f"{name}_{layer}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
        counted = ", ".join(f"{n} x {k}" if n > 1 else k for k, n in sorted(Counter(names).items()))
        split = dataset.images[int(index)]["split"]
        figures.append(
            f'<figure data-name="{name}" data-split="{split}" data-classes="{html.escape(" ".join(names))}">'
            f'<img loading="lazy" alt="{html.escape(counted)}"><figcaption><b>{html.escape(sample.scene)}</b> '
            f"{split}, {len(names)} instances: {html.escape(counted)}</figcaption></figure>"
        )
    options = "".join(f'<option value="{name}">{name} ({count})</option>' for name, count in sorted(classes.items()))
    splits = "".join(f"<option>{split}</option>" for split in sorted({image["split"] for image in dataset.images}))
    title = html.escape(f"{dataset.path.name}: {len(chosen)} of {len(dataset)} pictures")
    page = PAGE.format(title=title, classes=options, splits=splits, figures="\n".join(figures))
    (out / "index.html").write_text(page)
    return out / "index.html"


def overlay(sample: Sample) -> np.ndarray:
    """(H, W, 3) uint8: whole objects tinted and outlined, parts outlined thinly in white, ignored pixels hatched."""
    picture = sample.image_rgb.astype(np.float32)
    for row in np.flatnonzero(sample.part_of < 0):
        mask, colour = sample.masks[row], COLOURS[(row * 7) % len(COLOURS)]
        picture[mask] = 0.6 * picture[mask] + 0.4 * colour
    result = picture.astype(np.uint8)
    for row, mask in enumerate(sample.masks):
        outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        colour = COLOURS[(row * 7) % len(COLOURS)].tolist() if sample.part_of[row] < 0 else (255, 255, 255)
        cv2.drawContours(result, outline, -1, colour, 1)
    hatch = (np.add.outer(np.arange(result.shape[0]), np.arange(result.shape[1])) // 2) % 2 == 0
    result[sample.ignore & hatch] = (255, 0, 255)
    return result


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
