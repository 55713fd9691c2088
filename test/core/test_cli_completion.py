"""Shells complete the command: every command, its options, and files where files are wanted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from test_cli_guard import in_one_line, saom

import saom_cli.main
from saom_cli.main import COMMANDS, main, parser_of

pytest.importorskip("shtab")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Of the commands that need no training packages, which take long to load."""
    quick = {name: entry for name, entry in COMMANDS.items() if entry[0].startswith("saom_cli.")}
    monkeypatch.setattr(saom_cli.main, "COMMANDS", quick)  # deleted ones would come back in another order
    assert main(["completion", "bash"]) == 0
    path = tmp_path / "saom.bash"
    path.write_text(capsys.readouterr().out)
    return path


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    program = (
        f"source {script}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
        "function=$(complete -p saom | sed 's/.*-F \\([^ ]*\\) .*/\\1/'); "
        '$function saom "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", program], cwd=script.parent, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_completes_commands_options_choices_and_files(script: Path) -> None:
    (script.parent / "photo.jpg").write_bytes(b"")
    assert completed(script, "saom", "") >= set(saom_cli.main.COMMANDS)
    assert completed(script, "saom", "seg") == {"segment"}
    assert completed(script, "saom", "segment", "--save") == {"--save-masks"}
    assert completed(script, "saom", "segment", "--provider", "cu") == {"cuda"}
    assert completed(script, "saom", "segment", "pho") == {"photo.jpg"}
    assert completed(script, "saom", "teach", "mug", "pho") == {"photo.jpg"}


@pytest.mark.slow
def test_zsh_takes_its_script_of_all_commands(tmp_path: Path) -> None:
    done = saom("completion", "zsh")
    assert done.returncode == 0 and done.stdout.startswith("#compdef saom")
    assert all(f"{name}:" in done.stdout for name in COMMANDS)
    if shutil.which("zsh"):
        (tmp_path / "_saom").write_text(done.stdout)
        subprocess.run(["zsh", "-n", str(tmp_path / "_saom")], check=True)


def test_commands_that_are_not_installed_are_completed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "lost", ("saom_cli.no_such_module", "what needs a package that is missing"))
    assert "lost" in parser_of(["lost"], skip_missing=True).format_help()
    with pytest.raises(ModuleNotFoundError):
        parser_of(["lost"])


def test_shtab_is_only_needed_for_this(tmp_path: Path) -> None:
    (tmp_path / "shtab.py").write_text("raise ModuleNotFoundError(\"No module named 'shtab'\", name='shtab')")
    done = saom("completion", "bash", path=tmp_path)
    assert done.returncode == 2 and in_one_line(done.stderr).endswith("pip install shtab")
    assert saom("info", path=tmp_path).returncode == 0
    with pytest.raises(SystemExit):
        main(["completion", "fish-and-chips"])
