# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the clocks agree, and what the link to the edge carries."""

from __future__ import annotations

import math

from neurosurgeon_ros.doctor.checks.network import is_overloaded
from neurosurgeon_ros.doctor.facts import Facts, RobotFacts, has_edge
from neurosurgeon_ros.doctor.finding import Finding, error, ok, skipped, warning

CLOCKS, LINK_RATE, LINK_LOSS = "clocks", "link rate", "link loss"

#: Seconds by which clocks may differ: a message that waits this long on its way looks like a wrong clock.
_APART_S = 0.5

#: Seconds by which images may be older than that when they arrive.
_OLD_S = 5.0

#: Bytes of one image as jpeg, as the shipped networks take it, and the seconds that it may take.
_IMAGE_BYTES, _SLOW_S = 32_000, 0.1

#: Share of packets that a link may lose, the fewest losses that show more than chance, and the fewest probes that do.
#: On a slow link few probes fit, and its full queue drops packets in any case.
_LOSSY, _FEWEST, _ENOUGH = 0.01, 2, 50


def clocks(facts: Facts) -> Finding:
    """Check that the clocks of robot, edge and camera agree with this machine's."""
    robot, edge = facts.robot, facts.edge
    apart = {
        "the robot's clock": math.nan if robot is None else robot.clock_ahead_s,
        "the edge's clock": math.nan if edge is None else edge.clock_ahead_s,
    }
    known = {name: seconds for name, seconds in apart.items() if not math.isnan(seconds)}
    wrong = [f"{name} is {_ahead(seconds)}" for name, seconds in known.items() if abs(seconds) > _APART_S]
    if wrong:
        return warning(
            CLOCKS,
            f"{' and '.join(wrong)} this machine's",
            "run chrony or systemd-timesyncd on all machines: robot and edge compare no clocks, but tf, recordings "
            "and logs do",
        )
    behind_s = math.nan if robot is None else robot.stamps_behind_s
    if behind_s > _OLD_S or behind_s < -_APART_S:
        return warning(
            CLOCKS,
            f"the images' stamps are {_ahead(-behind_s)} this machine's clock",
            "set the clock of the camera's machine; a recording that is played needs use_sim_time and /clock",
        )
    if not known:
        return skipped(CLOCKS, "neither robot nor edge is heard")
    return ok(CLOCKS, f"at most {1e3 * max(map(abs, known.values())):.0f} ms apart, the messages' way included")


def link_rate(facts: Facts) -> Finding:
    """Check that the link carries images in a fraction of a second."""
    if facts.robot is not None and facts.edge is None and has_edge(facts.robot.report):
        return _seen_by_robot(facts.robot)
    unknown = _why_unknown(facts)
    if unknown:
        return skipped(LINK_RATE, unknown)
    link = facts.link
    if link.is_unanswered:
        return error(
            LINK_RATE,
            "the edge's statuses arrive, and it does not answer this command: the link towards it is full or loses "
            "much, or it serves max_robots robots",
            _CLOSER,
        )
    if math.isnan(link.round_trip_s):
        return error(
            LINK_RATE,
            f"none of {link.sent} small probes was answered: the link is down, or full",
            "bring the robot back within reach of its access point, and stop other traffic",
        )
    trip = f"{1e3 * link.round_trip_s:.1f} ms there and back"
    if facts.edge is not None and facts.edge.near:
        return ok(LINK_RATE, f"the edge is on this machine, {trip}")
    if math.isnan(link.rate_bps):
        return error(LINK_RATE, f"small probes take {trip}, larger ones do not arrive in time", _CLOSER)
    rate = f"{link.rate_bps / 1e6:.1f} Mbit/s" if link.rate_bps < 1e8 else "more than 100 Mbit/s"
    image_s = 8 * _IMAGE_BYTES / link.rate_bps
    if image_s > _SLOW_S:
        return warning(
            LINK_RATE,
            f"{rate} to the edge beside the robot's own traffic, {trip}: an image as jpeg takes about {image_s:.1f} s",
            _CLOSER,
        )
    return ok(LINK_RATE, f"{rate} to the edge, {trip}")


_CLOSER = (
    "bring the robot closer to its access point, take a 5 GHz channel or a cable, and stop other traffic; until then "
    "the robot works on its own where that is faster"
)


def _seen_by_robot(robot: RobotFacts) -> Finding:
    """Judge the link to an edge that this command has not discovered, although the robot has."""
    rate = "" if robot.report is None else robot.report.values.get("link rate [Mbit/s]", "")
    seen = f", and the robot's frames travel at {rate} Mbit/s" if rate[:1].isdigit() else ""
    return error(
        LINK_RATE,
        f"the link is so slow, or loses so much, that discovery takes longer than this command{seen}",
        _CLOSER,
    )


def link_loss(facts: Facts) -> Finding:
    """Check that the link loses almost no packets."""
    unknown = _why_unknown(facts)
    link = facts.link
    if unknown or math.isnan(link.round_trip_s):
        return skipped(LINK_LOSS, unknown or "no probe was answered")
    if facts.edge is not None and facts.edge.near:
        return ok(LINK_LOSS, "the edge is on this machine")
    if is_overloaded(facts):
        return skipped(LINK_LOSS, f"the overloaded edge loses probes itself, {link.lost} of {link.sent}")
    if link.sent < _ENOUGH:
        return skipped(LINK_LOSS, f"the link is too slow for enough probes, {link.lost} of {link.sent} were lost")
    there, back = link.lost / max(link.sent, 1), link.lost_answers / max(link.answered, 1)
    lossy = any(share >= _LOSSY and lost >= _FEWEST for share, lost in ((there, link.lost), (back, link.lost_answers)))
    what = f"{link.lost} of {link.sent} probes to the edge, {link.lost_answers} of {link.answered} answers"
    if not lossy:
        return ok(LINK_LOSS, what)
    return warning(
        LINK_LOSS,
        f"the link loses {max(there, back):.0%} of the packets: {what}",
        "bring the robot closer to its access point or take a 5 GHz channel, and set net.ipv4.ipfrag_time=3 and "
        "net.ipv4.ipfrag_high_thresh=134217728 on both machines (sysctl)",
    )


def _why_unknown(facts: Facts) -> str:
    if facts.link.why_not:
        return facts.link.why_not
    if facts.edge is not None and facts.edge.near and facts.robot is not None and not facts.robot.near:
        return "the edge is on this machine and the robot is not: run this command on the robot's"
    return ""


def _ahead(seconds: float) -> str:
    return f"{_duration(abs(seconds))} {'ahead of' if seconds > 0.0 else 'behind'}"


def _duration(seconds: float) -> str:
    for unit, length_s in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 0.95 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.1f} s"
