"""Every drawing of a report: inside its page, and each as a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from . import curves, epsilon, forest
from .cards import Card
from .flow import flow
from .latex_text import slug
from .membership import allowed, roc_figures, scores_by_arm
from .page import Page
from .pairs import Pair
from .svg import standalone


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One drawing.

    Attributes:
        file: Name of its file, without suffix.
        svg: The element, with a name that is its own within the page.
        title: What stands above it.
        narrow: Whether it is for small screens; each has a twin that is not.
    """

    file: str
    svg: str
    title: str = ""
    narrow: bool = False


def forests(card: Card) -> Iterator[Drawing]:
    """Every adversary in every arm, a drawing for each metric."""
    for number, (_, lines) in enumerate(card.groups):
        rows = [line.row for line in lines]
        for narrow, layout in ((False, forest.WIDE), (True, forest.NARROW)):
            name = f"{card.anchor}-{number}-{'narrow' if narrow else 'wide'}"
            drawn = forest.forest(rows, limit=card.limit, name=name, layout=layout)
            yield Drawing(file=_file("forest", card, number), svg=drawn, narrow=narrow)


def leakage(card: Card) -> Iterator[Drawing]:
    """Curves over whatever a finding's measures run along."""
    for number, curve in enumerate(curves.curves(card.finding.measures)):
        limit = card.limit if card.finding.metric == curve.measure else None
        for narrow, layout in ((False, curves.WIDE), (True, curves.NARROW)):
            name = f"{card.anchor}-curve-{number}-{'narrow' if narrow else 'wide'}"
            drawn = curves.curve_figure(curve, limit=limit, name=name, layout=layout)
            which = f"{curve.measure} {curve.along} {number}"
            yield Drawing(file=_file("curve", card, which), svg=drawn, narrow=narrow)


def rates(card: Card) -> Iterator[Drawing]:
    """ROC of every attack, log-log; a few attacks a drawing."""
    for number, (arm, sides) in enumerate(scores_by_arm(card.folder, card.finding)):
        name, limit = f"{card.anchor}-roc-{number}", allowed(card.finding, arm)
        figures = roc_figures(sides, alpha=card.finding.alpha, name=name, limit=limit)
        for part, drawn in enumerate(figures):
            title = f"{arm}, continued" if part else arm
            yield Drawing(file=_file("roc", card, f"{arm} {part}"), svg=drawn, title=title)


def flows(pair: Pair) -> Iterator[Drawing]:
    """What crosses the trust boundary, and what it gave away."""
    if pair.threat is not None:
        file = slug(f"flow/{pair.scenario}/{pair.defense}")
        yield Drawing(file=file, svg=flow(pair.cards[0], f"flow-{pair.number}"))


def epsilons(page: Page) -> Iterator[Drawing]:
    """Claim, bound and ceiling of every claim of differential privacy."""
    for narrow, layout in ((False, epsilon.WIDE), (True, epsilon.NARROW)):
        name = f"epsilon-{'narrow' if narrow else 'wide'}"
        if drawn := epsilon.epsilon_figure(page.cards, name=name, layout=layout):
            yield Drawing(file="epsilon", svg=drawn, narrow=narrow)


def drawings(page: Page) -> Iterator[Drawing]:
    """All of a report."""
    yield from epsilons(page)
    for pair in page.overview.pairs:
        yield from flows(pair)
    for card in page.cards:
        yield from forests(card)
        yield from leakage(card)
        yield from rates(card)


def as_files(page: Page, style: str) -> Mapping[str, bytes]:
    """Drawings, each with the page's style inside, and pictures that can be trusted, by name."""
    every = (each for each in drawings(page) if not each.narrow)
    drawn = {f"{each.file}.svg": standalone(each.svg, style).encode() for each in every}
    return {**drawn, **dict(_pictures(page.cards))}


def _pictures(cards: Iterable[Card]) -> Iterator[tuple[str, bytes]]:
    for card in cards:
        for artifact in card.artifacts:
            path = PurePosixPath(artifact.path)
            if artifact.data is not None and path.suffix in (".png", ".jpg"):
                yield (
                    f"{slug('/'.join(path.with_suffix('').parts[1:]))}{path.suffix}",
                    artifact.data,
                )


def _file(kind: str, card: Card, which: object) -> str:
    return slug(f"{kind}/{card.finding.id}/{which}")
