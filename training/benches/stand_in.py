"""Checkpoints of full size without a download, to try what does not depend on what was learned: size, time, memory.

    saom stand-in vit_b vit_b.safetensors          SAM's own decoder; answers each point with three discs
    saom stand-in vit_b fast_b --head fast         a folder with an untrained fast head on that encoder

They find nothing: the image hardly matters to them.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from saom_core.arguments import at_least
from saom_core.files import check_output
from saom_core.sam.checkpoints import write_checkpoint
from saom_core.sam.network import SamModel

from ..networks.checkpoint import encoder_hash, save_network
from ..networks.fast_head import SamFast, fast_on
from .sam_stand_in import SIZES, stand_in

SPREAD_QUALITY, SPREAD_MASKS = 30.0, 10.0
"""Factors on the last layers: as initialised, all prompts score alike and the filters have nothing to decide."""


def untrained_fast_head(model: SamModel, seed: int = 0) -> SamFast:
    """A fast head on a network's encoder; its scores and masks differ from prompt to prompt."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = fast_on(model, model.class_names)
    with torch.no_grad():
        network.quality_head[-1].weight.mul_(SPREAD_QUALITY)
        network.mask_head[-1].weight.mul_(SPREAD_MASKS)
    return network.eval()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom stand-in`."""
    parser.add_argument("size", choices=sorted(SIZES), help="of the network")
    parser.add_argument("output", type=Path, help=".safetensors file; with --head fast a folder")
    parser.add_argument("--head", choices=("sam", "fast"), default="sam", help="SAM's two-way decoder, or a fast head")
    parser.add_argument(
        "--image-size", type=at_least(16), help="side of the input; smaller: all weights at less cost (1024)"
    )
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """`saom stand-in`."""
    check_output(args.output, folder=args.head == "fast")
    sizes = SIZES[args.size]
    model = stand_in(dataclasses.replace(sizes, image_size=args.image_size or sizes.image_size), args.seed)
    facts = {"name": f"stand-in {args.size}", "license": "of nobody: random weights"}
    if args.head == "fast":
        network = untrained_fast_head(model, args.seed)
        base = {"encoder": encoder_hash(model.sam), "size": args.size}
        save_network(network, args.output, {"steps": 0, "base": base})
    else:
        write_checkpoint(model, args.output, facts)
    print(f"{args.output}: random weights of the size of {args.size}, which find nothing")
    return 0
