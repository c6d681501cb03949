# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The page around the video and the charts, without its own scripts. Its style adapts it to narrow screens."""

from __future__ import annotations

from html import escape

from neurosurgeon_ros.cli.charts import OUTCOMES, STAGES
from neurosurgeon_ros.cli.view.history import RECENT, Standing

#: Style of the figures at the top. Bokeh isolates it from the page's style.
TILE_STYLE = """
:host { width: 100%; }
.tiles { display: flex; flex-wrap: wrap; gap: 8px; font: 14px/1.3 system-ui, sans-serif; color: #1b1b3a; }
.tile { flex: 1 1 104px; background: #fff; border: 1px solid #e2e2ea; border-radius: 8px; padding: 8px 12px; }
.tile b { display: block; font-size: 20px; font-weight: 600; overflow-wrap: anywhere; }
.tile.wide { flex-grow: 2; }
.ended b { color: #8c2f39; }
"""

_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f6fa; color: #1b1b3a; font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1500px; margin: 0 auto; padding: 12px; display: grid; gap: 12px;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
header { grid-column: 1 / -1; }
h1 { font-size: 1.2rem; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 4px; }
section { background: #fff; border: 1px solid #e2e2ea; border-radius: 8px; padding: 10px 12px; min-width: 0; }
#video img { display: block; width: 100%; height: auto; min-height: 120px; background: #1b1b3a; border-radius: 4px; }
ul { list-style: none; margin: 0 0 4px; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: .85rem; }
li::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .4em; vertical-align: -.05em;
  background: var(--colour); border: 1px solid #888; box-sizing: border-box; }
li.line::before { height: 3px; border: 0; vertical-align: .25em; }
li.dot::before { border-radius: 50%; border: 0; }
li.square::before { border: 0; }
li.ring::before { border-radius: 50%; border: 1.5px solid black; }
li.hatched::before { background: repeating-linear-gradient(135deg, #888 0 1px, #fff 1px 4px); }
@media (max-width: 800px) { main { grid-template-columns: minmax(0, 1fr); padding: 8px; gap: 8px; } }
"""


def template() -> str:
    """Return the page as a Bokeh template. Bokeh inserts the title, the charts and their library."""
    return f"""{{% extends base %}}
{{% block preamble %}}
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
{{% endblock %}}
{{% block contents %}}
<main>
<header><h1>{{{{ title | e }}}}</h1>{{{{ embed(roots.tiles) }}}}</header>
<section id="video"><h2>What the robot sees</h2><img src="video" alt="the robot's annotated video"></section>
{_section("delay", f"Delay by stage, and the mean of {RECENT} frames", _stages())}
{_section("points", "Chosen partition point and codec", _outcomes())}
{_section("prediction", "Offloading delay, predicted and observed", _PREDICTION)}
{_section("uplink", "Uplink, as the frames that were sent have found it", _UPLINK)}
</main>
{{% endblock %}}
"""


def tiles(standing: Standing) -> str:
    """Return the figures at the top as HTML."""
    last = standing.last
    if last is None:
        said = "the run has ended" if standing.ended else "waiting for the first frame"
        return f'<div class="tiles"><div class="tile{" ended" if standing.ended else ""}"><b>{said}</b></div></div>'
    decision = last.decision
    shares = ", ".join(f"{name.replace('_', ' ')} {count / last.number:.0%}" for name, count in standing.outcomes)
    cells = [
        (f"{last.number} / {standing.frames}", "the run has ended" if standing.ended else "frames"),
        (f"{1e3 * decision.total_delay:.0f} ms", "last frame"),
        (f"{1e3 * last.mean_s:.0f} ms", f"mean of {RECENT}"),
        (f"{1e3 * standing.mean_s:.0f} ms", "mean of all"),
        (f"{standing.rate_hz:.1f} Hz", "accepted"),
        (str(decision.frames_dropped), "dropped while busy"),
        (decision.arm, decision.reason or "chosen for the last frame"),
        (shares, "outcomes"),
    ]
    parts = []
    for index, (value, name) in enumerate(cells):
        kind = "tile" + (" ended" if standing.ended and index == 0 else "") + (" wide" if index >= 6 else "")
        parts.append(f'<div class="{kind}"><b>{escape(value)}</b>{escape(name)}</div>')
    return f'<div class="tiles">{"".join(parts)}</div>'


def _section(name: str, heading: str, legend: str) -> str:
    return f'<section id="{name}"><h2>{escape(heading)}</h2><ul>{legend}</ul>{{{{ embed(roots.{name}) }}}}</section>'


def _item(text: str, colour: str, kind: str = "") -> str:
    return f'<li class="{kind}" style="--colour: {colour}">{escape(text)}</li>'


def _stages() -> str:
    items = [_item(text, colour, "hatched" if colour == "#ffffff" else "") for text, colour, _ in STAGES]
    return "".join([*items, _item(f"mean of {RECENT}", "black", "line")])


def _outcomes() -> str:
    kinds = {"o": "dot", "s": "square", "X": "square"}
    items = [_item(text, colour, kinds[marker]) for _, marker, colour, text in OUTCOMES]
    return "".join([*items, _item("forced sample", "transparent", "ring")])


_PREDICTION = _item("observed", "#3f6fb5", "dot") + _item("predicted", "#8c2f39", "line")
_UPLINK = _item("payload by its time on the way", "#1b1b3a", "dot")
