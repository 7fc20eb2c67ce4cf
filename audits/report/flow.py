"""Data-flow diagram: client to server to client, the trust boundary, and what was read there."""

from __future__ import annotations

from collections.abc import Sequence

from . import formats, svg, words
from .cards import Card

WIDTH, HEIGHT = 480, 372


def flow(card: Card, coalition: Sequence[str], name: str) -> str:
    """The diagram of one game; its leak edge carries the strongest measurement of `card`."""
    servers = formats.joined(coalition) or "server"
    return svg.picture(
        [
            *_lanes(),
            *_client(),
            *_server(servers),
            *_edges(name),
            *_leak(card, name),
        ],
        name=name,
        width=WIDTH,
        height=HEIGHT,
        title="Data flow and trust boundary",
        description=(
            f"To be hidden: {words.secret(card.finding.claim)}. "
            f"The client sends requests across the trust boundary to {servers} and gets replies. "
            f"Reading that view, the strongest adversary against {card.name} reached "
            f"{card.strongest}; verdict {card.label}."
        ),
        class_="flow",
    )


def _lanes() -> list[str]:
    return [
        svg.box(1, 1, WIDTH - 2, 132, "lane trusted", 10),
        svg.box(1, 165, WIDTH - 2, HEIGHT - 166, "lane curious", 10),
        svg.line(1, 149, WIDTH - 1, 149, "boundary"),
        svg.element("rect", x=168, y=138, width=144, height=22, class_="plate"),
        svg.label(WIDTH / 2, 154, "trust boundary", "boundary-text", "middle"),
        svg.label(WIDTH / 2, 24, "client's device: trusted", "lane-text", "middle"),
        svg.label(WIDTH / 2, 189, "server side: honest but curious", "lane-text", "middle"),
    ]


def _client() -> list[str]:
    return [
        svg.box(14, 44, 148, 64, "node", 8),
        svg.label(88, 72, "holds the secret", "node-text", "middle"),
        svg.label(88, 92, "prompt and coins", "node-note", "middle"),
        svg.box(318, 44, 148, 64, "node", 8),
        svg.label(392, 72, "ends with", "node-text", "middle"),
        svg.label(392, 92, "the finished picture", "node-note", "middle"),
    ]


def _server(servers: str) -> list[str]:
    return [
        svg.box(162, 204, 156, 56, "node seen", 8),
        svg.label(240, 229, svg.cut(servers, 20), "node-text", "middle"),
        svg.label(240, 248, "keeps all it sees", "node-note", "middle"),
    ]


def _edges(name: str) -> list[str]:
    arrow = svg.path("M0 0L8 4L0 8z", "arrow")
    marker = svg.element(
        "marker",
        arrow,
        id=f"{name}-arrow",
        viewBox="0 0 8 8",
        refX=7,
        refY=4,
        markerWidth=8,
        markerHeight=8,
        orient="auto-start-reverse",
    )
    end = f"url(#{name}-arrow)"

    def edge(d: str, class_: str) -> str:
        return svg.element("path", d=d, class_=class_, marker_end=end)

    return [
        svg.element("defs", marker),
        edge("M162 76H316", "edge kept"),
        svg.label(240, 68, "stays on the device", "edge-note", "middle"),
        edge("M88 108V216Q88 232 104 232H160", "edge"),
        svg.label(78, 226, "requests", "edge-text", "end"),
        edge("M318 232H376Q392 232 392 216V110", "edge"),
        svg.label(402, 226, "replies", "edge-text"),
    ]


def _leak(card: Card, name: str) -> list[str]:
    finding = card.finding
    value = formats.UNMEASURED
    if finding.estimate is not None:
        value = f"{formats.signed(finding.estimate)} {formats.interval(finding.interval)}"
    strongest = f"{words.SYMBOLS[finding.verdict]} {svg.cut(finding.metric, 24)} {value}"
    return [
        svg.element(
            "path",
            d="M240 260V294",
            class_=f"edge leak {card.tone}",
            marker_end=f"url(#{name}-arrow)",
        ),
        svg.label(252, 281, "adversaries read the view", "edge-note"),
        svg.box(24, 296, 432, 62, f"verdict-plate {card.tone}", 8),
        svg.label(240, 320, strongest, "leak-text", "middle"),
        svg.label(240, 343, f"{card.label} · {svg.cut(card.name, 34)}", "leak-note", "middle"),
    ]
