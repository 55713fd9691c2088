"""A simulator under watch: a request is answered in time, or the whole process group is ended and said to be dead."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from saom_core.errors import SaomError

DOWNLOAD_TIMEOUT_S = 2 * 3600.0  # about 1 GB, on a slow line
ROOT = Path(__file__).resolve().parents[3]


class ActionFailed(Exception):
    """The simulator refused an action; it lives."""


class SimulatorDied(Exception):
    """The simulator crashed, hung or spoke nonsense, and is gone; start it anew."""


class SimulatorProcess:
    """AI2-THOR's client and its simulator, in a process group of their own.

    Args:
        keywords: For the client's Controller, see `options.controller_keywords`.
        initialize: For the simulator's Initialize; the client hands them on unchecked.
        start_timeout_s: For starting; the download of the build before it has two hours.
        step_timeout_s: For every action and scene change.

    Raises:
        SaomError: From `start`, if starting it again cannot help: no build, no display, no Vulkan.
    """

    def __init__(
        self,
        keywords: Mapping[str, Any],
        initialize: Mapping[str, Any],
        start_timeout_s: float,
        step_timeout_s: float,
    ) -> None:
        self._keywords, self._initialize = dict(keywords), dict(initialize)
        self._start_timeout_s, self._step_timeout_s = start_timeout_s, step_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection
        self._folder = ""

    @property
    def running(self) -> bool:
        """Whether it was started and has not died since."""
        return self._process is not None

    def start(self) -> None:
        """Start it, anew if it runs.

        Raises:
            SimulatorDied: If it did not come up in time.
        """
        self.close()
        # the client makes its named pipes in the temporary folder and would leave them there when it is killed
        self._folder = tempfile.mkdtemp(prefix="saom-ai2thor-")
        environment = {**os.environ, "TMPDIR": self._folder}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        if self._keywords.get("platform") != "CloudRendering":
            # with digits in it the client asks for vulkaninfo and nvidia-smi, which only cloud rendering needs
            environment.pop("CUDA_VISIBLE_DEVICES", None)
        self._connection, other = Pipe()
        command = [sys.executable, "-W", "ignore", "-m", f"{__package__}.client", str(other.fileno())]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, pass_fds=[other.fileno()], start_new_session=True
        )
        other.close()
        self._ask(DOWNLOAD_TIMEOUT_S, "prepare", self._keywords)
        self._ask(self._start_timeout_s, "start", {**self._keywords, **self._initialize})

    def reset(self, scene: str | dict[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Load a scene by name, or a house; the keywords go to Initialize."""
        return self._ask(self._step_timeout_s, "reset", scene, dict(keywords))

    def step(self, action: str, **keywords: Any) -> dict[str, Any]:
        """Do an action; returns the event, see `client`.

        Raises:
            ActionFailed: If the simulator refused it.
            SimulatorDied: If there was no answer.
        """
        return self._ask(self._step_timeout_s, "step", {"action": action, **keywords})

    def close(self) -> None:
        """End the client, the simulator and whatever they started."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._connection.close()
        self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, timeout_s: float, *request: Any) -> dict[str, Any]:
        if self._process is None:
            raise SimulatorDied("it is not running")
        try:
            self._connection.send(request)
            if not self._connection.poll(timeout_s):
                raise SimulatorDied(f"no answer to {_brief(request)} within {timeout_s:g} s")
            outcome, content = self._connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            raise SimulatorDied(f"the client ended at {_brief(request)} ({type(error).__name__})") from None
        except SimulatorDied:
            self.close()
            raise
        if outcome == "ok":
            return content
        if outcome == "failed":
            raise ActionFailed(f"{_brief(request)} was refused: {content}")
        self.close()
        if outcome == "unusable":
            raise SaomError(advice(content))
        raise SimulatorDied(f"{_brief(request)}: {content}")


def _brief(request: tuple[Any, ...]) -> str:
    return str(request[1].get("action", request[0]) if isinstance(request[1], dict) else f"{request[0]} {request[1]}")[
        :80
    ]


def advice(text: str) -> str:
    """What a person can do about an error that comes before the simulator runs."""
    if "no build exists" in text or "ConnectionError" in text or "HTTPError" in text:
        from ai2thor.build import COMMIT_ID, build_name

        platforms = (
            text.rpartition("platforms=")[2].split(",") if "platforms=" in text else ["CloudRendering", "Linux64"]
        )
        folders = " or ".join(f"~/.ai2thor/releases/{build_name(platform, COMMIT_ID)}/" for platform in platforms)
        return (
            "expected to download the AI2-THOR simulator (about 1 GB, once), but no build could be reached. Connect to "
            "the internet, or set HTTPS_PROXY and HTTP_PROXY to your proxy, or copy an unpacked build to "
            f'{folders} with a file metadata.json that holds {{"server_types": ["FIFO", "WSGI"]}}, or name a build '
            f"with --executable; the other simulator, rooms, needs no download. ({text})"
        )
    return (
        f"expected AI2-THOR to start, but it cannot run on this machine: {text}. Without a display use --platform "
        "cloud (needs libvulkan1 and a Vulkan driver); with one set DISPLAY and use --platform x11"
    )
