"""The shell commands of README and docs, line by line, and whether what they name exists."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^ *```(?:sh|bash)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")

NOT_RUN = {
    r"make demo\b": "test/ros/test_demo.py runs it",
    r"make (check|test|docs)$": "CI runs them: .ci/run",
    r"source tools/env.sh$|install/saom_ros/lib": "a camera of the reader's own; test/ros/test_demo.py asks for help",
    r"source tools/env.sh && pip install": "installs packages",
    r"source tools/env.sh && python -m tools.endurance": "twenty minutes; test/ros/test_reliability.py has a short one",
    r"source tools/env.sh && python -m tools.several_cameras": "minutes; test/ros/test_cameras.py has two cameras",
    r"make (env|env-train|test-fast|train|reproduce)\b": "minutes to hours, and gigabytes",
    r"(source tools/env.sh && )?(\S+/python -m )?pytest\b": "CI runs all tests",
    r"pip install|python3(.11)? -m venv": "installs packages; test/core/test_wheel.py installs the wheel",
    r"\S+ -m tools.make_demo_sequence": "Blender, 300 MB; minutes of rendering",
    r"ros2 |colcon|rosdep|source /opt/ros/|mkdir -p ~/ros2_ws": "ROS; test/ros/test_launch.py starts the launch file",
    r"ray start": "several machines",
    r"saom collect (?!--help|--out data/few)": "thousands of pictures; test/training/simulators collects some",
    r"(OMP_NUM_THREADS=1 )?(torchrun .*|saom )finetune\b(?!.*data/few)": "hours; test/training/recipes trains small",
    r"saom (reproduce|bench-collect|bench-teach|bench-grasp)\b": "hours or minutes; test/training has small ones",
    r"saom (export|evaluate)\b(?!.*few).* (runs/|sam_vit_b|MODEL)": "a network that hours of training made",
    r"saom average runs/": "networks that hours of training made; test/training/recipes averages small ones",
    r"saom \S+ (.*)?saom-fast.onnx|saom segment .*sam_vit_b": "weights that are not in the repository",
    r"saom bench-photos ": "photographs of the reader's own; test/training/photographs makes some",
    r"saom dataset import ": "annotations of the reader's own; test/training/dataset_tools imports each format",
    r"saom dataset \S+ data/(parts|thor)": "a data set of the reader's own",
    r"saom dataset merge data/both": "the data set that the line before it made, of thousands of pictures",
    r"saom segment (clip|PHOTO)|saom teach mug_blue": "pictures of the reader's own",
    r"saom replay bag.mcap": "a recording of the reader's own; test/core/test_cli_replay.py makes some",
    r"saom view ros:": "a camera of the reader's own; test/ros/test_watch.py has one",
    r"WEIGHTS=|saom export-names": "weights from an index of packages",
}
"""Start of a line -> why no test runs it as it stands; what it names is looked up all the same."""
FOREIGN = ("mkdir", "ln", "cd", "cp", "rosdep", "colcon", "ray", "source", "pre-commit", "python3", "python3.11")
"""Programs of others, whose options are not ours to check."""


@dataclass(frozen=True)
class Line:
    """One command line of a page, without its comment."""

    file: str
    text: str

    @property
    def reason(self) -> str | None:
        """Why it is not run; None: it is."""
        return next((reason for start, reason in NOT_RUN.items() if re.match(start, self.text)), None)


def shell_blocks() -> list[list[Line]]:
    """All blocks of all pages, in order."""
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = []
    for file in files:
        name = str(file.relative_to(ROOT))
        for block in _BLOCK.findall(file.read_text(encoding="utf-8")):
            lines = [_without_comment(line.strip()) for line in block.replace("\\\n", " ").splitlines()]
            found.append([Line(name, line) for line in lines if line])
    return found


def _without_comment(line: str) -> str:
    """The line up to a `#` that stands after a space and outside quotes."""
    quote = ""
    for k, letter in enumerate(line):
        if letter in "'\"":
            quote = "" if letter == quote else quote or letter
        if letter == "#" and not quote and (k == 0 or line[k - 1] == " "):
            return line[:k].rstrip()
    return line


def commands_of(line: Line) -> Iterator[list[str]]:
    """The simple commands of a line, as lists of words; none of one that keeps another's output."""
    if re.match(r"[A-Z_]+=\$\(", line.text):
        return
    lexer = shlex.shlex(line.text, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, "&&"]:
        if set(word) <= set("&|;"):
            while command and _ASSIGNMENT.match(command[0]):
                command = command[1:]
            if command:
                yield command
            command = []
        else:
            command.append(word)


def saom_arguments(command: list[str]) -> list[str] | None:
    """What the `saom` command gets, called by its name, by its path or through torchrun; None: it is not called."""
    if command[0].rsplit("/", 1)[-1] == "saom" and "--ros-args" not in command:
        return command[1:]
    if "saom_cli.main" in command:
        return command[command.index("saom_cli.main") + 1 :]
    return None


def unknown_names(command: list[str]) -> list[str]:
    """What a command of ours, other than `saom`, names and nobody has: targets, extras, launch arguments, files."""
    program, rest = command[0].rsplit("/", 1)[-1], command[1:]
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return [word for word in rest if "=" not in word and word not in targets]
    if program == "pip":
        listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project.optional-dependencies]")[1]
        extras = re.findall(r"^(\w+) = \[", listed.split("\n[")[0], re.MULTILINE)  # tomllib is not in Python 3.10
        asked = re.findall(r"\.\[([\w,]+)\]", " ".join(rest))
        return [name for group in asked for name in group.split(",") if name not in extras]
    if command[:4] == ["ros2", "launch", "saom_ros", "saom.launch.py"]:
        return [word for word in command[4:] if word.split(":=")[0] not in _launch_arguments()]
    if program == "ros2":  # run and service: the interfaces of ours that they name
        interfaces = [word for word in rest if re.match(r"saom_ros/(msg|srv)/", word)]
        return [word for word in interfaces if not (ROOT / (word.split("/", 1)[1] + "." + word.split("/")[1])).exists()]
    if program == "saom":  # the node's executable
        return [word for word in rest if ":=" in word and word.split(":=")[0] not in _launch_arguments()]
    if program in ("pytest", "python") and "pytest" in command:
        return [word for word in rest if word.startswith("test/") and not (ROOT / word).exists()]
    if program == "python" and rest[0] == "-m":
        return [] if (ROOT / (rest[1].replace(".", "/") + ".py")).exists() else [rest[1]]
    return [] if program in FOREIGN else [program]


def _launch_arguments() -> set[str]:
    tree = ast.parse((ROOT / "launch" / "saom.launch.py").read_text(encoding="utf-8"))
    [table] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "ARGUMENTS"
    ]
    assert isinstance(table, ast.Dict)
    return {key.value for key in table.keys if isinstance(key, ast.Constant)}
