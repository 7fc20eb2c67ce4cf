"""Data-flow diagram: client to server to client, the trust boundary, and what was read there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import formats, svg, words
from .cards import Card
from .grid import title

WIDTH, HEIGHT = 480, 372


@dataclass(frozen=True, kw_only=True)
class Parties:
    """What the boxes and edges of the diagram say.

    Attributes:
        trusted: Above the boundary.
        curious: Below it.
        holds: Title and note of the box that has the secret.
        ends: Title and note of the box that has the result.
        kept: On the edge between them.
        out: On the edge down across the boundary.
        more: Below it: how many other kinds cross there.
        back: On the edge up again; empty where nothing returns.
        seen: Title and note of the curious box.
        sentence: The same in words, for those who cannot see it.
    """

    trusted: str
    curious: str
    holds: tuple[str, str]
    ends: tuple[str, str]
    kept: str
    out: str
    more: str
    back: str
    seen: tuple[str, str]
    sentence: str


def kinds(card: Card) -> tuple[str, ...]:
    """Kinds of the messages that are read, where the finding records them."""
    found: dict[str, None] = {}
    for line in card.lines:
        tap = line.row.games.get("tap")
        named = tap.get("requests", ()) if isinstance(tap, Mapping) else tap
        if isinstance(named, list | tuple):
            found |= dict.fromkeys(map(str, named))
    return tuple(found)


def parties(coalition: Sequence[str], sent: Sequence[str] = ()) -> Parties:
    """A protocol between client and servers, or a publication by a curator."""
    who = title(coalition) if coalition else "server"
    if words.released(coalition):
        return Parties(
            trusted="curator: trusted",
            curious="everybody: curious",
            holds=("holds the records", "private images"),
            ends=("averages them", "clipped, with noise"),
            kept="stays with the curator",
            out="",
            more="",
            back="release",
            seen=("the public", "keeps all it sees"),
            sentence="The curator publishes a release across the trust boundary. ",
        )
    return Parties(
        trusted="client's device: trusted",
        curious="server side: honest but curious",
        holds=("holds the secret", "prompt and coins"),
        ends=("ends with", "the finished picture"),
        kept="stays on the device",
        out=svg.cut(sent[0], 10) if sent else "requests",
        more=f"and {len(sent) - 1} more" if len(sent) > 1 else "",
        back="replies",
        seen=(svg.cut(who, 20), "keeps all it sees"),
        sentence=(
            f"The client sends {formats.joined(sent) or 'requests'} across the trust boundary to "
            f"{who} and gets replies. "
        ),
    )


def flow(card: Card, name: str) -> str:
    """The diagram of one game; its leak edge carries the strongest measurement of `card`."""
    who = parties(card.coalition, kinds(card))
    return svg.picture(
        [
            *_lanes(who),
            *_box(14, who.holds),
            *_box(318, who.ends),
            *_seen(who),
            *_edges(who, name),
            *_leak(card, name),
        ],
        name=name,
        width=WIDTH,
        height=HEIGHT,
        title="Data flow and trust boundary",
        description=(
            f"To be hidden: {words.secret(card.finding.claim)}. {who.sentence}"
            f"Reading that view, the strongest adversary against {card.name} reached "
            f"{card.strongest}; verdict {card.label}."
        ),
        class_="flow",
    )


def _lanes(who: Parties) -> list[str]:
    return [
        svg.box(1, 1, WIDTH - 2, 132, "lane trusted", 10),
        svg.box(1, 165, WIDTH - 2, HEIGHT - 166, "lane curious", 10),
        svg.line(1, 149, WIDTH - 1, 149, "boundary"),
        svg.element("rect", x=168, y=138, width=144, height=22, class_="plate"),
        svg.label(WIDTH / 2, 154, "trust boundary", "boundary-text", "middle"),
        svg.label(WIDTH / 2, 24, who.trusted, "lane-text", "middle"),
        svg.label(WIDTH / 2, 189, who.curious, "lane-text", "middle"),
    ]


def _box(left: float, texts: tuple[str, str]) -> list[str]:
    return [
        svg.box(left, 44, 148, 64, "node", 8),
        svg.label(left + 74, 72, texts[0], "node-text", "middle"),
        svg.label(left + 74, 92, texts[1], "node-note", "middle"),
    ]


def _seen(who: Parties) -> list[str]:
    return [
        svg.box(162, 204, 156, 56, "node seen", 8),
        svg.label(240, 229, who.seen[0], "node-text", "middle"),
        svg.label(240, 248, who.seen[1], "node-note", "middle"),
    ]


def _edges(who: Parties, name: str) -> list[str]:
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

    parts = [
        svg.element("defs", marker),
        edge("M162 76H316", "edge kept"),
        svg.label(240, 68, who.kept, "edge-note", "middle"),
    ]
    if who.out:
        parts.append(edge("M88 108V216Q88 232 104 232H160", "edge"))
        parts.append(svg.label(80, 226, who.out, "edge-text", "end"))
        parts.append(svg.label(80, 244, who.more, "edge-note", "end"))
        parts.append(edge("M318 232H376Q392 232 392 216V110", "edge"))
    else:
        parts.append(edge("M392 108V216Q392 232 376 232H320", "edge"))
    return [*parts, svg.label(402, 226, who.back, "edge-text")]


def _leak(card: Card, name: str) -> list[str]:
    finding = card.finding
    value = formats.UNMEASURED
    if finding.estimate is not None:
        value = f"{formats.signed(finding.estimate)} {formats.interval(finding.interval)}"
    strongest = f"{words.SYMBOLS[finding.verdict]} {svg.cut(finding.metric, 18)} {value}"
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
