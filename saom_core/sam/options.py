"""Options of everything mode with the SAM family, named and preset as in segment-anything."""

from __future__ import annotations

from dataclasses import dataclass

from saom_core.config import SaomConfig
from saom_core.errors import ConfigError


@dataclass(frozen=True)
class SamEverythingOptions:
    """What segment-anything's `SamAutomaticMaskGenerator` takes, and what SAOM adds (the last three).

    Raises:
        ConfigError: a value out of range.
    """

    points_per_side: int | tuple[int, int] = 32  # of the point grid; or (columns, rows)
    points_per_batch: int = 0  # prompts decoded at once: bounds memory, changes no result; 0: what suits the device
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    min_mask_region_area: int = 0  # pixels; smaller holes are filled, smaller islands removed
    min_area: int = 0  # pixels; smaller masks are dropped
    max_instances: int = 0  # the best by score; 0: all
    one_mask_per_prompt: bool = False  # the one of the best predicted quality

    def __post_init__(self) -> None:
        columns, rows = self.grid
        wanted = {
            "points_per_side": (columns >= 1 and rows >= 1, "at least 1"),
            "points_per_batch": (self.points_per_batch >= 0, "0 or more"),
            "stability_score_offset": (self.stability_score_offset >= 0, "0 or more"),
            "crop_n_layers": (0 <= self.crop_n_layers <= 6, "0 to 6"),
            "crop_overlap_ratio": (0 <= self.crop_overlap_ratio < 1, "0 or more and below 1"),
            "crop_n_points_downscale_factor": (self.crop_n_points_downscale_factor >= 1, "at least 1"),
        }
        for name, (fine, expected) in wanted.items():
            if not fine:
                raise ConfigError(f"{name}: expected {expected}, got {getattr(self, name)!r}")

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of the point grid."""
        side = self.points_per_side
        return (side, side) if isinstance(side, int) else side

    def grid_of_layer(self, layer: int) -> tuple[int, int]:
        """Columns and rows of the point grid on each crop of a crop layer (0: the whole image)."""
        divisor = self.crop_n_points_downscale_factor**layer
        columns, rows = self.grid
        return max(1, columns // divisor), max(1, rows // divisor)

    @staticmethod
    def paper(points_per_side: int | tuple[int, int] = 32) -> SamEverythingOptions:
        """The values of the SAOM paper's code: less sure masks pass, overlapping boxes do not."""
        return SamEverythingOptions(points_per_side, pred_iou_thresh=0.3, box_nms_thresh=0.3, min_mask_region_area=150)

    @staticmethod
    def from_config(
        config: SaomConfig, grid: tuple[int, int], *, one_mask_per_prompt: bool = False
    ) -> SamEverythingOptions:
        """What a `SaomConfig` says, on a grid of that many columns and rows; the rest as in segment-anything."""
        return SamEverythingOptions(
            grid,
            pred_iou_thresh=config.score_threshold,
            stability_score_thresh=config.stability_threshold,
            box_nms_thresh=config.nms_iou,
            min_mask_region_area=config.min_area_px,
            min_area=config.min_area_px,
            max_instances=config.max_instances,
            one_mask_per_prompt=one_mask_per_prompt,
        )
