"""Data flows down: the core knows nothing of ROS or training, the node nothing of torch; imports make no circle."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("saom_core", "saom_ros", "saom_cli", "training")
TORCH = {"torch", "torchvision", "timm"}
FORBIDDEN = {
    "saom_core": {"rclpy", "training", "saom_training", "saom_ros", "saom_cli", "mujoco", *TORCH},
    "saom_ros": {"training", "saom_training", "saom_cli", *TORCH},
    "training": {"rclpy", "saom_ros", "saom_cli", "training", "saom_training"},  # itself: by relative imports
    "saom_cli": {"rclpy", "saom_ros", "training", "saom_training"},
}
WITH_TORCH = ("saom_core/sam/", "saom_core/feature_pyramid.py")
"""Loaded only when a checkpoint of the SAM family is asked for."""
FRONT_DOORS = {"collect", "dataset", "assign", "finetune", "evaluate", "export"}


def imports_of(path: Path, package_parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The absolute names that a module imports, at its top or inside its functions, as parts.

    Args:
        path: of the module.
        package_parts: the package that it stands in, which relative imports start from.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package_parts[: len(package_parts) + 1 - node.level] if node.level else ()
            module = (*base, *node.module.split(".")) if node.module else base
            yield from ((*module, alias.name) for alias in node.names)


def absolute_imports(path: Path) -> set[str]:
    """First parts of what a module imports by absolute names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    froms = (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module and n.level == 0)
    return names | {node.module.split(".")[0] for node in froms if node.module}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_of_each_package(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        with_torch = path.relative_to(ROOT).as_posix().startswith(WITH_TORCH)
        assert not absolute_imports(path) & (FORBIDDEN[package] - (TORCH if with_torch else set())), path


def folders(package: str) -> list[Path]:
    """A package's folder and all folders of modules in it."""
    return [ROOT / package, *sorted({p.parent for p in (ROOT / package).rglob("__init__.py")} - {ROOT / package})]


@pytest.mark.parametrize("folder", [f for p in PACKAGES for f in folders(p)], ids=lambda f: str(f.relative_to(ROOT)))
def test_no_circles_among_the_modules_and_folders_of_a_folder(folder: Path) -> None:
    """Of what stands in a folder, modules and folders alike, none needs another one that needs it."""
    inside = folder.relative_to(ROOT).parts
    graph: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        if path == folder / "__init__.py":
            continue  # what it offers of the folder's modules is no need of theirs
        parts = path.relative_to(ROOT).with_suffix("").parts
        child = parts[len(inside)]
        targets = graph.setdefault(child, set())
        for name in imports_of(path, parts[:-1]):
            if name[: len(inside)] == inside and len(name) > len(inside) and name[len(inside)] != child:
                targets.add(name[len(inside)])
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"{folder.relative_to(ROOT)}: expected no circle of imports, got {' <- '.join(error.args[1])}")


def test_the_training_side_shows_its_front_doors_alone() -> None:
    assert {path.stem for path in (ROOT / "training").glob("*.py")} == {"__init__", *FRONT_DOORS}


@pytest.mark.parametrize(
    "folder", [*folders("training"), *folders("saom_core")[1:]], ids=lambda f: str(f.relative_to(ROOT))
)
def test_a_folder_is_told_in_one_sentence_and_holds_about_a_dozen_modules(folder: Path) -> None:
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert told and len(told.split(". ")) == 1 and told.endswith("."), told
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 13


def test_the_segmenter_runs_without_torch() -> None:
    code = "import sys; import saom_core.everything, saom_core.overlay; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
