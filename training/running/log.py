"""The log of a run for TensorBoard, the losses between two of its lines, and its curves as a picture."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

LOG, PLOT = "tensorboard", "losses.png"  # in the run's folder
_SMOOTH = 40  # points are averaged so that about this many are left


class Means:
    """Means of values since they were last taken.

    Args:
        sums: of the values so far, with their number as "steps": what `sums` was when a run was killed.
    """

    def __init__(self, sums: Mapping[str, float] | None = None) -> None:
        self.sums = dict(sums or {})

    def add(self, values: Mapping[str, float]) -> None:
        """One step's values."""
        for name, value in {**values, "steps": 1}.items():
            self.sums[name] = self.sums.get(name, 0) + value

    def take(self) -> dict[str, float]:
        """The means; the next ones begin anew."""
        steps = self.sums.pop("steps")
        means = {name: value / steps for name, value in self.sums.items()}
        self.sums = {}
        return means


def open_log(folder: Path, start: int) -> SummaryWriter:
    """The log of a run that goes on at step `start`; what an attempt before it wrote from there on does not count."""
    # a run that was killed before its first checkpoint: purge_step=0 would not reliably hide what it has logged
    if start == 0:
        shutil.rmtree(folder, ignore_errors=True)
    return SummaryWriter(str(folder), purge_step=start or None)


def plot_losses(log: Path, picture: Path) -> None:
    """Draws every scalar of a TensorBoard log (of a resumed run too) over the steps, the total loss first.

    Args:
        log: folder of the log.
        picture: PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(log), size_guidance={"scalars": 0})
    events.Reload()
    tags = sorted(events.Tags()["scalars"], key=lambda tag: (not tag.endswith("total"), "/" not in tag, tag))
    columns = min(4, max(1, len(tags)))
    rows = max(1, -(-len(tags) // columns))
    figure = Figure((3.2 * columns, 2.4 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axis, tag in zip(axes, tags, strict=False):
        points = np.array([(event.step, event.value) for event in events.Scalars(tag)])
        axis.plot(*points.T, color="0.82", linewidth=0.8)
        span = max(1, len(points) // _SMOOTH)
        mean = points[: len(points) // span * span].reshape(-1, span, 2).mean(1)
        axis.plot(*mean.T, color="tab:blue", linewidth=1.6)
        axis.set_title(f"{tag}: {mean[-1, 1]:.3g} at last", fontsize=9, loc="left")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.set_xlabel("step", fontsize=8)
    for axis in axes[len(tags) :]:
        axis.set_axis_off()
    figure.suptitle(
        f"{log.resolve().parent.name}: grey what was logged, blue means of neighbours", fontsize=10, x=0.01, ha="left"
    )
    FigureCanvasAgg(figure).print_png(str(picture))
