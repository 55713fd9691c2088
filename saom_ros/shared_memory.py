"""Whether the images of this process go through shared memory, as the Fast DDS profile says.

Where Fast DDS cannot reserve the memory it sends everything over UDP, at the rate of lost images, and nobody is told.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

from rclpy.utilities import get_rmw_implementation_identifier

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Of Fast DDS 3 (from Kilted on) and Fast DDS 2."""

FOLDER = Path("/dev/shm")
MAPPINGS = Path("/proc/self/maps")
FILES = Path("/proc/self/fd")
_SEGMENT = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) .* (/dev/shm/fast(?:dds|rtps)_[0-9a-f]+)$", re.MULTILINE)
"""A mapped segment; the files of ports and locks have other names."""
LOCK = "_el"
"""Ends the name of the file that the owner of a segment holds open; who merely reads the segment does not."""


def shared_memory_trouble() -> str:
    """What is wrong with the shared memory of this process, once its node exists, and what to do; "" if nothing is."""
    if "fastrtps" not in get_rmw_implementation_identifier() or not MAPPINGS.is_file():
        return ""
    profile = next((os.environ[name] for name in PROFILE_VARIABLES if os.environ.get(name)), "")
    if not profile:
        return (
            "no Fast DDS profile is set, so camera images get lost on the way: set "
            f"{' or '.join(PROFILE_VARIABLES)} to config/fastdds.xml of this package, for the camera's driver and the "
            "subscribers, too"
        )
    wanted = segment_bytes(Path(profile))
    if not wanted or max(_own_segments(), default=0) >= wanted:
        return ""
    size = shutil.disk_usage(FOLDER)
    return (
        f"the {_megabytes(wanted)} of shared memory that {profile} reserves for each process are not there, so images "
        f"go over UDP and get lost: {FOLDER} has {_megabytes(size.total)}, {_megabytes(size.free)} of it free; give it "
        "more (docker run --shm-size=512m, or --ipc=host), remove what ended processes left there (fastdds shm clean), "
        "or make segment_size in the profile smaller"
    )


def _own_segments() -> list[int]:
    """Bytes of each segment that this process has made; those of processes that it listens to are mapped as well."""
    opened = set()
    for file in FILES.iterdir():
        with contextlib.suppress(OSError):  # closed in the meantime
            opened.add(os.readlink(file))
    mapped = _SEGMENT.findall(MAPPINGS.read_text())
    return [int(end, 16) - int(begin, 16) for begin, end, name in mapped if name + LOCK in opened]


def segment_bytes(profile: Path) -> int:
    """The largest segment of shared memory that a profile asks for; 0: none, or no profile that can be read."""
    try:
        root = ElementTree.parse(profile).getroot()
    except (OSError, ElementTree.ParseError):
        return 0
    return max((int(one.text or 0) for one in root.iter() if one.tag.endswith("segment_size")), default=0)


def _megabytes(number: int) -> str:
    return f"{number / 2**20:.0f} MB"
