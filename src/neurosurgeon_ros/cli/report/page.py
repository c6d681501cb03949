# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""HTML page of a report: no scripts, no requests, all text escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from neurosurgeon_ros.cli.report.charts import CHARTS, NARROW, WIDE, draw
from neurosurgeon_ros.cli.report.figures import Span, spans, table
from neurosurgeon_ros.diagnostics.records import SeenDecision

#: Maximum number of listed spans without the edge; the longest come first.
MAX_SPANS = 50

# The content security policy allows a browser to load only what is in the page.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
body {{ font: 16px/1.45 system-ui, sans-serif; color: #1b1b3a; margin: 0 auto; max-width: 1100px;
  padding: 0 16px 32px; }}
h1 {{ font-size: 1.5rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.15rem; margin: 2rem 0 .5rem; }}
img {{ width: 100%; height: auto; display: block; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border-bottom: 1px solid #ddd; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }}
th {{ font-weight: 600; }}
@media (min-width: 700px) {{ #figures table {{ max-width: 640px; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
{sections}
</body>
</html>
"""


def make_page(decisions: Sequence[SeenDecision], name: str) -> str:
    """
    Make the page.

    :param decisions: at least one, in order.
    :param name: name of the file that they came from.
    :returns: HTML.
    """
    sections = [_section("figures", "Figures", _rows(table(decisions)))]
    sections += [_section(key, heading, _chart(key, heading, decisions)) for key, heading in CHARTS.items()]
    sections.append(_section("outages", "Without the edge", _outages(spans(decisions))))
    return _PAGE.format(title=escape(f"neurosurgeon: {name}"), sections="\n".join(sections))


def _section(key: str, heading: str, content: str) -> str:
    return f'<section id="{key}">\n<h2>{escape(heading)}</h2>\n{content}\n</section>'


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    cells = (f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return "<table>\n" + "\n".join(cells) + "\n</table>"


def _chart(key: str, heading: str, decisions: Sequence[SeenDecision]) -> str:
    wide, narrow = (_data_url(draw(key, decisions, layout)) for layout in (WIDE, NARROW))
    return (
        f'<picture><source media="(max-width: 699px)" srcset="{narrow}"><img src="{wide}" alt="{escape(heading)}">'
        "</picture>"
    )


def _outages(found: Sequence[Span]) -> str:
    if not found:
        return "<p>No frame had to do without the edge.</p>"
    longest = sorted(found, key=lambda span: span.first - span.last)[:MAX_SPANS]
    rows = "\n".join(
        f"<tr><td>{span.first} to {span.last}</td><td>{span.seconds:.1f} s</td><td>{escape(span.kind)}</td>"
        f"<td>{escape(span.reason)}</td></tr>"
        for span in longest
    )
    more = f"<p>The longest {MAX_SPANS} of {len(found)}.</p>" if len(found) > MAX_SPANS else ""
    return f"<table>\n<tr><th>frames</th><th>time</th><th>kind</th><th>reason</th></tr>\n{rows}\n</table>{more}"


def _data_url(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
