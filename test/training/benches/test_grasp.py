"""`saom bench-grasp`: what is done is kept through kill -9 and not done again; intervals and table are right."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.errors import ConfigError, InputError
from saom_core.instances import Instances, MaskCrop
from saom_training.benches import grasp
from saom_training.grasping.clusters import cluster_labels, euclidean_clusters
from saom_training.grasping.gripper import gripper_file
from saom_training.grasping.methods import METHODS, Known, MethodOptions, _at_pixel
from saom_training.grasping.results import Attempt, Store, rows_of, table, wilson
from saom_training.grasping.scenes import TableScene, innermost_pixel

TITLES = {"truth": "(a) true masks", "other": "another"}


def test_wilson_intervals_are_those_of_the_textbook_equation() -> None:
    """Both ends p solve |share - p| = z sqrt(p (1 - p) / n)."""
    for successes, trials in ((0, 10), (3, 10), (60, 60), (140, 200)):
        share = successes / trials
        for end in wilson(successes, trials):
            assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / trials), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)


def test_figures_are_taken_over_the_scenes_that_all_methods_have_tried() -> None:
    def attempt(scene: int, method: str, result: str) -> Attempt:
        return Attempt(scene, method, "mug", result, 0.8, 0.1)

    attempts = [attempt(k, "truth", "held" if k < 4 else "dropped") for k in range(6)]
    attempts += [attempt(k, "other", result) for k, result in enumerate(("held", "no mask", "held", "no grasp"))]
    attempts += [attempt(9, "truth", "no scene"), attempt(9, "other", "no scene")]
    truth, other = rows_of(attempts, TITLES)
    assert (truth.scenes, truth.held, other.scenes, other.held) == (4, 4, 4, 2)
    assert other.of_truth == 0.5 and other.failures == {"no mask": 1, "no grasp": 1}
    assert "2/4" in table([truth, other]) and "1 no mask" in table([truth, other])
    assert rows_of([], TITLES) == []


def test_it_draws_without_a_screen() -> None:
    """MuJoCo looks for its OpenGL library once, when it is first imported: here long before the simulator."""
    program = (
        "from saom_training.benches import grasp\nfrom saom_training.grasping import execution\n"
        "from mujoco.rendering.classic import gl_context\nprint(gl_context.GLContext.__module__)"
    )
    plain = {name: value for name, value in os.environ.items() if name not in ("MUJOCO_GL", "DISPLAY")}
    ran = subprocess.run([sys.executable, "-c", program], env=plain, capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("egl")


def test_results_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    store = Store(tmp_path / "run", {"seed": 1})
    store.add(Attempt(3, "truth", "mug", "held", 1.0, 0.18))
    assert Store(tmp_path / "run", {"seed": 1}).has(3, "truth") and not store.has(3, "other")
    with pytest.raises(InputError, match="choose another --out"):
        Store(tmp_path / "run", {"seed": 2})


def test_another_model_of_the_same_name_has_results_of_its_own(tmp_path: Path) -> None:
    model = tmp_path / "saom-mine.onnx"
    parser = argparse.ArgumentParser()
    grasp.add_arguments(parser)
    args = parser.parse_args(["--out", str(tmp_path / "run"), "--model", str(model)])
    model.write_bytes(b"before")
    before = grasp.settings_of(args)
    assert grasp.settings_of(args) == before
    model.write_bytes(b"after")
    assert grasp.settings_of(args) != before


def test_the_pixel_that_a_person_would_click_lies_deepest_in_the_mask() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:31, 5:26] = True
    mask[10:12, 26:60] = True  # a thin handle
    assert innermost_pixel(mask) == (15, 20)


def test_of_masks_at_a_pixel_the_smaller_one_is_in_front() -> None:
    large, small = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    large[2:18, 2:18], small[5:9, 5:9] = True, True
    crops = [MaskCrop.from_dense(large), MaskCrop.from_dense(small)]
    found = Instances.from_masks((20, 20), crops, np.array([0.9, 0.8], np.float32))
    inside, beside = _at_pixel(found, (6, 6)), _at_pixel(found, (15, 15))
    assert inside is not None and np.array_equal(inside, small)
    assert beside is not None and np.array_equal(beside, large)
    assert _at_pixel(found, (0, 0)) is None


def test_clusters_are_the_connected_parts_of_all_pairs_of_neighbours() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate(
        [rng.uniform(0, 0.05, (300, 3)) + centre for centre in ((0, 0, 1), (0.2, 0, 1), (0, 0.3, 1))]
    )
    labels = euclidean_clusters(points)
    assert sorted(set(labels.tolist())) == [1, 2, 3]
    assert all(len(set(labels[begin : begin + 300].tolist())) == 1 for begin in (0, 300, 600))
    assert euclidean_clusters(np.empty((0, 3))).shape == (0,)
    assert not euclidean_clusters(points[:3]).any()  # too few


def test_the_table_is_taken_away_and_two_boxes_on_it_are_left() -> None:
    """A camera looks straight down on a table 1 m away; the boxes are 8 cm high."""
    depth = np.ones((120, 160), np.float32)
    depth[20:50, 20:50] = depth[70:100, 90:130] = 0.92
    labels = cluster_labels(depth, CameraIntrinsics(150.0, 150.0, 79.5, 59.5, 160, 120))
    assert labels[35, 35] != labels[85, 110] and min(labels[35, 35], labels[85, 110]) > 0
    assert labels[5, 5] == 0 and labels[60, 80] == 0
    assert np.all(labels[22:48, 22:48] == labels[35, 35])


def options(out: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    grasp.add_arguments(parser)
    return parser.parse_args(["--out", str(out), "--tables", "1", "--seed", "5", *more])


@pytest.mark.slow
def test_a_bench_that_died_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One real scene; the process dies in the second method, and the next run does that one alone."""
    try:
        gripper_file()
    except ConfigError as error:
        pytest.skip(str(error))
    calls: list[str] = []

    def counted(name: str, dies: bool) -> Known:
        def make(_: MethodOptions) -> grasp.Method:
            def method(scene: TableScene) -> np.ndarray:
                calls.append(name)
                if dies:
                    raise KeyboardInterrupt
                return scene.object_ids == scene.target

            return method

        return Known(name, name, make)

    monkeypatch.setattr(grasp, "METHODS", (counted("truth", False), counted("clusters", True)))
    with pytest.raises(KeyboardInterrupt):
        grasp.run(options(tmp_path / "run"))
    assert calls == ["truth", "clusters"]
    # a draft that kill -9 left behind is no result
    (tmp_path / "run" / ".scene_00000_clusters.json.123.tmp").write_text('{"scene": 0, "resu')
    monkeypatch.setattr(grasp, "METHODS", (counted("truth", False), counted("clusters", False)))
    assert grasp.run(options(tmp_path / "run")) == 0
    assert calls == ["truth", "clusters", "clusters"]
    figures = json.loads((tmp_path / "run" / "figures.json").read_text())
    assert [row["scenes"] for row in figures] == [1, 1]
    # the same mask is grasped in the same way, whichever method gave it
    first, second = (
        json.loads((tmp_path / "run" / f"scene_00000_{name}.json").read_text()) for name in ("truth", "clusters")
    )
    assert first["result"] == second["result"] and first["rise_m"] == second["rise_m"]
    assert (tmp_path / "run" / "success.png").read_bytes().startswith(b"\x89PNG")
    assert grasp.run(options(tmp_path / "run")) == 0
    assert len(calls) == 3


def test_the_five_methods_are_there() -> None:
    assert [known.title[:3] for known in METHODS] == ["(a)", "(b)", "(c)", "(d)", "(e)"]
