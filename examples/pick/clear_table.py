#!/usr/bin/env python3
"""A robot that clears a table with what the node `saom` tells it: real topics, a simulated camera and gripper.

    python examples/pick/clear_table.py --film cleared.webp

The simulator's camera publishes colour, depth and intrinsics; /saom/instances says what stands on the table; one thing
after the other is chosen with /saom/select, planned for on /saom/target_points, grasped in physics, and put into a box.
The program knows where its camera and its table are, and nothing of the things on it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import rclpy
from picking import carry, choose
from PIL import Image as Pictures
from robot import Robot, mask_of, picture_of, points_of
from table import Table

from saom_training.grasping.clouds import world_points
from saom_training.grasping.planner import plan

ROOT = Path(__file__).resolve().parents[2]
EVERY = 10  # states of 20 ms from one picture of the film to the next


class Film:
    """Pictures of what happens: on the left what the node sees, on the right the scene."""

    def __init__(self, table: Table, wanted: bool) -> None:
        self._table, self._wanted, self._count = table, wanted, 0
        self.left = np.zeros((288, 384, 3), np.uint8)
        self.frames: list[np.ndarray] = []

    def seen(self) -> None:
        """Takes a picture now and then."""
        self._count += 1
        if self._wanted and self._count % EVERY == 0:
            self.frames.append(np.concatenate([self.left, self._table.film()], axis=1))

    def write(self, path: Path) -> None:
        """An animation, twice as fast as it happened."""
        frames = [Pictures.fromarray(frame) for frame in self.frames]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, loop=0, quality=45, method=4)


def clear(table: Table, robot: Robot, film: Film, most: int) -> None:
    """Picks until nothing is left that could be picked."""
    pose, failed = table.view.pose, []
    for number in range(1, most + 1):
        shot = table.shoot()
        answer = robot.look(shot, "/saom/instances")["/saom/instances"]
        chosen = choose(answer, table, failed)
        if chosen is None:
            print(f"nothing is left that could be picked; the node sees {len(answer.instances)} instances")
            return
        refusal = robot.select(chosen.track_id)
        if refusal:
            print(f"{number}: the node refuses: {refusal}")
            continue
        told = robot.look(shot, "/saom/target", "/saom/target_points", "/saom/target_mask")
        mask = mask_of(told["/saom/target_mask"])
        if robot.overlay is not None:
            film.left = picture_of(robot.overlay, mask)
        target = points_of(told["/saom/target_points"]) @ pose[:3, :3].T + pose[:3, 3]
        scene = world_points(shot.depth_m, table.view.camera, pose)
        rest = scene[~mask & np.isfinite(scene[..., 2])]
        grasp = plan(target, rest, pose[:3, 3], np.random.default_rng(number))
        name = f"{number}: {chosen.class_name or 'something'} at {chosen.distance:.2f} m"
        held = grasp is not None and carry(table, grasp)
        if not held:
            failed.append(np.median(target, axis=0))
        print(f"{name}: {'no grasp found' if grasp is None else 'in the box' if held else 'slipped'}", flush=True)


def main() -> int:
    """Starts the node, clears the table, says what the simulator knows of the outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="another number gives another table")
    parser.add_argument("--things", type=int, default=7, help="how many stand on it")
    parser.add_argument("--most", type=int, default=16, help="attempts")
    parser.add_argument("--film", type=Path, help="an animated picture of it (.webp or .gif)")
    parser.add_argument("--no-node", action="store_true", help="a node is running that listens to /camera/...")
    args = parser.parse_args()
    node = [sys.executable, "-m", "saom_ros.process", "--ros-args", "-p", "sync_tolerance_s:=0.01"]
    for name, topic in (("image", "image_raw"), ("depth", "depth/image_raw"), ("camera_info", "camera_info")):
        node += ["-r", f"{name}:=/camera/{topic}"]
    if not args.no_node:  # in a domain of its own, so that no robot on this network is disturbed
        os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    process = None if args.no_node else subprocess.Popen(node, cwd=ROOT)
    try:
        return _run(args, process)
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _run(args: argparse.Namespace, process: subprocess.Popen[bytes] | None) -> int:
    def alive() -> None:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the node has ended with exit code {process.returncode}")

    table = Table(args.seed, args.things)
    stood, _ = table.left_and_boxed()  # one that rolled off when it was put there is not counted
    film = Film(table, args.film is not None)
    table.bench.on_state(film.seen)
    rclpy.init()
    robot = Robot(table.view.camera, alive)
    try:
        clear(table, robot, film, args.most)
    finally:
        robot.close()
        rclpy.try_shutdown()
    left, boxed = table.left_and_boxed()
    print(f"{boxed} of {stood} things lie in the box, {left} are on the table")
    if args.film and film.frames:
        film.write(args.film)
    return 0 if left == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
