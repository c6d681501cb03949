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

from neurosurgeon_ros.ros.process.middleware import is_fast_dds
from neurosurgeon_ros.ros.process.stale_memory import SHARED_MEMORY, remove_dead_memory

#: Environment variables in which Fast DDS looks for a profile: up to version 2, and from version 3 on. If the user has
#: set one of them, it is kept: rmw_fastrtps passes the older one on to version 3 as well.
PROFILES_FILE, NEWER_PROFILES_FILE = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"

#: The shipped profile in config/, in the form of the version that reads the variable.
SHIPPED = {PROFILES_FILE: "fastdds.xml", NEWER_PROFILES_FILE: "fastdds3.xml"}

# The libraries of the two versions, with the variable that each reads.
_LIBRARIES = {"libfastdds.so*": NEWER_PROFILES_FILE, "libfastrtps.so*": PROFILES_FILE}

#: Maximum share of the free shared memory that the segment takes, so that other nodes find room; of the machine's
#: memory; and its minimum size in bytes, below which it would hold no message.
_SHARE, _SHARE_OF_MACHINE, _LEAST_BYTES = 0.3, 0.005, 1 << 20

# ElementTree's name of a namespace that is not named: the two versions have different ones.
_ANY = "{*}"
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
    Make Fast DDS load the shipped profile, see :data:`SHIPPED`, unless the user has set another one.

    The shared memory of killed processes is removed first. Then the segment is sized to fit the free memory. With
    another RMW implementation, nothing is done.

    :param transport: AUTO for shared memory and UDP, UDP for UDP only.
    :param folder: folder of the shared memory.
    :returns: a sentence for the log if there is too little shared memory to use, otherwise an empty string.
    """
    if not is_fast_dds():
        return ""
    remove_dead_memory(folder)
    if any(_users(os.environ.get(name)) for name in SHIPPED):
        return ""
    variable = profile_variable()
    shipped = shipped_profile()
    if shipped is None:
        return ""
    wanted, free = shipped_segment_bytes(shipped), free_bytes(folder)
    segment = 0 if transport is Transport.UDP else segment_bytes(wanted, free, machine=machine_bytes())
    os.environ[variable] = str(shipped)
    if segment != wanted:
        loopback = not segment and discovery_is_local()
        try:
            made = make_profile(shipped, segment, loopback=loopback)
            os.environ[variable] = str(_write(made, shipped.stem, segment, loopback))
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
    if not is_fast_dds():
        return None
    variable = profile_variable()
    path = Path(os.environ.get(variable, ""))
    if any(os.environ.get(name) for name in SHIPPED if name != variable) or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    if _PROFILE not in text:
        return None
    return Transport.AUTO if _SHM_ID in text else Transport.UDP


def profile_variable() -> str:
    """
    Return the environment variable in which the installed Fast DDS looks for a profile.

    The library tells the version: the first one that is found where the loader and ROS 2 look. If there is none, as
    with another RMW implementation, the variable has no effect, and the older one is returned.
    """
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    folders = [Path(one) for one in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if one]
    for folder in (*folders, *(Path(prefix) / "lib" for prefix in prefixes if prefix)):
        for library, variable in _LIBRARIES.items():
            if any(folder.glob(library)):
                return variable
    return PROFILES_FILE


def shipped_profile() -> Path | None:
    """Return the installed profile in the form that the installed Fast DDS reads; None if there is none."""
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        path = Path(get_package_share_directory("neurosurgeon_ros")) / "config" / SHIPPED[profile_variable()]
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def profile_advice() -> str:
    """Return how other programs load the shipped profile."""
    name = profile_variable()
    return f"{name} naming this package's config/{SHIPPED[name]}"


def forget_profile() -> None:
    """Remove the profile from the environment, so that a program that replaces this one applies its own."""
    for name in SHIPPED:
        os.environ.pop(name, None)


def discovery_is_local() -> bool:
    """
    Return whether discovery is limited to this machine.

    In this case rmw_fastrtps adds its own shared-memory transport to those of the profile. A profile without shared
    memory therefore limits discovery itself, and :func:`apply_profile` resets the range in the environment.
    """
    only = os.environ.get("ROS_LOCALHOST_ONLY", "")
    return only == "1" or os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "LOCALHOST"


def segment_bytes(wanted: int, free: int, *, machine: int) -> int:
    """
    Return the size of a segment that leaves room for the segments of other nodes; 0 if there is no room.

    :param wanted: maximum size in bytes; a power of two, as is the returned size.
    :param free: number of free bytes.
    :param machine: number of bytes of memory that the machine has. A segment is in memory as a whole, so it has 16 MB
        on a machine of 4 GB.
    """
    while wanted > min(_SHARE * free, max(_SHARE_OF_MACHINE * machine, _LEAST_BYTES)):
        wanted //= 2
    return wanted if wanted >= _LEAST_BYTES else 0


def free_bytes(folder: Path) -> int:
    """Return how many bytes of a file system are free for this user; 0 if the file system does not exist."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize


def machine_bytes() -> int:
    """Return how much memory the machine has, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def shipped_segment_bytes(profile: Path) -> int:
    """Return the size of the segment in a profile."""
    return int(_shared_memory(ElementTree.parse(profile).getroot()).findtext(f"{_ANY}segment_size", "0"))


def make_profile(profile: Path, segment: int, *, loopback: bool = False) -> str:
    """
    Return a profile with a segment of another size.

    :param profile: path of the shipped profile.
    :param segment: size in bytes; 0 for a profile without shared memory.
    :param loopback: discover and reach other processes over the loopback interface only.
    """
    root = ElementTree.parse(profile).getroot()
    namespace = root.tag.removesuffix("dds").strip("{}")
    ElementTree.register_namespace("", namespace)  # Fast DDS reads no prefix
    descriptor = _shared_memory(root)
    if segment:
        for name in ("segment_size", "maxMessageSize"):
            element = descriptor.find(f"{_ANY}{name}")
            if element is not None:
                element.text = str(segment if name == "segment_size" else min(segment, int(element.text or segment)))
    else:
        for parent in root.iter():
            for child in list(parent):
                if child is descriptor or (child.text or "").strip() == _SHM_ID:
                    parent.remove(child)
    if loopback:
        for place, fragment in (("transport_descriptor", _ON_LOOPBACK), ("builtin", _FOUND_ON_LOOPBACK)):
            for element in root.iterfind(f".//{_ANY}{place}"):
                element.extend(ElementTree.fromstring(f'<_ xmlns="{namespace}">{fragment}</_>'))
    return ElementTree.tostring(root, encoding="unicode")


def _shared_memory(root: ElementTree.Element) -> ElementTree.Element:
    """Return the descriptor of the shared-memory transport."""
    for descriptor in root.iterfind(f".//{_ANY}transport_descriptor"):
        if descriptor.findtext(f"{_ANY}transport_id", "") == _SHM_ID:
            return descriptor
    raise ValueError(f"the profile describes no transport {_SHM_ID}")


def _folder() -> Path:
    """Return this user's folder for profiles, which holds only a few files."""
    folder = Path(tempfile.gettempdir()) / f"neurosurgeon-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user, and must be this user's: remove it")
    return folder


def _write(text: str, name: str, segment: int, loopback: bool) -> Path:
    """Write a profile atomically; returns its path."""
    path = _folder() / f"{name}-{segment >> 20}MB{'-loopback' * loopback}.xml"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
    return path


def _users(path: str | None) -> bool:
    """Return whether the user set a profile; False for a profile that a parent of this process wrote."""
    return bool(path) and Path(path or "").parent.name != f"neurosurgeon-{os.geteuid()}"
