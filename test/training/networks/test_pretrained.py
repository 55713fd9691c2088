"""Pretrained weights of saom-tiny's encoder: RGB sees what timm's network sees; other files are refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from sam_scenes import one_thread, open_data  # noqa: F401

from saom_cli.main import main
from saom_core.errors import ConfigError, ModelError
from saom_training.networks.checkpoint import load_network_and_record
from saom_training.networks.encoder import rgb_channels
from saom_training.networks.pretrained import PIXEL_MEAN, PIXEL_STD, TENSORFLOW, TENSORFLOW_EPSILON, load_pretrained
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.recipes.tiny import TrainConfig
from saom_training.trainees.tiny_start import initial_network

ENCODERS = ("regnetx_004", "convnext_atto")  # with the names of the whole model, and with dots as underscores

LITE = "efficientnet_lite0"


def learned(encoder: str) -> torch.nn.Module:
    torch.manual_seed(1)
    return timm.create_model(encoder, pretrained=False).eval()


@torch.no_grad()
@pytest.mark.parametrize("encoder", ENCODERS)
def test_rgb_gives_the_features_of_the_whole_network_and_depth_counts_nothing(encoder: str, tmp_path: Path) -> None:
    whole = learned(encoder)
    safetensors.torch.save_file(whole.state_dict(), tmp_path / "whole.safetensors")
    network = SaomTiny(TinyConfig(("Mug",), encoder=encoder)).eval()
    load_pretrained(network, tmp_path / "whole.safetensors")
    features = timm.create_model(encoder, pretrained=False, features_only=True).eval()
    theirs = {name.replace(".", "_"): value for name, value in whole.state_dict().items()}
    features.load_state_dict({name: theirs[name.replace(".", "_")] for name in features.state_dict()})
    channels = torch.randn(1, 6, 64, 96)
    for ours, expected in zip(network.encoder(channels)[-4:], features(channels[:, :3])[-4:], strict=True):
        torch.testing.assert_close(ours, expected)


def test_files_of_torch_are_read_with_what_is_around_the_weights(tmp_path: Path) -> None:
    state = {f"module.{name}": value for name, value in learned("regnetx_004").state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "weights.pth")
    network = SaomTiny(TinyConfig(("Mug",)))
    load_pretrained(network, tmp_path / "weights.pth")
    torch.testing.assert_close(network.encoder.stem.conv.weight[:, :3], state["module.stem.conv.weight"])
    assert not network.encoder.stem.conv.weight[:, 3:].any()


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    network = SaomTiny(TinyConfig(("Mug",)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other, code, text = (tmp_path / name for name in ("other.safetensors", "code.pth", "text.pth"))
    safetensors.torch.save_file(learned("resnet10t").state_dict(), other)
    torch.save({"state_dict": {"a": Path("x")}, "run": print}, code)
    text.write_text("no weights")
    wide = tmp_path / "wide.safetensors"
    state = learned("regnetx_004").state_dict()
    state["stem.conv.weight"] = torch.zeros(16, 3, 3, 3)
    safetensors.torch.save_file(state, wide)
    for path, message in (
        (tmp_path / "none.pth", "found none"),
        (other, "expected the weights of regnetx_004, got none for"),
        (code, "expected a state dict of tensors"),
        (text, "expected a state dict of tensors"),
        (wide, r"stem.conv.weight of regnetx_004 as \(32, 6, 3, 3\), got \(16, 3, 3, 3\)"),
    ):
        with pytest.raises(ModelError, match=message):
            load_pretrained(network, path)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.slow
def test_the_command_begins_with_them_and_a_share_of_nothing_leaves_them(tmp_path: Path) -> None:
    whole = learned("resnet10t")
    safetensors.torch.save_file(whole.state_dict(), tmp_path / "eyes.safetensors")
    words = ["finetune", "--data", str(open_data(tmp_path / "data").path), "--out", str(tmp_path / "run")]
    words += ["--encoder", "resnet10t", "--pretrained", str(tmp_path / "eyes.safetensors"), "--encoder-rate", "0"]
    words += ["--steps", "2", "--batch", "2", "--size", "96x64", "--workers", "0", "--threads", "1", "--no-bf16"]
    assert main(words) == 0
    network = load_network_and_record(tmp_path / "run" / "last")[0]
    assert network.config.encoder == "resnet10t"
    for name, value in network.encoder.named_parameters():
        expected = whole.state_dict()[name]
        torch.testing.assert_close(value[:, :3] if value.ndim == 4 and value.shape[1] == 6 else value, expected)
    torch.manual_seed(0)  # as the run began
    new = SaomTiny(network.config)
    assert not torch.equal(new.lateral8.weight, network.lateral8.weight), "the rest was trained"


def test_an_encoder_is_for_a_new_network(tmp_path: Path) -> None:
    from saom_core.runtime import BUNDLED_MODEL

    data = open_data(tmp_path / "data", frames=1)
    config = TrainConfig(steps=1, batch=1)
    for change in ({"encoder": "resnet10t"}, {"pretrained": "x.pth"}, {"depth_width": 8}):
        with pytest.raises(ConfigError, match="expected them for a new network"):
            initial_network(data, dataclasses.replace(config, **change), BUNDLED_MODEL)  # type: ignore[arg-type]
    for name in ("no_such_network", "vit_tiny_patch16_224"):
        with pytest.raises(ConfigError, match=f"--encoder: expected .* got '{name}'"):
            initial_network(data, dataclasses.replace(config, encoder=name), None)


@torch.no_grad()
@pytest.mark.parametrize("depth_width", [0, 8])
def test_weights_of_tensorflow_see_what_they_saw(depth_width: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(LITE, bn_eps=TENSORFLOW_EPSILON).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.001, 1.0)
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
    torch.save({f"their.{k}": value for k, value in enumerate(theirs.state_dict().values())}, tmp_path / "lite.pth")
    network = SaomTiny(TinyConfig(("Mug",), encoder=LITE, depth_width=depth_width)).eval()
    load_pretrained(network, tmp_path / "lite.pth", TENSORFLOW)
    image = torch.randint(0, 256, (2, 64, 96, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pixels = (image.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD
    wanted = theirs.blocks[:2](theirs.bn1(theirs.conv_stem(pixels)))
    encoder, seen = network.encoder, rgb_channels(image)
    if depth_width == 0:
        seen = torch.cat([seen, torch.randn(2, 3, 64, 96)], dim=1)  # depth counts nothing at first
    found = encoder.blocks[:2](encoder.bn1(encoder.conv_stem(seen)))
    inner = (..., slice(4, -4), slice(4, -4))  # zeros beyond the border are another grey there
    torch.testing.assert_close(found[inner], wanted[inner], atol=1e-4, rtol=1e-4)
    with pytest.raises(ModelError, match="expected the .* tensors of regnetx_004 in its order, got"):
        load_pretrained(SaomTiny(TinyConfig(("Mug",))), tmp_path / "lite.pth", TENSORFLOW)
    with pytest.raises(ModelError, match="expected the weights of efficientnet_lite0, got none"):
        load_pretrained(network, tmp_path / "lite.pth")
