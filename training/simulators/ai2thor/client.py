"""The process in which AI2-THOR's client runs: `python -m ....client FD`, started by `process`.

The client can block for ever (in opening its pipes, in reading them) or leave a dead simulator behind; so it lives in a
process group of its own that can be ended as a whole. Requests and replies are pickled tuples on the socket FD:

    ("prepare", keywords)   find or download the build                 ("ok", None)
    ("start", keywords)     make the Controller                        ("ok", None)
    ("reset", scene, keywords)  load a scene or a house                ("ok", event)
    ("step", keywords)      do an action                               ("ok", event)

Other replies: ("failed", text): the simulator refused the action and lives; ("died", text): start it anew; ("unusable",
text): starting it anew does not help. Standard input is the lifeline: at its end this whole process group is killed.
"""

from __future__ import annotations

import inspect
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

WATCH_EVERY_S = 0.1
NO_SCENE_LIST = "No scenes are in your build"  # what the client says if the simulator does not list its scenes
PLANES = ("cameraNearPlane", "cameraFarPlane")
OBJECT_KEYS = ("objectId", "objectType", "axisAlignedBoundingBox", "parentReceptacles")


class Client:
    """Owns the Controller and answers requests."""

    def __init__(self, connection: Connection) -> None:
        self.controller: Any = None
        self._connection = connection
        self._lock = threading.Lock()

    def reply(self, *message: Any) -> None:
        """Sends a reply; a lock keeps the replies of the watch and of the main thread apart."""
        with self._lock:
            self._connection.send(message)

    def serve(self) -> None:
        """Answer until the other side goes."""
        threading.Thread(target=self._watch, daemon=True).start()
        while True:
            try:
                kind, *arguments = self._connection.recv()
            except EOFError:
                return end_group()
            try:
                answer = getattr(self, "_" + kind)(*arguments)
            except Exception as error:  # metadata that lack what every event has
                answer = ("died", f"it answers what is no event of AI2-THOR: {_brief(error)}")
            self.reply(*answer)

    def _watch(self) -> None:
        """End everything when the collector has gone; tell when the simulator has.

        A simulator that exits before it opens its pipe leaves the client blocked in `open`, which no time-out ends.
        """
        while True:
            ended, _, _ = select.select([sys.stdin], [], [], WATCH_EVERY_S)
            if ended:
                end_group()
            process = getattr(getattr(self.controller, "server", None), "unity_proc", None)
            if process is not None and process.poll() is not None:
                self.reply("died", f"the simulator's process ended with status {process.returncode}")
                os._exit(1)

    def _prepare(self, keywords: dict[str, Any]) -> tuple[Any, ...]:
        from ai2thor.controller import Controller

        # it would send a keyword that it does not know to the simulator, which ignores it
        unknown = sorted(set(keywords) - set(inspect.signature(Controller.__init__).parameters))
        if unknown:
            return ("unusable", f"this version of the ai2thor client does not know {', '.join(unknown)}")
        try:
            Controller(**_with_platform(keywords), download_only=True)
        except Exception as error:  # whatever it is, it comes before the simulator runs: trying again will not help
            return ("unusable", _brief(error))
        return ("ok", None)

    def _start(self, keywords: dict[str, Any]) -> tuple[Any, ...]:
        from ai2thor.controller import Controller

        self.controller = Controller.__new__(Controller)  # the watch must see it while it is being made
        try:
            self.controller.__init__(**_with_platform(keywords))
        except Exception as error:
            if not _is_up_anyhow(error):
                started = getattr(getattr(self.controller, "server", None), "unity_proc", None) is not None
                return ("died" if started else "unusable", _brief(error))
        return ("ok", None)

    def _reset(self, scene: str | dict[str, Any], keywords: dict[str, Any]) -> tuple[Any, ...]:
        try:
            event = self.controller.reset(scene, **keywords)
        except Exception as error:  # the client's own read errors come raw here, and the pipe may be out of step
            if isinstance(error, ValueError) and "not contained in build" in str(error):
                return ("failed", f"this build of AI2-THOR has no scene {scene}")
            return ("died", _brief(error))
        planes = event.metadata.get("actionReturn")  # of Initialize; after a house it is CreateHouse's
        if isinstance(planes, dict) and set(PLANES) <= set(planes):
            self.controller.server.set_init_params(planes)
        return _outcome(event)

    def _step(self, keywords: dict[str, Any]) -> tuple[Any, ...]:
        try:
            event = self.controller.step(**keywords)
        except ValueError as error:  # the client's way to tell of a few error codes
            return ("failed", str(error))
        except Exception as error:
            return ("died", _brief(error.__context__ or error))
        return _outcome(event)


def end_group() -> None:
    """End this process and the simulator, and remove their temporary folder."""
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def _with_platform(keywords: dict[str, Any]) -> dict[str, Any]:
    import ai2thor.platform

    name = keywords.get("platform")
    return {**keywords, "platform": getattr(ai2thor.platform, name) if name else None}


def _is_up_anyhow(error: Exception) -> bool:
    """Whether the Controller can be used although making it failed, at one of its last steps.

    A build that does not list its scenes loads them by name; one that tells no clipping planes has the client's own.
    """
    return NO_SCENE_LIST in str(error) or (isinstance(error, KeyError) and error.args[0] in PLANES)


def _brief(error: BaseException) -> str:
    """The error's text, without the traceback that the client writes into its messages."""
    return f"{type(error).__name__}: {error}".partition("\nTraceback")[0][:600]


def _outcome(event: Any) -> tuple[Any, ...]:
    if not event.metadata["lastActionSuccess"]:
        return ("failed", str(event.metadata.get("errorMessage") or "no reason given"))
    return ("ok", _event(event))


def _event(event: Any) -> dict[str, Any]:
    """The part of an event that a frame needs, as plain data; the pictures are copies.

    With several agents it is the active one's. What a simulator leaves out is None.
    """
    metadata = event.metadata
    event = next(one for one in event.events if one.metadata is metadata)
    agent = metadata.get("agent") or {}
    pictures = (event.frame, event.depth_frame, event.instance_segmentation_frame)
    image_rgb, depth_m, id_colors = (None if picture is None else np.array(picture, order="C") for picture in pictures)
    return {
        "action_return": metadata.get("actionReturn"),
        "image_rgb": image_rgb,
        "depth_m": depth_m,
        "id_colors": id_colors,
        "names": [(tuple(color), name) for color, name in event.color_to_object_id.items()],
        "objects": [{key: item.get(key) for key in OBJECT_KEYS} for item in metadata.get("objects") or ()],
        "camera_position": metadata.get("cameraPosition"),
        "rotation": agent.get("rotation"),
        "horizon": agent.get("cameraHorizon"),
    }


def main() -> None:
    """Serve on the file descriptor of the first argument."""
    warnings.simplefilter("ignore")  # the client's own, about NumPy
    Client(Connection(int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
