"""The options of `saom finetune` are the fields of the recipes' configurations: each sets its own, none is missing."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from saom_core.arguments import option_fields, with_options
from saom_core.config import option_of
from saom_training.finetune import _TRAININGS, add_arguments


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["--data", "d", "--out", "o", *words])


def leaves(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all fields, without regard to how options come about."""
    for name, value in vars(config).items():
        yield from leaves(value, (*path, name)) if dataclasses.is_dataclass(value) else [(*path, name)]


def at(config: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        config = getattr(config, name)
    return config


def another(field: dataclasses.Field[Any], value: Any) -> Any:
    """A value that the field may have, other than this one."""
    option = option_of(field)
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return tuple(2 * side for side in value)
    if isinstance(value, str):
        return next((choice for choice in option.choices if choice != value), "other")
    low, high = option.minimum or 0, option.maximum
    for other in (value * 2, low + 1, (low + (high or 0)) / 2, low):
        if other != value and other >= low and (high is None or other <= high):
            return type(value)(other)
    raise AssertionError(f"{field.name} can have no other value than {value}")


def word_of(field: dataclasses.Field[Any], flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, tuple):
        value = value[::-1] if field.name.endswith("_hw") else value
        return [f"--{flag}", ("x" if isinstance(value[0], int) else ",").join(map(str, value))]
    return [f"--{flag}", str(value)]


@pytest.mark.parametrize("title", _TRAININGS)
def test_each_option_sets_its_own_field_and_every_field_has_one(title: str) -> None:
    default = _TRAININGS[title].config
    assert with_options(default, parsed()) == default
    options = list(option_fields(default))
    assert sorted(path for _, path, _ in options) == sorted(leaves(default))
    tried = 0
    for flag, path, field in options:
        value = another(field, at(default, path))
        try:
            config = with_options(default, parsed(*word_of(field, flag, value)))
        except Exception as error:  # some values do not go with the others: the field is named all the same
            assert any(name in str(error) for name in (*path, flag)), error
            continue
        if (title, flag) == ("paper", "workers"):
            continue  # has no effect without kept embeddings, so the command refuses it (recipes/test_sam.py)
        changed = {one for one in leaves(config) if at(config, one) != at(default, one)}
        assert path in changed and at(config, path) == value
        # without kept embeddings the encoder runs in the training process, so there are no workers
        assert changed - {path} <= ({("workers",)} if flag == "cache-embeddings" else set())
        tried += 1
    assert tried > 0.8 * len(options)


@pytest.mark.parametrize(
    ("words", "title", "expected"),
    [
        (["--size", "256x192"], "tiny", {"augment.size_hw": (192, 256)}),
        (["--class-steps", "7"], "names", {"steps": 7}),
        (["--focal-weight", "2"], "tiny", {"loss.focal": 2.0}),
        (["--focal-weight", "2"], "saom", {"focal_weight": 2.0}),
        (["--grid", "64x48"], "paper", {"grid": (64, 48)}),
        (["--scale", "0.5,2"], "tiny", {"augment.scale": (0.5, 2.0)}),
        (["--no-mirror", "--fused"], "base", {"mirror": False}),
    ],
)
def test_words_that_people_give(words: list[str], title: str, expected: dict[str, Any]) -> None:
    config = with_options(_TRAININGS[title].config, parsed(*words))
    assert {path: at(config, tuple(path.split("."))) for path in expected} == expected


@pytest.mark.parametrize("words", [["--scale", "2,0.5"], ["--scale", "1"], ["--size", "wide"], ["--grid", "0x3"]])
def test_words_that_mean_nothing_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*words)
    assert "expected" in capsys.readouterr().err
