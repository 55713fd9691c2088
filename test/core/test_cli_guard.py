"""Whatever fails, a person reads one line and a script reads an exit status."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from tqdm import tqdm

from saom_cli.guard import guarded
from saom_cli.main import main
from saom_core.errors import ConfigError, InputError, ModelError

ROOT = Path(__file__).resolve().parents[2]


def saom(
    *arguments: str,
    path: Path | None = None,
    limit: int | None = None,
    stdout: int = subprocess.PIPE,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """`python -m saom_cli`, with modules of a folder in the place of the real ones, or with a largest file size."""
    search = os.pathsep.join(str(p) for p in (path, ROOT, *os.environ.get("PYTHONPATH", "").split(os.pathsep)) if p)
    return subprocess.run(
        [sys.executable, "-m", "saom_cli", *arguments],
        env=os.environ | {"PYTHONPATH": search} | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


def in_one_line(error: str) -> str:
    [line] = [line for line in error.splitlines() if line.strip()]
    assert "Traceback" not in line
    return line


def raising(error: BaseException) -> Callable[[], int]:
    def body() -> int:
        raise error

    return body


def full_disk(path: str | None) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("expected a picture"), 1, "saom x: expected a picture"),
        (ModelError("expected a model"), 1, "saom x: expected a model"),
        (ConfigError("nms_iou: expected 0.05 to 1.0"), 1, "saom x: nms_iou: expected 0.05 to 1.0"),
        (full_disk("out.json"), 1, "saom x: out.json: No space left on device: free some space"),
        (full_disk(None), 1, "saom x: No space left on device: free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), 1, "/etc/x: Permission denied: change its"),
        (OSError(errno.EIO, "Input/output error", "/mnt/x"), 1, "saom x: /mnt/x: Input/output error"),
        (MemoryError(), 1, "out of memory"),
        (np.empty, 1, "out of memory (Unable to allocate"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 1, "out of memory"),
        (cv2.error("OpenCV alloc.cpp: error: (-4:Insufficient memory) Failed to allocate 9 bytes"), 1, "out of memory"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "needs the package torch: run pip install '.",
        ),
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), 2, "opencv-python-headless, or opencv-python"),
        (ModuleNotFoundError("No module", name="onnxruntime.capi"), 2, "onnxruntime, or onnxruntime-gpu"),
        (ImportError("libGL.so.1: cannot open shared object file", name="cv2"), 2, "apt-get install libgl1"),
        (KeyboardInterrupt(), 130, "saom x: interrupted"),
        (ZeroDivisionError("division by\nzero"), 1, "unexpected ZeroDivisionError: division by zero: this is a fault"),
    ],
)
def test_each_kind_of_error(
    error: BaseException | Callable[..., object], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if callable(error):  # numpy's own error of too large an array
        with pytest.raises(MemoryError) as caught:
            error(2**60, np.uint8)
        error = caught.value
    assert guarded("saom x", raising(error)) == status
    line = in_one_line(capsys.readouterr().err)
    assert line.startswith("saom x: ") and message in line


def test_a_progress_bar_ends_its_line_first(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        for _ in tqdm(range(3), mininterval=0):
            raise InputError("expected something else")
        return 0

    assert guarded("saom x", body) == 1
    assert capsys.readouterr().err.split("\n")[-2:] == ["saom x: expected something else", ""]


def test_an_interrupt_that_an_extension_module_turned_into_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise ImportError("numpy.core.multiarray failed to import") from None

    assert guarded("saom x", body) == 130
    assert in_one_line(capsys.readouterr().err) == "saom x: interrupted"


def test_debug_shows_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert guarded("saom x", raising(InputError("a")), debug=True) == 1
    assert "Traceback" in capsys.readouterr().err
    for arguments in (["--debug", "info", "no.onnx"], ["info", "no.onnx", "--debug"]):
        assert main(arguments) == 1
        assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("SAOM_DEBUG", "0")
    assert main(["info", "no.onnx"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("SAOM_DEBUG", "1")
    assert main(["info", "no.onnx"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_of_ours_names_its_place(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saom_cli.info.OnnxModel", raising_for(KeyError("a")))
    assert main(["info"]) == 1
    line = in_one_line(capsys.readouterr().err)
    assert "unexpected KeyError: 'a' (saom_cli/info.py:" in line and "--debug" in line


def raising_for(error: Exception) -> Callable[..., object]:
    def anything(*_: object, **__: object) -> object:
        raise error

    return anything


def test_output_that_nobody_reads() -> None:
    for arguments, status in ((["info", "--json"], 141), (["--help"], 0)):  # argparse itself takes no notice
        read, write = os.pipe()
        os.close(read)
        done = saom(*arguments, stdout=write)
        os.close(write)
        assert (done.returncode, done.stderr) == (status, ""), arguments


def test_output_onto_a_full_disk() -> None:
    with open("/dev/full", "w") as full:
        done = saom("info", "--json", stdout=full.fileno())
    assert done.returncode == 1 and "No space left on device" in in_one_line(done.stderr)


def test_interrupt_while_modules_are_loaded(tmp_path: Path) -> None:
    for module in ("numpy", "cv2"):
        folder = tmp_path / module
        folder.mkdir()
        (folder / f"{module}.py").write_text(
            "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(200)\n"
        )
        done = saom("segment", "photo.jpg", path=folder)
        assert done.returncode == 128 + signal.SIGINT
        assert in_one_line(done.stderr).startswith("saom segment: interrupted")


@pytest.mark.parametrize(
    ("module", "arguments", "wanted"),
    [
        (
            "torch",
            ["segment", "photo.jpg", "--model", "sam.pth"],
            "saom segment: sam.pth: a checkpoint needs the package torch, which is not there: run pip install",
        ),
        ("torch", ["info", "sam.pth"], "saom info: needs the package torch: run pip install '.[train]' in a checkout"),
        ("torch", ["finetune", "--help"], "saom finetune: needs the package torch"),
        (
            "cv2",
            ["segment", "photo.jpg"],
            "saom segment: needs OpenCV: pip install opencv-python-headless, or opencv-python",
        ),
        ("onnxruntime", ["info"], "saom info: needs onnxruntime: pip install onnxruntime, or onnxruntime-gpu"),
    ],
)
def test_packages_that_are_not_there(tmp_path: Path, module: str, arguments: list[str], wanted: str) -> None:
    photo = tmp_path / "photo.jpg"
    cv2.imwrite(str(photo), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / f"{module}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')"
    )
    done = saom(*[str(photo) if a == "photo.jpg" else a for a in arguments], path=tmp_path)
    # where neither is installed, as in the node's environment, the one that is imported first is named
    either = wanted, wanted.replace("package torch", "package safetensors")
    assert done.returncode == 2 and in_one_line(done.stderr).startswith(either)


def test_version_and_module(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == saom("--version").stdout and saom("--version").stdout.startswith("saom ")
    assert saom("info").returncode == 0
    assert saom().returncode == saom("no-such-command").returncode == 2


def test_several_photos_are_told_in_one_line(photo: Path) -> None:
    other = photo.with_name("other.png")
    other.write_bytes(photo.read_bytes())
    done = saom("segment", str(photo), str(other))
    assert done.returncode == 2
    assert f"expected one photo, one file or one folder at a time, got also {other}" in in_one_line(done.stderr)
    assert "unrecognized arguments: 5" in saom("bench", "5").stderr


def test_a_wrong_option_is_told_in_one_line() -> None:
    done = saom("segment", "photo.jpg", "--dept", "--no-such-option")
    assert done.returncode == 2 and in_one_line(done.stderr).startswith("saom segment: ")
    assert "--no-such-option" in saom("segment", "photo.jpg", "--no-such-option").stderr


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = np.full((120, 160, 3), 150, np.uint8)
    image[40:90, 30:80] = (30, 90, 200)
    cv2.imwrite(str(tmp_path / "photo.png"), image)
    return tmp_path / "photo.png"


@pytest.mark.parametrize("command", ["segment", "bench"])
def test_a_disk_that_fills_up(photo: Path, command: str) -> None:
    out = photo.with_name("out.json")
    out.write_text("before")
    arguments = ["segment", str(photo)] if command == "segment" else ["bench", "--runs", "1", "--warmup", "0"]
    done = saom(*arguments, "--json", str(out), "--threads", "1", "--max-instances", "1", limit=60)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("saom ")]
    assert line.startswith(f"saom {command}: {out}") and "File too large: choose a place" in line
    assert "Traceback" not in done.stderr and out.read_text() == "before"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["bench", "--json", "{folder}"], "expected a file to write to, got a folder"),
        (["bench", "--json", "/proc/new/out.json"], "/proc/new/out.json: "),
        (["bench", "--image", "{photo}", "--json", "{photo}"], "got one that is read"),
        (["teach", "mine", "{photo}", "-o", "{photo}"], "got one that is read"),
        (["teach", "mine", "{photo}", "-o", "{folder}"], "expected a file to write to, got a folder"),
        (["teach", "mine", "{photo}", "-o", "/proc/new/mine.onnx"], "/proc/new/mine.onnx: "),
    ],
)
def test_outputs_are_checked_first(
    photo: Path, arguments: list[str], wanted: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saom_cli.bench.load_segmenter", None)  # what begins the work, and would be a fault if called
    monkeypatch.setattr("saom_cli.teach.look", None)
    before = photo.read_bytes()
    words = [word.replace("{photo}", str(photo)).replace("{folder}", str(photo.parent)) for word in arguments]
    assert main(words) == 1
    assert wanted in in_one_line(capsys.readouterr().err) and photo.read_bytes() == before


@pytest.mark.parametrize("arguments", [["bench", "--runs", "0"], ["bench", "--warmup", "-1"], ["bench", "--runs", "x"]])
def test_numbers_that_make_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "expected a whole number of at least" in capsys.readouterr().err


@pytest.mark.slow
def test_figures_are_written_where_nobody_reads_the_text(tmp_path: Path) -> None:
    """`saom bench --json figures.json | head -1` measures for minutes, and head leaves after the first line."""
    read, write = os.pipe()
    os.close(read)
    figures = tmp_path / "figures.json"
    saom("bench", "--runs", "1", "--no-photo-names", "--json", str(figures), stdout=write)
    os.close(write)
    assert "total" in json.loads(figures.read_text())["stages"]
