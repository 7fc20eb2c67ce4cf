"""From emoji labels to attributes and families: gender, skin tone, age, kind, base concept."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FEMALE = frozenset(["woman", "women", "girl", "mother", "queen", "princess", "mrs", "mermaid"])
MALE = frozenset(["man", "men", "boy", "father", "king", "prince", "merman", "santa"])
UNMARKED = frozenset(["person", "people", "child", "merperson", "mx"])
CHILDREN = frozenset(["girl", "boy", "child", "baby"])
ELDERS = frozenset(["old", "older"])
PERSON_SUBGROUPS = range(23, 30)
HANDS_SUBGROUPS = range(16, 23)
RENAMED = {
    "princess": "crown", "prince": "crown", "person with crown": "crown",
    "mermaid": "mer", "merman": "mer", "merperson": "mer",
    "mrs. claus": "claus", "santa claus": "claus", "mx claus": "claus",
    "girl": "child", "boy": "child", "old man": "old", "old woman": "old", "older person": "old",
    "person with skullcap": "skullcap", "man with skullcap": "skullcap",
}  # fmt: skip
DROPPED = FEMALE | MALE | UNMARKED | {"and", "in", "with", "a", "of"}


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One emoji as emojibase names it.

    Attributes:
        code: Hexadecimal code points, lower case, joined by `-`, without `fe0f`.
        label: Name, such as `woman firefighter: medium-dark skin tone`.
        family: Base concept; siblings in tone, gender or direction share it.
        kind: `person`, `people`, `hand` or `thing`.
        gender: `woman`, `man` or `person` (unmarked) for one person, else empty.
        tone: 1 (light) to 5 (dark); 0 where there is none or more than one.
        age: `child`, `adult` or `older` for one person, else empty.
    """

    code: str
    label: str
    family: str
    kind: str
    gender: str
    tone: int
    age: str


def normal(code: str) -> str:
    """The key under which the packages' file names and emojibase's codes agree."""
    parts = (part.zfill(4) for part in code.lower().split("-"))
    return "-".join(part for part in parts if part != "fe0f")


def concepts(data: bytes) -> Iterator[Concept]:
    """All concepts of emojibase's `data.json`, in its order."""
    for base in json.loads(data):
        for entry in (base, *base.get("skins", ())):
            yield _concept(entry, base)


def _concept(entry: Mapping[str, Any], base: Mapping[str, Any]) -> Concept:
    label, subgroup = str(entry["label"]), int(base.get("subgroup", -1))
    words = set(re.findall(r"[a-z]+", label.lower()))
    kind = "thing"
    if subgroup in PERSON_SUBGROUPS:
        kind = "person"
    elif base.get("group") == 1 and subgroup >= PERSON_SUBGROUPS.stop:
        kind = "people"
    elif subgroup in HANDS_SUBGROUPS:
        kind = "hand"
    if kind == "person" and ("people" in words or {"women", "men"} & words):
        kind = "people"
    tone = entry.get("tone", 0)
    one = kind == "person"
    return Concept(
        code=normal(str(entry["hexcode"])),
        label=label,
        family=family(label, kind),
        kind=kind,
        gender=_gender(words) if one else "",
        tone=tone if isinstance(tone, int) else 0,
        age=_age(words) if one else "",
    )


def _gender(words: set[str]) -> str:
    if words & FEMALE:
        return "woman"
    return "man" if words & MALE else "person"


def _age(words: set[str]) -> str:
    if words & ELDERS:
        return "older"
    return "child" if words & CHILDREN else "adult"


def family(label: str, kind: str) -> str:
    """The base concept of a label: gender, tone and direction taken away.

    >>> family("woman firefighter: medium-dark skin tone", "person")
    'firefighter'
    """
    text = re.sub(r",? ?(medium-)?(light|medium|dark) skin tone", "", label.lower())
    text = text.replace(" facing right", "").strip(" :,")
    if kind == "thing":
        if re.search(r"o.clock|-thirty$", text):
            return "clock"
        return text.split(":")[0] if text.startswith(("keycap", "moon")) else text
    text = RENAMED.get(text, text)
    if kind == "people" and ":" in text:
        return text.split(":")[0]
    words = [word for word in re.findall(r"[\w'-]+", text) if word not in DROPPED]
    return " ".join(words) or "person"


def split(family_name: str, style: str) -> str:
    """`member`, or why held out: the `concept` in every style, or only this `style` of it."""
    if _uniform("concept", family_name) < 0.08:
        return "concept"
    return "style" if _uniform("style", style, family_name) < 0.10 else "member"


def _uniform(*parts: str) -> float:
    digest = hashlib.sha256("/".join(("latentleak emoji split v1", *parts)).encode()).digest()
    return float(int.from_bytes(digest[:8], "big") / 2**64)
