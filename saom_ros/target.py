"""`Target`: the object that somebody chose with ~/select, followed from frame to frame."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from saom_core.errors import InputError
from saom_core.instances import Instances
from saom_core.tracking.tracker import Tracker


@dataclass(frozen=True)
class TargetInFrame:
    """What became of the selection in one frame."""

    selection: str = ""  # a class name, or "track 7"; empty: nothing is selected
    index: int | None = None  # of the selected instance, if it is in the frame
    track_id: int = 0  # of the object that is followed; 0: none yet
    reason: str = ""  # why it is not in the frame; empty where it is, or where nothing is selected


class Target:
    """Follows one object: the one with a track id, or the best one of a class, which is then held by its track id.

    An object that was chosen by its class stays the target while it is remembered, whatever it is called later and
    whatever other object of the class has a better score. Only when its track id can never come back is the next
    best one chosen. Services choose and the worker looks, each in a thread of its own.

    Args:
        tracker: gives the ids; it knows which of them are lost.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._lock = threading.Lock()
        self._class_name, self._track_id = "", 0
        self._last = TargetInFrame()

    def choose(self, class_name: str = "", track_id: int = 0) -> str:
        """Selects an object from the next frame on, or none; says what is selected now.

        Args:
            class_name: of the model, in any letter case.
            track_id: of an object, instead of a class.

        Raises:
            InputError: no object had that track id, or it will never have it again.
        """
        state = self._tracker.state(track_id)
        if track_id and state in ("never", "gone"):
            why = "no object has had this number yet" if state == "never" else "it was lost, and no number comes back"
            raise InputError(
                f"expected the track_id of an object that is seen or was seen a moment ago, got {track_id}: {why}; "
                "take one from the last message on ~/instances"
            )
        with self._lock:
            self._class_name, self._track_id = class_name, track_id
            self._last = TargetInFrame(self._selection, track_id=track_id, reason="no frame has come since")
        lost = " (out of sight at the moment)" if track_id and state == "lost" else ""
        return f"target: {self._selection or 'none'}{lost}"

    @property
    def last(self) -> TargetInFrame:
        """What became of the selection in the last frame."""
        return self._last

    def find(self, instances: Instances) -> TargetInFrame:
        """Looks for the target among the tracked instances of the next frame, best first."""
        with self._lock:
            self._last = self._found(instances)
            return self._last

    @property
    def _selection(self) -> str:
        return self._class_name or (f"track {self._track_id}" if self._track_id else "")

    def _found(self, instances: Instances) -> TargetInFrame:
        if not self._selection:
            return TargetInFrame()
        held = self._track_id or (self._last.track_id if self._last.selection == self._class_name else 0)
        if held:
            seen = np.flatnonzero(instances.track_ids == held)
            if seen.size:
                return TargetInFrame(self._selection, int(seen[0]), held)
            gone = self._tracker.state(held) == "gone"
            if self._track_id or not gone:
                why = "is lost for good: select another object" if gone else "is out of sight"
                return TargetInFrame(self._selection, None, held, f"track {held} {why}")
        wanted = self._class_name.casefold()
        best = next((k for k, name in enumerate(instances.class_names) if name.casefold() == wanted), None)
        if best is None:
            lost = f"track {held} is lost for good, and " if held else ""
            return TargetInFrame(self._selection, reason=f"{lost}no {self._class_name} is in sight")
        return TargetInFrame(self._selection, best, max(0, int(instances.track_ids[best])))
