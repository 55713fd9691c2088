"""A program that speaks AI2-THOR's FIFO protocol and draws a small room of boxes; it crashes, hangs and lies if told.

    python ai2thor_stand_in.py --state DIR [--manner spare|lavish] [--fault KIND [--at N] [--times N]]

(The client adds -screen-width W -screen-height H.) KIND strikes at the Nth picture since DIR was new, at most --times
times (0: always): exit-at-start, hang-at-start (whatever N is), exit, abort, hang; refuse: the action fails; garbage: a
field of no known kind; sequence: the answer to another request; no-success: whether it succeeded is not told.
exit-at-reset and no-positions strike from the Nth Reset on. These lie in all pictures from the Nth on: wrong-size,
no-object (ids that belong to no object), empty. A spare simulator tells no more than the client needs and refuses what
it need not know; a lavish one adds another agent, a third-party camera, walls among the objects and an alpha channel.
DIR/log.jsonl holds all actions, DIR/pid-* the processes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

NEAR_M, FAR_M = 0.1, 20.0
METADATA, ACTION, RGB, DEPTH, IDS, THIRD_PARTY_RGB, UNKNOWN, END = 1, 2, 4, 5, 9, 10, 77, 255
RANDOM = ("SetRandomSeed", "InitialRandomSpawn", "RandomizeMaterials", "RandomizeLighting")
ROOM_M = (3.0, 2.6, 3.0)  # half width, height, half depth
EYE_M = 0.675  # above the agent's position, as in AI2-THOR
AGENT_Y = 0.9

# id, type, centre, size (metres; x right, y up, z forward), parentReceptacles
BOXES: tuple[tuple[str, str, tuple[float, ...], tuple[float, ...], tuple[str, ...]], ...] = (
    ("Dresser|+00.00|+00.50|+02.50", "Dresser", (0, 0.5, 2.5), (1.6, 1.0, 0.8), ()),
    ("Drawer|+00.00|+00.60|+02.10", "Drawer", (0, 0.6, 2.28), (1.2, 0.3, 0.4), ()),
    ("Mug|+00.30|+01.10|+02.40", "Mug", (0.3, 1.15, 2.4), (0.3, 0.3, 0.3), ("Dresser|+00.00|+00.50|+02.50",)),
    ("Sink|+02.40|+00.80|+00.00", "Sink", (2.5, 0.8, 0), (0.9, 0.5, 1.4), ()),
    ("Sink|+02.40|+00.80|+00.00|SinkBasin", "SinkBasin", (2.3, 1.05, 0), (0.4, 0.1, 0.8), ()),
    ("Sofa|-02.30|+00.40|+00.00", "Sofa", (-2.4, 0.45, 0), (1.0, 0.9, 2.0), ()),
    ("Lettuce|+00.00|+00.90|-02.40", "Lettuce", (0, 1.2, -2.4), (0.5, 0.5, 0.5), ()),
    ("Book|-00.60|+00.90|-02.40", "Book", (-0.6, 1.2, -2.4), (0.4, 0.5, 0.3), ()),
    ("Floor|+00.00|+00.00|+00.00", "Floor", (0, -0.05, 0), (6, 0.1, 6), ()),
)
WALLS = ("wall_a", "wall_b", "ceiling")


def color_of(name: str, salt: str = "") -> tuple[int, int, int]:
    digest = hashlib.sha256((name + salt).encode()).digest()
    return digest[0], digest[1], digest[2]


class Room:
    """The scene: what the agent sees of it depends on its pose and on what was randomised."""

    def __init__(self) -> None:
        self.scene = ""
        self.boxes = list(BOXES)
        self.salt, self.light, self.agent_mode, self.field_of_view = "", 1.0, "default", 90.0
        self.random_seed = 0
        self.place, self.heading, self.horizon = (0.0, AGENT_Y, 0.0), 0.0, 0.0

    def positions(self) -> list[dict[str, float]]:
        halves = [x // 2 if x % 2 == 0 else x / 2 for x in range(-2, 3)]  # whole numbers without a point, as JSON may
        return [{"x": x, "y": AGENT_Y, "z": z} for x in halves for z in halves]

    def eye(self) -> np.ndarray:
        return np.array([self.place[0], self.place[1] + EYE_M, self.place[2]])

    def draw(self, size_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """RGB (H, W, 3) uint8, ids (H, W, 3) uint8, depth along the axis (H, W) float32: rays against boxes."""
        height, width = size_hw
        focal = height / 2 / math.tan(math.radians(self.field_of_view) / 2)
        x = (np.arange(width) - (width - 1) / 2) / focal
        y = ((height - 1) / 2 - np.arange(height)) / focal
        local = np.stack((*np.meshgrid(x, y), np.ones(size_hw)), -1)
        turn, tilt = math.radians(self.heading), math.radians(self.horizon)
        about_x = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
        about_y = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
        rays = local @ (about_y @ about_x).T
        rays[np.abs(rays) < 1e-9] = 1e-9
        eye, depth = self.eye(), np.full(size_hw, np.inf)
        shown = np.full(size_hw, -1)
        names = [box[0] for box in self.boxes] + list(WALLS)
        for number, (_, _, center, size, _) in enumerate(self.boxes):
            one = (np.array(center) - np.array(size) / 2 - eye) / rays
            two = (np.array(center) + np.array(size) / 2 - eye) / rays
            enter, leave = np.minimum(one, two).max(-1), np.maximum(one, two).min(-1)
            hit = (enter <= leave) & (enter > 0) & (enter < depth)
            depth[hit], shown[hit] = enter[hit], number
        low, high = np.array([-ROOM_M[0], 0, -ROOM_M[2]]), np.array([ROOM_M[0], ROOM_M[1], ROOM_M[2]])
        ways = np.maximum((low - eye) / rays, (high - eye) / rays)
        wall = ways.argmin(-1)
        behind = ways.min(-1) < depth
        depth, shown = np.where(behind, ways.min(-1), depth), np.where(behind, len(self.boxes) + wall, shown)
        ids = np.array([color_of(name) for name in names], np.uint8)[shown]
        paint = np.array([color_of(name, self.salt) for name in names], float)[shown] * self.light
        return np.clip(paint, 0, 255).astype(np.uint8), ids, depth.astype(np.float32)

    def act(self, action: dict[str, Any]) -> Any:
        """Do an action and return its `actionReturn`; ValueError if it is refused."""
        kind = action["action"]
        if kind == "Reset":
            self.__init__()  # type: ignore[misc]
            self.scene = action["sceneName"]
        elif kind == "Initialize":
            self.agent_mode = action.get("agentMode", "default")
            self.field_of_view = action["fieldOfView"]
            return {"cameraNearPlane": NEAR_M, "cameraFarPlane": FAR_M}
        elif kind == "CreateHouse":
            if "broken" in action["house"]:
                raise ValueError("the house has no roof")
            self.scene = "Procedural"
        elif kind == "GetScenesInBuild":
            rooms = [f"FloorPlan{first + n}_physics" for first in (0, 200, 300, 400) for n in range(1, 31)]
            return [*rooms, "FloorPlan_Train1_1", "FloorPlan_Val1_1", "Procedural"]
        elif kind == "ChangeResolution":  # the client asks for it below 300 pixels; that size it has from the start
            return None
        elif kind == "GetReachablePositions":
            return self.positions()
        elif kind == "TeleportFull":
            if self.agent_mode == "locobot" and action.get("standing") is not None:
                raise ValueError("a locobot cannot stand")
            self.place = tuple(action["position"][axis] for axis in "xyz")
            self.heading, self.horizon = float(action["rotation"]["y"]), float(action["horizon"])
        elif kind == "SetRandomSeed":
            self.random_seed = action["seed"]
        elif kind == "RandomizeMaterials":
            self.salt = str(self.random_seed)
        elif kind == "RandomizeLighting":
            self.light = 0.5 + self.random_seed % 100 / 100
        elif kind == "InitialRandomSpawn":
            shift = action["randomSeed"] % 100 / 200 - 0.25
            self.boxes = [
                (*box[:2], (box[2][0] + shift, *box[2][1:]), *box[3:]) if box[1] == "Mug" else box for box in BOXES
            ]
        else:
            raise ValueError(f"no such action: {kind}")
        return None


class StandIn:
    """The protocol, and the faults."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.room = args, Room()
        self.size_hw = (args.height, args.width)
        self.state = Path(args.state)

    def strikes(self, kind: str, pictures: int) -> bool:
        """Whether the fault of this kind is due; it is counted in a file, as the program itself may die of it."""
        if self.args.fault != kind or pictures < self.args.at:
            return False
        marks = self.state / "struck"
        struck = len(marks.read_text()) if marks.exists() else 0
        if self.args.times and struck >= self.args.times:
            return False
        with marks.open("a") as file:
            file.write("x")
        return True

    def run(self) -> None:
        self.state.mkdir(exist_ok=True)
        (self.state / f"pid-{os.getpid()}").touch()
        if self.strikes("exit-at-start", self.args.at):
            sys.exit(1)
        if self.strikes("hang-at-start", self.args.at):
            signal.pause()
        with open(os.environ["AI2THOR_FIFO_SERVER_PIPE_PATH"], "wb") as out:
            self.answer(out, {"sequenceId": 0}, True, None, "")
            with open(os.environ["AI2THOR_FIFO_CLIENT_PIPE_PATH"], "rb") as into:
                self.serve(out, into)

    def serve(self, out: Any, into: Any) -> None:
        while action := self.receive(into):
            with (self.state / "log.jsonl").open("a") as log:
                log.write(json.dumps(action) + "\n")
            try:
                self.misbehave(action)
                if self.args.manner == "spare" and action["action"] in (*RANDOM, "GetScenesInBuild"):
                    raise ValueError("no such action")
                returned, error = self.room.act(action), ""
            except ValueError as refused:
                returned, error = None, str(refused)
            if self.args.manner == "spare" and action["action"] == "Initialize":
                returned = {"version": 1}  # and no clipping planes
            if action["action"] == "GetReachablePositions" and self.strikes("no-positions", self.count("Reset")):
                returned = None
            self.answer(out, action, not error, returned, error)

    def count(self, action: str) -> int:
        log = self.state / "log.jsonl"
        return log.read_text().count(f'"action": "{action}"') if log.exists() else 0

    def pictures(self) -> int:
        return self.count("TeleportFull")

    def misbehave(self, action: dict[str, Any]) -> None:
        if action["action"] == "Reset" and self.strikes("exit-at-reset", self.count("Reset")):
            os._exit(3)
        if action["action"] != "TeleportFull":
            return
        number = self.pictures()
        if self.strikes("abort", number):
            os.abort()
        if self.strikes("exit", number):
            os._exit(3)
        if self.strikes("hang", number):
            signal.pause()
        if self.strikes("refuse", number):
            raise ValueError("the place is taken")

    def receive(self, into: Any) -> dict[str, Any] | None:
        body = b""
        while header := into.read(5):
            kind, length = struct.unpack("!BI", header)
            if kind == END:
                found: dict[str, Any] = json.loads(body)
                return found
            body = into.read(length)
        return None

    def answer(self, out: Any, action: dict[str, Any], success: bool, returned: Any, error: str) -> None:
        image_rgb, ids, depth_m = self.room.draw(self.size_hw)
        objects, colors = self.tables()
        height, width = self.size_hw
        lying = action.get("action") == "TeleportFull" and self.pictures() >= self.args.at
        if lying and self.args.fault == "empty":
            ids = np.full_like(ids, 7)
        if lying and self.args.fault == "no-object":
            objects = [item for item in objects if item["objectType"] not in ("Mug", "Sofa")]
        if lying and self.args.fault == "wrong-size":
            image_rgb, ids, depth_m, height = image_rgb[2:], ids[2:], depth_m[2:], height - 2
        metadata = {
            "screenWidth": width,
            "screenHeight": height,
            "thirdPartyCameras": [],
            "lastAction": action.get("action"),
            "lastActionSuccess": success,
            "errorCode": "" if success else "Refused",
            "errorMessage": error,
            "actionReturn": returned,
            "sceneName": self.room.scene,
            "objects": objects,
            "colors": colors,
            "depthFormat": "Meters",
            "cameraPosition": dict(zip("xyz", self.room.eye().tolist(), strict=True)),
            "agent": {"rotation": {"x": 0.0, "y": self.room.heading, "z": 0.0}, "cameraHorizon": self.room.horizon},
        }
        opaque = np.concatenate((ids, np.full((*ids.shape[:2], 1), 255, np.uint8)), 2)
        pictures = [(RGB, image_rgb), (DEPTH, depth_m), (IDS, opaque)]
        whole = {"agents": [metadata], "thirdPartyCameras": [], "activeAgentId": 0}
        if self.args.manner == "spare":
            pictures = [(RGB, image_rgb), (DEPTH, depth_m / np.float32(FAR_M - NEAR_M)), (IDS, ids)]
            self.spare(metadata)
        if self.args.manner == "lavish":
            whole, pictures = self.lavish(metadata, pictures)
        whole["sequenceId"] = action["sequenceId"]
        self.send(out, action, whole, pictures)

    def send(self, out: Any, action: dict[str, Any], whole: dict[str, Any], pictures: list[tuple[int, Any]]) -> None:
        number = self.pictures() if action.get("action") == "TeleportFull" else -1
        if self.strikes("sequence", number):
            whole["sequenceId"] += 1
        if self.strikes("no-success", number):
            del whole["agents"][0]["lastActionSuccess"]
        fields = [(METADATA, msgpack.packb(whole)), *((kind, picture[::-1].tobytes()) for kind, picture in pictures)]
        if self.strikes("garbage", number):
            fields.append((UNKNOWN, b"?"))
        for kind, body in (*fields, (END, b"")):
            out.write(struct.pack("!BI", kind, len(body)) + body)
        out.flush()

    def spare(self, metadata: dict[str, Any]) -> None:
        """Leave out what the client can do without; depth is then a share of the clipping range."""
        for key in ("lastAction", "depthFormat", "cameraPosition", "agent"):
            del metadata[key]
        metadata["objects"] = [{key: item[key] for key in ("objectId", "objectType")} for item in metadata["objects"]]
        if not metadata["lastActionSuccess"]:
            metadata["errorCode"] = "InvalidAction"

    def lavish(self, metadata: dict[str, Any], pictures: list[tuple[int, Any]]) -> tuple[dict[str, Any], list[Any]]:
        """More than was asked for: a second agent that sees nothing, a camera on the wall, walls that are objects."""
        walls = [{"objectId": name, "objectType": "Wall", "visible": True} for name in WALLS]
        objects = [*walls, *metadata["objects"], {"objectType": "Mug"}, {"objectId": "thing|1", "objectType": None}]
        colors = [*metadata["colors"], {"color": [1, 2, 3], "name": "nothing|1"}, {"color": [7, 7, 7], "name": "Floor"}]
        agent = {**metadata["agent"], "cameraHorizon": int(self.room.horizon), "position": {"x": 0}}
        agent["rotation"] = {"y": int(self.room.heading)}
        active = {**metadata, "objects": objects, "colors": colors, "agent": agent}
        active["thirdPartyCameras"] = [{"thirdPartyCameraId": 0}]
        image = pictures[0][1]
        rgba = np.concatenate((image, np.zeros((*image.shape[:2], 1), np.uint8)), 2)
        both = [(kind, picture) for kind, full in ((RGB, rgba), *pictures[1:]) for picture in (full * 0, full)]
        agents = [{**active, "objects": [], "thirdPartyCameras": []}, active]
        return {"agents": agents, "thirdPartyCameras": [], "activeAgentId": 1}, [*both, (THIRD_PARTY_RGB, image)]

    def tables(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """`objects` and `colors`; walls have colours and no entry among the objects, one object is never seen."""
        objects = [
            {
                "objectId": name,
                "objectType": kind,
                "visible": False,
                "parentReceptacles": list(receptacles) or None,
                "axisAlignedBoundingBox": {
                    "center": dict(zip("xyz", map(float, center), strict=True)),
                    "size": dict(zip("xyz", map(float, size), strict=True)),
                },
            }
            for name, kind, center, size, receptacles in self.room.boxes
        ]
        objects.append({"objectId": "Vase|+09.00|+00.00|+00.00", "objectType": "Vase", "visible": True})
        names = [item["objectId"] for item in objects] + list(WALLS)
        return objects, [{"color": list(color_of(name)), "name": name} for name in names]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", required=True)
    parser.add_argument("--manner", choices=("usual", "spare", "lavish"), default="usual")
    parser.add_argument("--fault", default="")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("-screen-width", type=int, dest="width", default=64)
    parser.add_argument("-screen-height", type=int, dest="height", default=48)
    args, _ = parser.parse_known_args()
    StandIn(args).run()


if __name__ == "__main__":
    main()
