"""Ctrl-C reaches the process that a person started; its helpers end without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
from saom_training.running.interrupts import deaf_children  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import os, signal
from saom_cli.guard import guarded
from saom_training.running.workers import workers_of
class Numbers:
    def __len__(self): return 100_000
    def __getitem__(self, k): return k
def body():
    for k in workers_of(Numbers(), 2):
        if k == 3:
            os.killpg(0, signal.SIGINT)  # what a terminal does: to all processes
    return 0
raise SystemExit(guarded("saom x", body))
"""


def test_workers_end_without_a_word() -> None:
    search = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": search},
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "saom x: interrupted\n")


def test_an_interrupt_while_helpers_start_waits_until_they_have() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):
        try:
            with deaf_children():
                os.kill(os.getpid(), signal.SIGINT)
                steps.append("started")
        finally:
            steps.append("interrupted")
    assert steps == ["started", "interrupted"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
