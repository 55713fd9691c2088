"""The Python examples of README and docs, as a reader would copy them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

RUN_BY = {
    "README.md": ["test/core/test_examples.py"],
    "docs/standalone.md": ["test/core/test_examples.py"] * 3,
    "docs/grasping.md": ["test/core/test_examples.py"] * 6,
    "docs/ros.md": ["test/ros/test_examples.py"],
    "docs/classes.md": ["test/training/test_examples.py"],
    "docs/tutorials/segment.md": ["test/core/test_examples.py"],
    "docs/tutorials/depth.md": ["test/core/test_examples.py"],
    "docs/tutorials/prompt.md": ["test/core/test_examples.py"],
}
"""File -> which test runs each of its examples, in order."""


def example(file: str, number: int = 0) -> str:
    """The code of a file's example."""
    return all_examples()[file][number]


def all_examples() -> dict[str, list[str]]:
    """File -> its examples, for all files that have some."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("saom_*/**/*.md")]
    found = {str(file.relative_to(ROOT)): _BLOCK.findall(file.read_text(encoding="utf-8")) for file in files}
    return {file: blocks for file, blocks in found.items() if blocks}
