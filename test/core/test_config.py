"""Options are checked, and every field says what it is."""

from __future__ import annotations

import argparse
import dataclasses

import pytest

from saom_core.arguments import pair
from saom_core.config import SaomConfig, option_of
from saom_core.errors import ConfigError


@pytest.mark.parametrize(
    "bad",
    [
        {"score_threshold": 1.5},
        {"score_threshold": float("nan")},
        {"score_threshold": "high"},
        {"threads": -1},
        {"threads": 2.5},
        {"use_depth": 1},
        {"provider": "rocm"},
        {"min_depth_m": 3.0, "max_depth_m": 2.0},
    ],
)
def test_bad_values_are_refused_with_what_was_expected(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        SaomConfig(**bad)  # type: ignore[arg-type]


def test_replace_checks_and_names_unknown_options() -> None:
    assert SaomConfig().replace(score_threshold=0.25).score_threshold == 0.25
    with pytest.raises(ConfigError, match="scoer"):
        SaomConfig().replace(scoer=1)
    with pytest.raises(ConfigError, match="nms_iou"):
        SaomConfig().replace(nms_iou=0.0)


def test_whole_numbers_are_taken_for_floats() -> None:
    assert isinstance(SaomConfig(max_depth_m=4).max_depth_m, float)


def test_every_option_is_described_and_its_default_lies_in_its_range() -> None:
    for field in dataclasses.fields(SaomConfig):
        option = option_of(field)
        assert option.description
        if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
            assert option.minimum is not None and option.maximum is not None
            assert option.minimum <= field.default <= option.maximum


def test_pairs_on_the_command_line() -> None:
    assert pair("640x480") == pair("640X480") == (640, 480)
    for text in ("640", "0x3", "x", "axb", "64x48x3", "-4x4", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="two positive numbers"):
            pair(text)
