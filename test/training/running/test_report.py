"""What a run tells of itself ends properly, however the run ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from saom_training.running.loop import Report


def test_an_error_is_told_on_a_line_of_its_own_and_what_was_logged_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(KeyboardInterrupt), Report(tmp_path, 0, 4, {}, None) as report:
        report.add(0, {"total": 2.5}, 1e-3)
        assert not capsys.readouterr().err.endswith("\n"), "the line of progress goes on"
        raise KeyboardInterrupt
    assert capsys.readouterr().err.endswith("\n")
    log = EventAccumulator(str(tmp_path / "tensorboard"))
    log.Reload()
    assert [event.value for event in log.Scalars("loss/total")] == [2.5]
