"""What is to stay of an encoder stays: the first stages, and the statistics of batch norms."""

from __future__ import annotations

import pytest
import timm
import torch

from saom_core.errors import ConfigError
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.trainees.kept_layers import first_stages
from saom_training.trainees.tiny import TinyTrainee

FIRST = {
    "efficientnet_lite0": ("encoder.conv_stem", "encoder.bn1", "encoder.blocks.0.", "encoder.blocks.1."),
    "regnetx_004": ("encoder.stem", "encoder.s1", "encoder.s2"),
    "resnet10t": ("encoder.conv1", "encoder.bn1", "encoder.layer1", "encoder.layer2"),
    "convnext_atto": ("encoder.stem_", "encoder.stages_0", "encoder.stages_1"),
}


@pytest.mark.parametrize("encoder", list(FIRST))
def test_what_is_to_stay_stays(encoder: str) -> None:
    network = SaomTiny(TinyConfig(("Mug", "Other"), encoder=encoder, depth_width=8))
    trainee = TinyTrainee(network, frozen_stages=2).train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    pyramid = trainee.network.pyramid(torch.randint(0, 256, (2, 64, 96, 3)), torch.rand(2, 64, 96) + 0.5)
    (pyramid.fine.square().mean() + pyramid.middle.square().mean() + pyramid.coarse.square().mean()).backward()
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    eyes = {name for name, _ in network.named_parameters() if name.startswith("encoder.")}
    assert learning & eyes == {name for name in eyes if not name.startswith(FIRST[encoder])} < eyes
    assert any(name.startswith("depth_branch.") for name in learning)
    moved = {name for name, value in network.named_buffers() if not torch.equal(value, before[name])}
    assert moved and not any(name.startswith(FIRST[encoder]) for name in moved)


def test_kept_norms_keep_their_statistics_and_learn_their_weights() -> None:
    network = SaomTiny(TinyConfig(("Mug", "Other"), encoder="efficientnet_lite0", depth_width=8))
    TinyTrainee(network, keep_norms=True).train()
    before = network.encoder.bn1.running_mean.clone()
    network.pyramid(torch.randint(0, 256, (2, 64, 96, 3)), None)
    assert torch.equal(network.encoder.bn1.running_mean, before)
    assert network.encoder.bn1.weight.requires_grad
    assert network.smooth8.body[1].training, "of the encoder alone"


def test_an_encoder_without_stages_is_refused() -> None:
    with pytest.raises(ConfigError, match="--frozen-stages: expected an encoder with numbered stages"):
        first_stages(torch.nn.Sequential(torch.nn.Identity()), 1)
    assert first_stages(timm.create_model("regnetx_004", features_only=True), 0) == []
