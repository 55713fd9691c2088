"""Rare classes weigh more, up to a limit; an object weighs one on the average."""

import torch

from saom_training.samples.class_weights import BACKGROUND_WEIGHT, class_weights


def test_class_weights_are_one_per_object_and_inverse_roots() -> None:
    counts = torch.tensor([900, 100, 0, 4])
    weights = class_weights(counts)
    assert weights[-1] == BACKGROUND_WEIGHT
    torch.testing.assert_close(weights[1] / weights[0], torch.tensor(3.0))
    torch.testing.assert_close((weights[:-1] * counts).sum() / counts.sum(), torch.tensor(1.0), atol=0.02, rtol=0)
    torch.testing.assert_close(weights[2:4], torch.full((2,), 12.0) * weights[0])  # as rare as it gets
