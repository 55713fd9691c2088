"""A module with one more output and one more optional input: exported, compared with torch, read, given its input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from saom_core import everything, runtime
from saom_core.everything import run_on_picture
from saom_core.letterbox import Letterbox
from saom_core.model_file import contract
from saom_core.runtime import OnnxModel
from saom_training.export import _defaults
from saom_training.networks.everything import EverythingGraph, grid_prompts_xy
from saom_training.networks.exportable import deployable
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.onnx_files.file import converted, message, write
from saom_training.onnx_files.parity import ExportError, cases, check_parity, torch_answer
from saom_training.onnx_files.precision import TOLERANCES

SIZE_HW = (64, 64)


class Grown(EverythingGraph):
    """Gives the width of each object, times a factor that is an input."""

    outputs = (*EverythingGraph.outputs, "width")
    further_inputs = ("gain",)

    def forward(  # type: ignore[override]
        self,
        image: Tensor,
        depth: Tensor | None,
        prompts: Tensor,
        score_threshold: Tensor,
        stability_threshold: Tensor,
        nms_iou: Tensor,
        gain: Tensor,
    ) -> tuple[Tensor, ...]:
        found = super().forward(image, depth, prompts, score_threshold, stability_threshold, nms_iou)
        return (*found, (found[1][:, 2] - found[1][:, 0]) * gain[0])


@pytest.mark.slow
def test_one_more_output_and_one_more_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(contract.OPTIONAL_OUTPUTS, "width", 1)
    monkeypatch.setattr(runtime, "OUTPUTS", (*contract.OUTPUTS, "width"))
    monkeypatch.setitem(
        everything.FURTHER_INPUTS, "gain", lambda box: np.array([box.inner_hw[0] / box.target_hw[0]], np.float32)
    )
    torch.manual_seed(0)
    network = deployable(SaomTiny(TinyConfig(class_names=("Mug", "Other"), encoder="resnet18"))).requires_grad_(
        False
    )  # another encoder is one field
    graph = Grown(network, candidates=40, max_instances=20).eval()
    prompts = grid_prompts_xy(4, 4, SIZE_HW)
    tried = cases(SIZE_HW, prompts, depth=True, thorough=False, further=graph.further_inputs)
    expected = [(case, torch_answer(graph, case)) for case in tried]
    path, names = tmp_path / "grown.onnx", list(network.config.class_names)
    defaults = _defaults(SIZE_HW, prompts.numpy(), True, graph.further_inputs)
    write(path, message(converted(graph, expected[0][0])), {"class_names": names}, defaults)
    assert check_parity(path, expected, TOLERANCES["fp32"]).rows
    wrong = [(case, {**answer, "width": answer["width"] + 1000}) for case, answer in expected]
    with pytest.raises(ExportError, match="embeddings or class scores"):
        check_parity(path, wrong, TOLERANCES["fp32"])

    model = OnnxModel(str(path))
    assert model.info.outputs[-1] == "width"
    assert {"name": "gain", "type": "float32", "shape": [1], "optional": True} in model.info.metadata["inputs"]
    box = Letterbox.fit((40, 80), SIZE_HW)  # half of the input is padding
    image, depth = box.image(np.full((40, 80, 3), 90, np.uint8)), np.zeros(SIZE_HW, np.float32)
    for answer, gain in (
        (run_on_picture(model, box, image, depth, {"score_threshold": 0.0, "stability_threshold": 0.0}), 0.5),
        (model.run(image, depth, {"score_threshold": 0.0, "stability_threshold": 0.0}), 1.0),  # the file's default
    ):
        boxes = answer["boxes"]
        np.testing.assert_allclose(answer["width"], (boxes[:, 2] - boxes[:, 0]) * gain, rtol=1e-4, atol=1e-4)
