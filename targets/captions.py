"""Captions of the embedded set, and prompts of single persons in the same words."""

import re
from dataclasses import dataclass

import numpy as np

GENDERS = ("woman", "man", "person")
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
POSSESSIVES = {"woman": "her", "man": "his", "person": "their"}
STYLE_NAMES = {
    "noto": "noto", "twemoji": "twemoji", "fluent-3d": "fluent 3d", "fluent-flat": "fluent flat",
}  # fmt: skip
_TONE = re.compile(r"(?:(?<=: )|(?<=, ))((?:medium-)?(?:light|medium|dark)) skin tone(?:, )?")


@dataclass(frozen=True, kw_only=True)
class PersonPrompt:
    """What a prompt says about one person.

    Attributes:
        gender: One of `GENDERS`; `person` leaves it open.
        tone: One of `TONES`.
        subject: Occupation or activity, such as `firefighter` or `riding bike`; may be empty.
        style: A key of `STYLE_NAMES`, or empty.
    """

    gender: str
    tone: str
    subject: str = ""
    style: str = "noto"

    def __str__(self) -> str:
        """The caption as the set writes it: `woman firefighter: dark skin tone, noto style`."""
        head = f"{self.gender} {self.subject}".strip()
        return f"{head}: {self.tone} skin tone{_style(self.style)}"

    def natural(self) -> str:
        """The same in a sentence: `a woman firefighter with dark skin, noto style`."""
        head = f"{self.gender} {self.subject}".strip()
        return f"a {head} with {self.tone} skin{_style(self.style)}"


def _style(style: str) -> str:
    return f", {STYLE_NAMES[style]} style" if style else ""


def caption(label: str, style: str) -> str:
    """The caption of an image: its label and its style."""
    return label + _style(style)


def vary(label: str, style: str, gender: str, rng: np.random.Generator) -> str:
    """A caption in one of the forms that the embedded model is trained on.

    Args:
        label: Name of the emoji.
        style: Style of the image; left out of some captions.
        gender: `woman`, `man` or `person` for one person, else empty.
        rng: Source of the choice.
    """
    if gender == "person" and not re.search(r"\b(person|child|merperson)\b", label):
        label = f"person {label}" if rng.random() < 0.5 else label
    tone = _TONE.search(label)
    if tone and gender and rng.random() < 0.5:
        label = _sentence(label, tone, gender, rng)
    elif rng.random() < 0.15:
        label = f"a {label}"
    ending = rng.choice(4, p=(0.76, 0.1, 0.07, 0.07))
    name = STYLE_NAMES[style]
    return (f"{label}, {name} style", f"{label} in {name} style", f"{name} {label}", label)[ending]


def _sentence(label: str, tone: re.Match[str], gender: str, rng: np.random.Generator) -> str:
    head, rest = label[: tone.start()].rstrip(" :,"), label[tone.end() :].strip(" ,")
    first, _, hair = head.partition(": ")
    extra = ", ".join(part for part in (hair, rest) if part)
    shade = tone[1]
    with_extra = f"{first} with {extra}" if extra and "facing" not in extra else head
    facing = f", {extra}" if extra and "facing" in extra else ""
    forms = (
        f"a {with_extra} with {shade} skin",
        f"{with_extra} with {shade} skin tone",
        f"a {shade} skin {with_extra}",
        f"portrait of a {with_extra} with {POSSESSIVES[gender]} {shade} skin",
    )
    return forms[rng.integers(len(forms))] + facing
