"""The bootstrap over pictures: how far a figure would move, had other pictures of the same kind been drawn.

Pictures are drawn anew with replacement, all objects of a picture together (Efron, 1979): objects of one picture share
its light and its clutter, so they are no independent draws. A figure's interval is the middle 95 % of its values. Two
models that saw the same pictures are compared on the same draws, so that what makes a picture hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Draws = npt.NDArray[np.int64]
"""(B, P): how often each of P pictures is in each of B sets of P pictures."""
Interval = tuple[float, float]
Resampled = dict[str, dict[str, FloatArray]]
"""Protocol -> figure -> its values (B,)."""
SETS = 1000
_SEED = 0
_TAIL = 2.5  # percent on either side


def draws(pictures: int, sets: int = SETS) -> Draws:
    """Sets of pictures drawn with replacement; the same for the same number of pictures, so that models can be paired.

    Args:
        pictures: P.
        sets: B.
    """
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=sets).astype(np.int64)


def interval(values: FloatArray) -> Interval | None:
    """The middle 95 % of a figure's values (B,), those that are NaN left out; None where none is left."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = np.percentile(known, (_TAIL, 100 - _TAIL))
    return float(low), float(high)


def intervals(figures: Mapping[str, FloatArray]) -> dict[str, Interval | None]:
    """Figure -> its interval, of figure -> its values (B,)."""
    return {name: interval(values) for name, values in figures.items()}


def gain_intervals(before: Mapping[str, FloatArray], after: Mapping[str, FloatArray]) -> dict[str, Interval | None]:
    """Figure -> interval of the difference of two models on the same draws, of the figures that both have."""
    return {name: interval(after[name] - before[name]) for name in after if name in before}


def share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Part / whole, NaN where there is nothing that it could be a share of; of any shape."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


def mean_of_known(values: FloatArray) -> FloatArray:
    """(B,) means over the columns of (B, C) that are not NaN; NaN where all are."""
    return share(np.nansum(values, axis=1), np.isfinite(values).sum(axis=1).astype(np.float64))
