"""Data flows down: the core knows nothing of ROS or training, the node nothing of torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "saom_core": {"rclpy", "training", "saom_ros", "saom_cli", "torch", "torchvision", "timm", "mujoco"},
    "saom_ros": {"training", "torch", "torchvision", "saom_cli"},
    "training": {"rclpy", "saom_ros"},
    "saom_cli": {"rclpy", "saom_ros"},
}
TORCH_MODULES = "sam"
"""saom_core/sam*.py, for SAM checkpoints, are loaded only when such a checkpoint is asked for."""


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_imports_of_each_package(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        with_torch = package == "saom_core" and path.name.startswith(TORCH_MODULES)
        allowed = {"torch", "torchvision", "timm"} if with_torch else set()
        assert not imported(path) & (FORBIDDEN[package] - allowed), path


def test_the_segmenter_runs_without_torch() -> None:
    code = "import sys; import saom_core.everything, saom_core.overlay; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
