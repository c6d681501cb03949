# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Apply the Fast DDS profile that the nodes run with, before rclpy starts.

Fast DDS reads the profile once per process, with its first participant. Another transport, or a segment of another
size, requires another process.
"""

from __future__ import annotations

import enum
import os
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from neurosurgeon_ros.ros.process.stale_memory import SHARED_MEMORY, remove_dead_memory

#: Environment variables in which Fast DDS looks for a profile. If the user has set one of them, it is kept.
PROFILES_FILE, NEWER_PROFILES_FILE = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"

#: Maximum share of the free shared memory that the segment takes, so that other nodes find room; and its minimum size
#: in bytes, below which it would hold no message.
_SHARE, _LEAST_BYTES = 0.3, 1 << 20

_NAMESPACE = {"p": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
_SHM_ID = "neurosurgeon_shm"
_PROFILE = 'profile_name="neurosurgeon"'

#: Same as in rmw_fastrtps when discovery is limited to this machine: at most 32 processes are found.
_ON_LOOPBACK = (
    "<maxInitialPeersRange>32</maxInitialPeersRange>"
    "<interfaceWhiteList><address>127.0.0.1</address></interfaceWhiteList>"
)
_FOUND_ON_LOOPBACK = (
    "<initialPeersList><locator><udpv4><address>127.0.0.1</address></udpv4></locator></initialPeersList>"
)


class Transport(enum.Enum):
    """How messages travel between processes on one machine."""

    AUTO = "auto"
    UDP = "udp"


#: Values of the parameter `transport`.
DDS_TRANSPORTS = tuple(transport.value for transport in Transport)


def apply_profile(transport: Transport = Transport.AUTO, *, folder: Path = SHARED_MEMORY) -> str:
    """
    Make Fast DDS load the shipped profile, config/fastdds.xml, unless the user has set another one.

    The shared memory of killed processes is removed first. Then the segment is sized to fit the free memory. Other RMW
    implementations do not read the profile.

    :param transport: AUTO for shared memory and UDP, UDP for UDP only.
    :param folder: folder of the shared memory.
    :returns: a sentence for the log if there is too little shared memory to use, otherwise an empty string.
    """
    remove_dead_memory(folder)
    if any(_users(os.environ.get(name)) for name in (PROFILES_FILE, NEWER_PROFILES_FILE)):
        return ""
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        shipped = Path(get_package_share_directory("neurosurgeon_ros")) / "config" / "fastdds.xml"
    except PackageNotFoundError:
        return ""
    if not shipped.is_file():
        return ""
    wanted, free = shipped_segment_bytes(shipped), free_bytes(folder)
    segment = 0 if transport is Transport.UDP else segment_bytes(wanted, free)
    os.environ[PROFILES_FILE] = str(shipped)
    if segment != wanted:
        loopback = not segment and discovery_is_local()
        try:
            os.environ[PROFILES_FILE] = str(
                _write(make_profile(shipped, segment, loopback=loopback), segment, loopback)
            )
            if loopback:
                os.environ.pop("ROS_LOCALHOST_ONLY", None)
                os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SYSTEM_DEFAULT"
        except OSError as problem:
            return f"a Fast DDS profile that fits cannot be written, so the shipped one is used: {problem}"
    if segment or transport is Transport.UDP:
        return ""
    return (
        f"{folder} has {free / 1e6:.1f} MB left, too little for shared memory: messages between nodes on this machine "
        "go over UDP, which takes longer; give it 64 MB or more (docker run --shm-size=256m, or --ipc=host)"
    )


def applied_transport() -> Transport | None:
    """Return the transport of this process; None if another profile or another RMW implementation determines it."""
    if not os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps").startswith("rmw_fastrtps"):
        return None
    path = Path(os.environ.get(PROFILES_FILE, ""))
    if os.environ.get(NEWER_PROFILES_FILE) or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    if _PROFILE not in text:
        return None
    return Transport.AUTO if _SHM_ID in text else Transport.UDP


def discovery_is_local() -> bool:
    """
    Return whether discovery is limited to this machine.

    In this case rmw_fastrtps adds its own shared-memory transport to those of the profile. A profile without shared
    memory therefore limits discovery itself, and :func:`apply_profile` resets the range in the environment.
    """
    only = os.environ.get("ROS_LOCALHOST_ONLY", "")
    return only == "1" or os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "LOCALHOST"


def segment_bytes(wanted: int, free: int) -> int:
    """
    Return the size of a segment that leaves room for the segments of other nodes; 0 if there is no room.

    :param wanted: maximum size in bytes; a power of two, as is the returned size.
    :param free: number of free bytes.
    """
    while wanted > _SHARE * free:
        wanted //= 2
    return wanted if wanted >= _LEAST_BYTES else 0


def free_bytes(folder: Path) -> int:
    """Return how many bytes of a file system are free for this user; 0 if the file system does not exist."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


def shipped_segment_bytes(profile: Path) -> int:
    """Return the size of the segment in a profile."""
    return int(_shared_memory(ElementTree.parse(profile).getroot()).findtext("p:segment_size", "0", _NAMESPACE))


def make_profile(profile: Path, segment: int, *, loopback: bool = False) -> str:
    """
    Return a profile with a segment of another size.

    :param profile: path of the shipped profile.
    :param segment: size in bytes; 0 for a profile without shared memory.
    :param loopback: discover and reach other processes over the loopback interface only.
    """
    ElementTree.register_namespace("", _NAMESPACE["p"])
    root = ElementTree.parse(profile).getroot()
    descriptor = _shared_memory(root)
    if segment:
        for name in ("segment_size", "maxMessageSize"):
            element = descriptor.find(f"p:{name}", _NAMESPACE)
            if element is not None:
                element.text = str(segment if name == "segment_size" else min(segment, int(element.text or segment)))
    else:
        for parent in root.iter():
            for child in list(parent):
                if child is descriptor or (child.text or "").strip() == _SHM_ID:
                    parent.remove(child)
    if loopback:
        for place, fragment in ((".//p:transport_descriptor", _ON_LOOPBACK), (".//p:builtin", _FOUND_ON_LOOPBACK)):
            for element in root.iterfind(place, _NAMESPACE):
                element.extend(ElementTree.fromstring(f'<_ xmlns="{_NAMESPACE["p"]}">{fragment}</_>'))
    return ElementTree.tostring(root, encoding="unicode")


def _shared_memory(root: ElementTree.Element) -> ElementTree.Element:
    """Return the descriptor of the shared-memory transport."""
    for descriptor in root.iterfind(".//p:transport_descriptor", _NAMESPACE):
        if descriptor.findtext("p:transport_id", "", _NAMESPACE) == _SHM_ID:
            return descriptor
    raise ValueError(f"the profile describes no transport {_SHM_ID}")


def _folder() -> Path:
    """Return this user's folder for profiles, which holds only a few files."""
    folder = Path(tempfile.gettempdir()) / f"neurosurgeon-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user, and must be this user's: remove it")
    return folder


def _write(text: str, segment: int, loopback: bool) -> Path:
    """Write a profile atomically; returns its path."""
    path = _folder() / f"fastdds-{segment >> 20}MB{'-loopback' * loopback}.xml"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
    return path


def _users(path: str | None) -> bool:
    """Return whether the user set a profile; False for a profile that a parent of this process wrote."""
    return bool(path) and Path(path or "").parent.name != f"neurosurgeon-{os.geteuid()}"
