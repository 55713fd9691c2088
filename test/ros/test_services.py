"""A caller of a service hears why it gets nothing, whatever went wrong."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from saom_ros.srv import GetCloud, Segment, Select
from std_srvs.srv import SetBool

from saom_core.errors import InputError
from saom_ros.services import Services

REQUESTS = {
    "~/segment": (Segment.Request(), Segment.Response()),
    "~/get_cloud": (GetCloud.Request(track_id=1), GetCloud.Response()),
    "~/select": (Select.Request(track_id=1), Select.Response()),
    "~/enable": (SetBool.Request(), SetBool.Response()),
}


class Node:
    """A node whose every part fails with one error."""

    def __init__(self, error: Exception | None, *, loaded: bool = True) -> None:
        self.error = error
        info = SimpleNamespace(class_names=("Mug",))
        self.pipeline: Any = SimpleNamespace(
            waiting=SimpleNamespace(next_answer=self.fail),
            segmenter=SimpleNamespace(info=info),
            target=SimpleNamespace(choose=self.fail),
        )
        if not loaded:
            self.pipeline = None
        self.active = self.enabled = True
        self.options = SimpleNamespace(node=SimpleNamespace(tracking=True))
        self.waiting_group = None
        self.services: dict[str, Callable[[Any, Any], Any]] = {}

    def fail(self, *_: object) -> Any:
        if self.error is not None:
            raise self.error

    def enable(self, wanted: bool) -> None:
        self.fail()

    def why_no_frame(self) -> str:
        return "the camera is silent"

    def why_no_model(self) -> str:
        return "the file is missing"

    def create_service(self, kind: object, name: str, callback: Callable[[Any, Any], Any], **_: object) -> None:
        self.services[name] = callback


def called(node: Node, name: str) -> Any:
    Services(node)
    return node.services[name](*REQUESTS[name])


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("expected this, got that"), "expected this, got that"),
        (concurrent.futures.TimeoutError(), "no answer within 10 s: the camera is silent"),
        (RuntimeError("CUDA error: out of memory"), "RuntimeError: CUDA error: out of memory"),
        (KeyError("depth"), "KeyError: 'depth'"),
    ],
)
def test_every_service_tells_every_error(name: str, error: Exception, told: str) -> None:
    response = called(Node(error), name)
    assert not response.success and response.message == told


@pytest.mark.parametrize("name", ["~/segment", "~/get_cloud", "~/select"])
def test_without_a_model_they_say_why_there_is_none(name: str) -> None:
    response = called(Node(None, loaded=False), name)
    assert not response.success and response.message == "no model is loaded: the file is missing"


def test_pausing_succeeds() -> None:
    response = called(Node(None), "~/enable")
    assert response.success and response.message == "paused"
