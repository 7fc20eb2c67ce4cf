"""Curves are drawn from measures, on one scale, with floor, claim and ceiling."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from latentleak.audits.report.curves import NARROW, WIDE, Layout, curve_figure, curves, highest

SVG = "{http://www.w3.org/2000/svg}"


def _point(x: float, y: float, who: str = "reader", **more: Any) -> dict[str, Any]:
    return {
        "name": "normalized pixel similarity",
        "adversary": who,
        "estimate": y,
        "interval": [y - 0.1, y + 0.1],
        "along": ["servers", x],
        **more,
    }


def test_points_are_sorted_and_grouped_by_adversary() -> None:
    (curve,) = curves([_point(2, 0.5), _point(1, 0.1), _point(1, 0.2, "other"), _point(3, 1, "b")])
    assert list(curve.series) == ["reader"]  # a single point is no curve
    assert [p.x for p in curve.series["reader"]] == [1, 2]
    assert (curve.floor, curve.ceiling, curve.along) == (0, 1, "servers")


def test_measures_without_a_place_are_no_curves() -> None:
    assert curves([{"name": "LPIPS", "estimate": 0.3}, _point(1, float("nan"))]) == ()


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_a_drawing_shows_every_point_inside_it(layout: Layout) -> None:
    measures = [_point(x, x / 4 - 2 * (x == 0), who) for x in range(5) for who in "abcdef<"]
    (curve,) = curves(measures)
    text = curve_figure(curve, limit=0.05, name="c", layout=layout)
    drawing = ElementTree.fromstring(text.replace("<svg", f'<svg xmlns="{SVG[1:-1]}"', 1))
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    dots = drawing.findall(f"{SVG}circle")
    assert len(dots) == len(measures)
    assert all(0 <= float(d.attrib["cx"]) <= width for d in dots)
    assert all(0 <= float(d.attrib["cy"]) <= height for d in dots)
    assert sum(e.attrib.get("class") == "limit" for e in drawing.iter(f"{SVG}line")) == 7
    heights = {d.attrib["cx"]: float(d.attrib["cy"]) for d in dots[:5]}
    assert list(heights.values()) == sorted(heights.values(), reverse=True)


@pytest.mark.parametrize(("interval", "bars"), [([None, None], 0), (["-inf", "inf"], 2), (None, 0)])
def test_an_interval_without_bounds_fills_the_panel(interval: Any, bars: int) -> None:
    (curve,) = curves([_point(x, 0.5, interval=interval) for x in (1, 2)])
    text = curve_figure(curve, limit=None, name="c")
    assert text.count('class="interval"') == bars


def test_the_trace_joins_the_best_at_each_place() -> None:
    (curve,) = curves([_point(1, 0.6), _point(1, 0.0), _point(2, 0.7), _point(3, 0.1)])
    points = curve.series["reader"]
    assert [(p.x, p.y) for p in highest(points)] == [(1, 0.6), (2, 0.7), (3, 0.1)]
    text = curve_figure(curve, limit=None, name="c")
    (trace,) = re.findall(r'<path d="M([^"]*)" class="trace"', text)
    assert len(trace.split("L")) == 3
    assert text.count("<circle") == 4
