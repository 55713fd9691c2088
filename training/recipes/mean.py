"""`saom average runs/a/last runs/b/last --out runs/mean`: one network with the mean of several trainings' weights.

Trainings that go on from one network, on other data or for longer, end beside each other, and their mean is often
better than each of them ("model soups", arXiv 2203.05482).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from saom_core.arguments import add_out
from saom_core.errors import InputError
from saom_core.files import check_output

from ..networks.checkpoint import load_checkpoint, save_network


def average(checkpoints: Sequence[Path], out: Path) -> None:
    """Writes the checkpoint whose weights are the mean of others'; its record is that of the first, with the others'.

    Args:
        checkpoints: folders of `saom finetune`, at least two, of one network and class list.
        out: folder to write.

    Raises:
        InputError: fewer than two, or networks of other shapes or classes.
        ModelError: one of them is no checkpoint.
    """
    if len(checkpoints) < 2:
        raise InputError(f"expected at least two checkpoints, got {len(checkpoints)}: name the others, too")
    loaded = [load_checkpoint(folder) for folder in checkpoints]
    first, record = loaded[0]
    states = [network.state_dict() for network, _ in loaded]
    for folder, (network, _) in zip(checkpoints, loaded, strict=True):
        if network.config != first.config:
            raise InputError(
                f"{folder}: expected the network and classes of {checkpoints[0]}, got others: of one with a head for "
                "scores and one without, take both before `saom finetune --scores-only`"
            )
    with torch.no_grad():
        for name, value in first.state_dict().items():
            if value.is_floating_point():  # the counters of batch norms are those of the first
                value.copy_(torch.stack([state[name].double() for state in states]).mean(0))
    save_network(first, out, {**record, "mean_with": [other for _, other in loaded[1:]]})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom average`."""
    parser.add_argument(
        "checkpoints", type=Path, nargs="+", help="folders of finished trainings, such as runs/full/last"
    )
    add_out(parser, "folder of the new checkpoint, for `saom export` or `--init`")


def run(args: argparse.Namespace) -> int:
    """`saom average`."""
    check_output(args.out, folder=True)
    average(args.checkpoints, args.out)
    print(f"checkpoint: {args.out}")
    return 0
