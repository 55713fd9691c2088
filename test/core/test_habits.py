"""What must be said the same in two files is compared: versions, checks, and the pages for those who carry on."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def version() -> str:
    """Of pyproject.toml; read as text, since Python 3.10 has no tomllib."""
    (found,) = re.findall(r'^version = "(\d+\.\d+\.\d+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    return str(found)


def test_python_package_and_ros_package_have_one_version() -> None:
    assert ElementTree.parse(ROOT / "package.xml").findtext("version") == version()
    assert f"\nversion: {version()}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_changelog_has_sections_of_its_form_and_knows_no_newer_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    heads = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", text, re.MULTILINE)
    assert heads[0] == ("Unreleased", "") and len(heads) == len(re.findall("^## ", text, re.MULTILINE))
    assert all(date for _, date in heads[1:])
    released = [tuple(map(int, name.split("."))) for name, _ in heads[1:]]
    assert released == sorted(released, reverse=True)
    assert all(number <= tuple(map(int, version().split("."))) for number in released)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_hooks_of_pre_commit_are_what_make_check_runs() -> None:
    hooks = re.findall(r"^ +entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert hooks == [line.lstrip("\t@") for line in recipe[1].splitlines()]


def test_hosted_ci_runs_what_ci_runs_and_every_supported_ros() -> None:
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert any(step.get("run") == "bash .ci/run" for step in jobs["bare"]["steps"])
    title = re.search(r"^# The node in ROS 2 \((.+)\)", (ROOT / "docs" / "ros.md").read_text())
    assert title is not None
    supported = title[1].lower().split(", ")
    assert jobs["ros"]["strategy"]["matrix"]["distribution"] == supported
    commands = "\n".join(step.get("run", "") for step in jobs["ros"]["steps"])
    assert all(word in commands for word in ("rosdep install", "colcon build", "colcon test "))


def test_no_test_fails_because_a_machine_is_slow() -> None:
    """Limits of waiting end what hangs; they must be far from what anything takes. pytest's own ends the whole test."""
    limits = re.compile(r"(?:timeout=|\.wait\(|\.join\(|\.stop\(|TIMEOUT_S = )(\d+(?:\.\d+)?)\b")
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "test").rglob("*.py")
        for match in limits.finditer(path.read_text(encoding="utf-8"))
        if 1 <= float(match[1]) < 240
    }
    assert not found
    (of_pytest,) = re.findall(r"^timeout = (\d+)", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert int(of_pytest) >= 1200


def pinned(name: str) -> set[str]:
    """Lines of a file of requirements about what core computes with; OpenCV with windows is the same OpenCV."""
    text = (ROOT / "requirements" / name).read_text().replace("opencv-python-headless", "opencv-python")
    return set(re.findall(r"^(?:numpy|opencv-python|scipy|onnxruntime|openexr|tqdm)==.*$", text, re.MULTILINE))


def test_core_needs_one_environment_only() -> None:
    """`make test` runs test/core in the node's environment, and again only what needs the training side's packages."""
    assert len(pinned("node.txt")) >= 6 and pinned("node.txt") == pinned("train.txt"), (
        "expected the same versions in both: take the same, or run all of test/core in both environments (Makefile)"
    )
    makefile = (ROOT / "Makefile").read_text()
    of_the_training_side = ("torch", "onnx", "mcap_ros2", "rerun", "pycocotools", "PIL", "supervision")
    needing = re.compile(rf"(?:importorskip|find_spec)\(\"(?:{'|'.join(of_the_training_side)})\b")
    for path in (ROOT / "test" / "core").rglob("test_*.py"):
        if path.parent.name != "sam" and needing.search(path.read_text(encoding="utf-8")):
            assert path.stem in makefile, f"{path.name}: expected its name in the Makefile's TRAINING_TESTS"
