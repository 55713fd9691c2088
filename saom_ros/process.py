"""The process of the node: a node for each camera, until a signal ends it.

    ros2 run saom_ros saom --ros-args -r image:=/camera/color/image_raw
    ros2 run saom_ros saom --cameras left,right --ros-args -r image:=color/image_raw

Each node has an executor in a thread of its own, so that one that is configured does not hold up the others.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from saom_core.errors import ConfigError
from saom_ros.camera_names import camera_names
from saom_ros.executor import NodeExecutor
from saom_ros.node import STOP_TIMEOUT_S, SaomNode, Shared
from saom_ros.parameters import defaults_yaml

ABOUT = """\
The node of SAOM: whole objects of a camera's pictures, on topics of ROS 2. (For pictures in files there is
`saom segment` of the Python package, in the repository as .venv/bin/saom.)"""
ROS_ARGUMENTS = """\
topics and parameters come behind --ros-args:
  -r NAME:=TOPIC        image; depth and camera_info, if there are some; depth_camera_info of a depth camera of its own
  -p PARAMETER:=VALUE   one of those below
  --params-file FILE    a file of them

saom --ros-args -r image:=/camera/color/image_raw -r depth:=/camera/aligned_depth_to_color/image_raw \\
    -r camera_info:=/camera/color/camera_info

Answers come as /saom/instances and more (docs/ros.md); /diagnostics tells what is wrong. Ctrl-C ends the node.

"""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(args: list[str] | None = None) -> int:
    """Runs the nodes until SIGINT or SIGTERM; exit code 0 then, also when a frame is being answered.

    The signals only wake this thread: no callback and no lock is ever interrupted by an exception.

    Args:
        args: the command line with the program's name; None: that of the process.
    """
    args = sys.argv if args is None else args
    cameras = _cameras(remove_ros_args(args)[1:])
    signalled = signal_pipe()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    nodes = make_nodes(cameras, args)
    core_log = ForwardToRos(nodes[0].get_logger())
    logging.getLogger("saom").addHandler(core_log)
    failures: list[BaseException] = []
    spinning = [Spinning(node, failures) for node in nodes]
    os.read(signalled, 1)
    for number in SIGNALS:  # Ctrl-C comes twice, the second time from `ros2 launch`: it must not interrupt the end
        signal.signal(number, signal.SIG_IGN)
    end = time.monotonic() + STOP_TIMEOUT_S
    for node in nodes:
        node.end("the node is ending")
    if not all([one.stop(end) for one in spinning]):
        nodes[0].get_logger().warning("the frame in work takes long; ending without it")
        sys.stdout.flush()
        os._exit(0)
    logging.getLogger("saom").removeHandler(core_log)
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown()
    return 1 if failures else 0


def _cameras(args: Sequence[str]) -> tuple[str, ...]:
    """The names of several cameras on a command line without ROS's arguments; none: there is one without a name."""
    parser = argparse.ArgumentParser(
        prog="saom",
        usage="saom [-h] [--cameras CAMERAS] [--ros-args ...]",
        description=ABOUT,
        epilog=ROS_ARGUMENTS + defaults_yaml(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--cameras",
        default="",
        help="several cameras with one model, such as left,right: a node in the namespace of each; names of inputs are "
        "relative to it",
    )
    try:
        return camera_names(parser.parse_args(args).cameras)
    except ConfigError as error:
        parser.error(str(error))


def make_nodes(cameras: Sequence[str], args: Sequence[str]) -> list[SaomNode]:
    """A node for each camera in a namespace of its name; where no camera is named, one node.

    Args:
        cameras: their names.
        args: the command line, whose namespace stands before the names.
    """
    if not cameras:
        return [SaomNode()]
    shared, base = Shared(), _namespace(args)
    # a rule for one node goes before that of the command line, which is for all of them
    rules = [["--ros-args", "-r", f"__ns:={base}/{camera}"] for camera in cameras]
    return [SaomNode(shared, cli_args=rule) for rule in rules]


def _namespace(args: Sequence[str]) -> str:
    """The namespace on a command line of ROS; "" where none is set."""
    found = [match[1] for arg in args if (match := re.fullmatch(r"__(?:ns|namespace):=/?(.*?)/?", arg))]
    return f"/{found[0]}" if found and found[0] else ""


class Spinning:
    """A node whose callbacks are executed in a thread of its own.

    Args:
        node: its own.
        failures: takes the error that ends it, which then ends the process.
    """

    def __init__(self, node: SaomNode, failures: list[BaseException]) -> None:
        self._node, self._failures = node, failures
        self._executor = NodeExecutor(slow=node.waiting_group)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="saom-executor", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except BaseException as error:
            self._failures.append(error)
            logging.getLogger("saom").exception("the executor ended")
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(self, end_s: float) -> bool:
        """Ends all work; False where some goes on at a moment, on the monotonic clock."""
        stopped = self._executor.stop(self._thread, max(0.0, end_s - time.monotonic()))
        return stopped and self._node.close(max(0.0, end_s - time.monotonic()))


def signal_pipe() -> int:
    """A file descriptor that can be read once SIGINT or SIGTERM has come, whichever thread the system gave it to."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # tools/saom_node has blocked them during the imports
    return reader


class ForwardToRos(logging.Handler):
    """Brings the log lines of `saom_core`, which knows nothing of ROS, to the node's logger."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
        self._to = logger

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._to.error(text)
        elif record.levelno >= logging.WARNING:
            self._to.warning(text)
        else:
            self._to.info(text)


if __name__ == "__main__":
    sys.exit(main())
