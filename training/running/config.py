"""What every training can be told: steps, learning rate, averaging, checkpoints, validation."""

from __future__ import annotations

from dataclasses import dataclass

from saom_core.config import check_options, option_field, other_default


@dataclass(frozen=True)
class RunConfig:
    """The options of a run that do not depend on what is trained; a recipe's configuration adds its own.

    Raises:
        ConfigError: a value of the wrong type, out of range, or none of the choices.
    """

    steps: int = option_field(1000, "Optimisation steps", minimum=1)
    batch: int = option_field(8, "Images per step and process", minimum=1)
    learning_rate: float = option_field(1e-3, "Highest learning rate of AdamW", minimum=0.0)
    final_rate: float = option_field(
        0.0, "Learning rate of the last step, as a share of the highest", minimum=0.0, maximum=1.0
    )
    warmup_steps: int = option_field(200, "Steps of linear warm-up before the cosine", minimum=0)
    beta2: float = option_field(
        0.999, "How long AdamW remembers squared gradients: the decay of their average", minimum=0.0, maximum=1.0
    )
    adam_epsilon: float = option_field(
        1e-8, "What AdamW adds to the root of the squared gradients before it divides by it", minimum=0.0
    )
    weight_decay: float = option_field(0.05, "How strongly AdamW draws weights to zero", minimum=0.0)
    decay_vectors: bool = option_field(True, "Weight decay also of biases and of the gains of norms")
    clip_norm: float = option_field(1.0, "Largest norm of the gradient; 0: not clipped", minimum=0.0)
    ema_decay: float = option_field(
        0.998, "Decay of the average of weights that is saved; 0: the last weights are saved", minimum=0.0, maximum=1.0
    )
    bf16: bool = option_field(True, "Automatic mixed precision, on a device that computes in bfloat16")
    seed: int = option_field(
        0, "Seed of all that is drawn at random: order of images, views, prompts, new weights", minimum=0
    )
    workers: int = option_field(1, "Processes that prepare images; 0: this one does", minimum=0)
    checkpoint_every: int = option_field(100, "A checkpoint after so many steps, and after the last one", minimum=1)
    validate_every: int = option_field(
        1000, "AP on validation images after so many steps, and after the last one; 0: never", minimum=0
    )
    validate_images: int = option_field(40, "Validation images, evenly spread over the validation split", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)

    def total_steps(self, images: int, processes: int) -> int:
        """Optimisation steps of the run on a data set of so many images, in so many processes."""
        return self.steps


@dataclass(frozen=True)
class EpochConfig(RunConfig):
    """A run whose length may be given in passes over the images."""

    epochs: int = option_field(1, "Passes over the training images", minimum=1)
    steps: int = option_field(0, "Optimisation steps; 0: as many as the epochs take", minimum=0)
    validate_every: int = other_default(RunConfig, "validate_every", 500)
    validate_images: int = other_default(RunConfig, "validate_images", 20)

    def total_steps(self, images: int, processes: int) -> int:
        """See `RunConfig.total_steps`."""
        return self.steps or max(1, -(-self.epochs * images // (self.batch * processes)))
