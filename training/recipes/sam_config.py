"""Every choice of fine-tuning a SAM-family checkpoint, as a named option; two recipes are two sets of values.

The defaults are the paper's (arXiv 2403.10780 and its authors' code). `RECIPES["saom"]` adds what the paper leaves out;
each addition is an option that can be set back, so that its worth can be measured.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from saom_core.config import check_options, option_field
from saom_core.errors import ConfigError


@dataclass(frozen=True)
class SamRunConfig:
    """What every training of a SAM-family network has: optimisation, and views of the pictures.

    Raises:
        ConfigError: a value of the wrong type, out of range, or none of the choices.
    """

    epochs: int = option_field(500, "Passes over the training images", minimum=1)
    steps: int = option_field(0, "Optimisation steps; 0: as many as the epochs take", minimum=0)
    batch: int = option_field(1, "Images per step and process", minimum=1)
    learning_rate: float = option_field(1e-3, "Of AdamW, at its highest", minimum=0.0)
    adam_epsilon: float = option_field(1e-4, "Of AdamW", minimum=0.0)
    weight_decay: float = option_field(0.01, "Of AdamW; the paper names none, this is torch's default", minimum=0.0)
    warmup_steps: int = option_field(0, "Steps of linear warm-up before the cosine", minimum=0)
    clip_norm: float = option_field(0.0, "Largest norm of the gradient; 0: not clipped", minimum=0.0)
    ema_decay: float = option_field(
        0.0, "Of the averaged weights that are saved; 0: the last ones", minimum=0.0, maximum=1.0
    )
    bf16: bool = option_field(True, "Automatic mixed precision, on a device that computes in bfloat16")
    seed: int = option_field(0, "Of the order of images, views and prompts", minimum=0)
    workers: int = option_field(
        0, "Processes that prepare images; 0 where the encoder runs in the training process", minimum=0, maximum=256
    )
    checkpoint_every: int = option_field(100, "Steps", minimum=1)
    views: int = option_field(1, "Fixed views of each image; the first is itself: with 1 nothing is varied", minimum=1)
    mirror: bool = option_field(False, "Half of the further views are mirrored")
    crop: float = option_field(1.0, "Smallest side of a further view, in the image's", minimum=0.1, maximum=1.0)
    recolour: float = option_field(0.0, "Strength of the change of colours in further views", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        check_options(self)

    def total_steps(self, images: int, processes: int) -> int:
        """Optimisation steps of the run on a data set of that many images."""
        return self.steps or max(1, -(-self.epochs * images // (self.batch * processes)))


@dataclass(frozen=True)
class SamTuneConfig(SamRunConfig):
    """One fine-tuning run; errors as `SamRunConfig`."""

    # --- prompts: how the points of training come about
    grid: tuple[int, int] = option_field((32, 32), "Columns and rows of everything mode's point grid")
    assignment: str = option_field(
        "nearest",
        "Point of an object: nearest: arg-max of the location prior; centre: the pixel farthest from its edge; "
        "random: any pixel of it",
        choices=("nearest", "centre", "random"),
    )
    snap_to_grid: bool = option_field(True, "Replace the point by its nearest neighbour in the grid")
    on_object: bool = option_field(False, "Prior and grid point are sought on the object alone, where it has any")
    prompts_per_object: int = option_field(1, "The assigned point, and further random ones on the object", minimum=1)
    jitter: float = option_field(
        0.0, "Largest random shift of a point, which stays on its object", unit="grid cells", minimum=0.0, maximum=1.0
    )
    background_prompts: int = option_field(0, "Grid points on no object, whose masks must score low", minimum=0)
    # --- views, beyond those of every training
    occlude: float = option_field(
        0.0, "Share of further views with an object pasted over others", minimum=0.0, maximum=1.0
    )
    # --- supervision
    supervised: str = option_field(
        "predicted",
        "Which of a prompt's three masks learns the object: the one with the highest predicted score, or with the "
        "least loss (SAM's rule)",
        choices=("predicted", "least_loss"),
    )
    image_losses: bool = option_field(
        True,
        "Each image has one loss, as in the paper's code: dice and focal summed over its masks, class loss their mean; "
        "without it each of the three is a mean over the masks of all images",
    )
    dice_weight: float = option_field(1.0, "Of the dice loss", minimum=0.0)
    focal_weight: float = option_field(1.0, "Of the focal loss", minimum=0.0)
    focal_alpha: float = option_field(0.25, "Weight of the object's pixels", minimum=0.0, maximum=1.0)
    focal_gamma: float = option_field(2.0, "How little easy pixels count", minimum=0.0)
    class_weight: float = option_field(1.0, "Of the class head's cross-entropy", minimum=0.0)
    quality_weight: float = option_field(0.0, "Of the error of all three predicted IoUs; 0: not trained", minimum=0.0)
    suppress_duplicates: bool = option_field(False, "A prompt's masks that are worse than the chosen one must score 0")
    # --- the image encoder
    train_encoder: bool = option_field(
        False, "Train the image encoder, too (the paper: frozen); the one that training begins with places the prompts"
    )
    cache_embeddings: bool = option_field(False, "Encode each view once and keep it on disk (SAM ViT: 2 MB)")
    cache_dtype: str = option_field("float16", "Of kept embeddings", choices=("float16", "bfloat16", "float32"))

    @property
    def needs_embeddings(self) -> bool:
        """Whether the encoder that training begins with is asked: for what it trains on, or for where prompts go."""
        return not self.train_encoder or self.assignment == "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.grid) != 2 or min(self.grid) < 1 or not all(isinstance(side, int) for side in self.grid):
            raise ConfigError(f"grid: expected columns and rows of at least 1, as in 32x32, got {self.grid!r}")
        if not self.cache_embeddings and self.needs_embeddings:
            object.__setattr__(self, "workers", 0)
        if self.suppress_duplicates and not self.quality_weight:
            raise ConfigError("suppress_duplicates: expected a quality_weight above 0 with it, got 0: set one")
        if self.background_prompts and not self.quality_weight:
            raise ConfigError("background_prompts: expected a quality_weight above 0 with them, got 0: set one")


PAPER = SamTuneConfig()
SAOM = dataclasses.replace(
    PAPER,
    epochs=30,
    batch=4,
    weight_decay=0.05,
    adam_epsilon=1e-8,
    warmup_steps=100,
    clip_norm=1.0,
    ema_decay=0.998,
    workers=1,
    on_object=True,
    prompts_per_object=4,
    jitter=0.5,
    background_prompts=16,
    supervised="least_loss",
    image_losses=False,
    dice_weight=3.0,
    focal_weight=20.0,
    class_weight=0.1,
    quality_weight=1.0,
    suppress_duplicates=True,
    cache_embeddings=True,
    views=4,
    mirror=True,
    crop=0.6,
    recolour=0.7,
    occlude=0.5,
)
RECIPES = {"saom": SAOM, "paper": PAPER}
"""Recipe -> its values; the first is the default."""
