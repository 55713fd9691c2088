"""Files and readers of different ages: what is unknown is left alone, what is not needed may lack, the rest is told."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="files are edited with the package onnx, which a robot does not have")

from saom_core.config import SaomConfig  # noqa: E402
from saom_core.errors import ModelError  # noqa: E402
from saom_core.everything import OnnxSegmenter  # noqa: E402
from saom_core.instances import Instances  # noqa: E402
from saom_core.model_file.contract import FORMAT, METADATA_KEY, OPTIONAL_OUTPUTS, OUTPUTS, REQUIRED_OUTPUTS  # noqa: E402
from saom_core.model_file.metadata import sha256_without_entry, with_entry  # noqa: E402
from saom_core.model_file.taught import TAUGHT_KEY, TaughtClass, to_json  # noqa: E402
from saom_core.prompting.prompts import Prompts  # noqa: E402
from saom_core.runtime import BUNDLED_MODEL, ModelInfo, OnnxModel  # noqa: E402

Edit = Callable[["onnx.GraphProto"], None]


def picture() -> np.ndarray:
    image_rgb = np.full((288, 384, 3), 120, np.uint8)
    image_rgb[100:200, 60:160] = 220, 40, 30
    image_rgb[80:170, 220:330] = 30, 60, 200
    return image_rgb


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Edit], str]:
    """The bundled file with an edited graph."""

    def make(edit: Edit) -> str:
        model = onnx.load(str(BUNDLED_MODEL))
        edit(model.graph)
        path = tmp_path / "edited.onnx"
        onnx.save(model, str(path))
        return str(path)

    return make


def remove(values: list[onnx.ValueInfoProto], name: str) -> None:
    (found,) = [value for value in values if value.name == name]
    values.remove(found)


def add_output(graph: onnx.GraphProto) -> None:
    """What a newer exporter might add: one more output, of a type and shape of its own."""
    graph.node.append(onnx.helper.make_node("Identity", ["scores"], ["grasp_width"]))
    graph.output.append(onnx.helper.make_tensor_value_info("grasp_width", onnx.TensorProto.FLOAT, None))


def add_input(graph: onnx.GraphProto, default: bool = True) -> None:
    """One more input, which changes the scores: the default, 1, leaves them as they are."""
    graph.input.append(onnx.helper.make_tensor_value_info("zoom", onnx.TensorProto.FLOAT, []))
    if default:
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(1, np.float32), "zoom"))
    (maker,) = [node for node in graph.node if "scores" in node.output]
    maker.output[list(maker.output).index("scores")] = "scores_before"
    for node in graph.node:
        for k, name in enumerate(node.input):
            if name == "scores":
                node.input[k] = "scores_before"
    graph.node.append(onnx.helper.make_node("Mul", ["scores_before", "zoom"], ["scores"]))


def answer(path: str = "", *, prompts: Prompts | None = None) -> Instances:
    segmenter = OnnxSegmenter(SaomConfig(model=path, provider="cpu", threads=1))
    return (segmenter.segment(picture()) if prompts is None else segmenter.ask(picture(), prompts)).instances


@functools.cache
def answer_of_the_bundled_file() -> Instances:
    return answer()


def assert_same_answer(path: str) -> None:
    expected, actual = answer_of_the_bundled_file(), answer(path)
    assert len(expected) == len(actual) >= 2
    np.testing.assert_array_equal(actual.scores, expected.scores)
    np.testing.assert_array_equal(actual.label_image(), expected.label_image())
    assert actual.class_names == expected.class_names


def test_the_bundled_file_is_older_than_the_number_and_is_read() -> None:
    info = bundled_info()
    assert info.metadata["format"] == 1 and info.outputs == OUTPUTS


def test_outputs_and_inputs_of_newer_files_are_left_alone(edited: Callable[[Edit], str]) -> None:
    def edit(graph: onnx.GraphProto) -> None:
        add_output(graph)
        add_input(graph)

    path = edited(edit)
    assert OnnxModel(path).info.outputs == OUTPUTS  # none that nobody here knows
    assert_same_answer(path)


def test_a_newer_input_without_default_is_refused_by_name(edited: Callable[[Edit], str]) -> None:
    with pytest.raises(ModelError, match="none for zoom: install a newer saom"):
        OnnxModel(edited(lambda graph: add_input(graph, default=False)))


@pytest.mark.parametrize("name", OPTIONAL_OUTPUTS)
def test_older_files_may_lack_what_serves_one_purpose(edited: Callable[[Edit], str], name: str) -> None:
    path = edited(lambda graph: remove(graph.output, name))
    model = OnnxModel(path)
    assert model.info.outputs == tuple(one for one in OUTPUTS if one != name)
    assert_same_answer(path)
    assert len(answer(path, prompts=Prompts(points_xy=np.array([[100.0, 150.0]])))) == 1
    with pytest.raises(ModelError, match=f"expected the output {name}, which is needed for the test"):
        model.info.check_output(name, "the test")
    bundled_info().check_output(name, "the test")


def test_taught_classes_need_embeddings(edited: Callable[[Edit], str]) -> None:
    path = Path(edited(lambda graph: remove(graph.output, "embeddings")))
    plain, sha256 = path.read_bytes(), sha256_without_entry(path, TAUGHT_KEY)
    classes = [TaughtClass("valve", np.ones(5, np.float32), 0.9, {}, looks) for looks in ("", "ab" * 32)]
    path.write_bytes(with_entry(plain, TAUGHT_KEY, to_json(classes[:1], sha256)))
    with pytest.raises(ModelError, match="expected the output embeddings"):
        OnnxModel(str(path))
    path.write_bytes(with_entry(plain, TAUGHT_KEY, to_json(classes[1:], sha256)))
    assert OnnxModel(str(path)).info.taught[0].looks_sha256 == "ab" * 32


def test_older_files_may_have_no_input_for_prompts(edited: Callable[[Edit], str]) -> None:
    path = edited(lambda graph: remove(graph.input, "prompts"))  # the grid stays, as a constant
    assert OnnxModel(path).info.prompt_count == 0
    assert_same_answer(path)
    with pytest.raises(ModelError, match="expected a file with the input `prompts`"):
        answer(path, prompts=Prompts(points_xy=np.array([[100.0, 150.0]])))


@pytest.mark.parametrize("name", REQUIRED_OUTPUTS)
def test_a_file_without_what_every_frame_needs_is_refused_by_name(edited: Callable[[Edit], str], name: str) -> None:
    with pytest.raises(ModelError, match=f"got a file without {name}: export it"):
        OnnxModel(edited(lambda graph: remove(graph.output, name)))


def test_an_output_of_another_shape_is_refused(edited: Callable[[Edit], str]) -> None:
    def edit(graph: onnx.GraphProto) -> None:
        remove(graph.output, "stability")
        (maker,) = [node for node in graph.node if "stability" in node.output]
        maker.output[list(maker.output).index("stability")] = "flat"
        for node in graph.node:
            for k, name in enumerate(node.input):
                if name == "stability":
                    node.input[k] = "flat"
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "axis"))
        graph.node.append(onnx.helper.make_node("Unsqueeze", ["flat", "axis"], ["stability"]))
        graph.output.append(onnx.helper.make_tensor_value_info("stability", onnx.TensorProto.FLOAT, None))

    with pytest.raises(ModelError, match="expected the output stability to have 1 dimensions"):
        OnnxModel(edited(edit))


@functools.cache
def bundled_info() -> ModelInfo:
    return OnnxModel().info


def with_format(tmp_path: Path, number: object) -> str:
    metadata = bundled_info().metadata | {"format": number}
    path = tmp_path / "numbered.onnx"
    path.write_bytes(with_entry(BUNDLED_MODEL.read_bytes(), METADATA_KEY, json.dumps(metadata)))
    return str(path)


def test_a_format_that_means_something_else_is_refused(tmp_path: Path) -> None:
    assert OnnxModel(with_format(tmp_path, FORMAT)).info.metadata["format"] == FORMAT
    with pytest.raises(ModelError, match=f"got format {FORMAT + 1}: install a newer saom"):
        OnnxModel(with_format(tmp_path, FORMAT + 1))


@pytest.mark.parametrize("number", ["1", 1.0, 0, -1, True, None])
def test_what_is_no_format_is_refused(tmp_path: Path, number: object) -> None:
    with pytest.raises(ModelError, match="format is .* no number from 1 on"):
        OnnxModel(with_format(tmp_path, number))
