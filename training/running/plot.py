"""The curves of a run as a picture, from its TensorBoard log."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_SMOOTH = 40  # points are averaged so that about this many are left


def plot_losses(log: Path, picture: Path) -> None:
    """Draws every scalar of a TensorBoard log (of a resumed run too) over the steps.

    Args:
        log: folder of the log.
        picture: PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(log), size_guidance={"scalars": 0})
    events.Reload()
    tags = sorted(events.Tags()["scalars"])
    columns = min(4, max(1, len(tags)))
    rows = max(1, -(-len(tags) // columns))
    figure = Figure((3.2 * columns, 2.4 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axis, tag in zip(axes, tags, strict=False):
        points = np.array([(event.step, event.value) for event in events.Scalars(tag)])
        axis.plot(*points.T, color="0.8", linewidth=0.8)
        span = max(1, len(points) // _SMOOTH)
        mean = points[: len(points) // span * span].reshape(-1, span, 2).mean(1)
        axis.plot(*mean.T, color="tab:blue")
        axis.set_title(tag, fontsize=9)
        axis.grid(alpha=0.3)
    for axis in axes[len(tags) :]:
        axis.set_axis_off()
    FigureCanvasAgg(figure).print_png(str(picture))
