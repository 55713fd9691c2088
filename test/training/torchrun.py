"""Trainings in processes of their own, as a user or `torchrun` starts them, and one that is killed while it writes."""

from __future__ import annotations

import subprocess
import sys

FINETUNE = ("-m", "saom_cli.main", "finetune")
DIES = """
import os, signal, sys
from saom_cli.main import main

replace, left = os.replace, int(sys.argv.pop(1))

def dying(*paths):  # every file comes into being by this
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    replace(*paths)

os.replace = dying
sys.exit(main(sys.argv[1:]))
"""
"""A script of `saom` that is killed when it has made so many files, with the next one written but not in its place."""


def ended(processes: int, *words: str) -> subprocess.CompletedProcess[str]:
    """What `python WORDS` ended with, in so many processes."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(torchrun if processes > 1 else []), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def output_of(processes: int, *words: str) -> str:
    """The same, where it is to succeed: its output."""
    done = ended(processes, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
