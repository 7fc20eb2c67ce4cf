"""Text, numbers and names as LaTeX that a bare article class compiles."""

from __future__ import annotations

import re
import unicodedata

_MARKS = {
    **{"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"},
    **{"^": r"\textasciicircum{}", '"': "''", "<": "$<$", ">": "$>$", "|": "$|$"},
    **{mark: f"\\{mark}" for mark in "#$%&_"},
    **{"\N{MINUS SIGN}": "$-$", "\N{MULTIPLICATION SIGN}": r"$\times$", "…": r"\ldots{}"},
    **{"≥": r"$\geq$", "≤": r"$\leq$", "·": r"$\cdot$", "“": "``", "”": "''", "\u00a0": "~"},
    **{"\N{EN DASH}": "--", "\N{EM DASH}": "---", "\N{RIGHT SINGLE QUOTATION MARK}": "'"},
    **{"\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$", "\u03b5": r"$\epsilon$"},
}
_ACCENTS = {"\u0300", "\u0301", "\u0302", "\u0303", "\u0308", "\u030a", "\u030c", "\u0327"}
_NUMBER = re.compile(r"(?<![\w.])([+\N{MINUS SIGN}-]?)(\d[\d,]*\.?\d*)(?:e([+-]?\d+))?(?![\w.])")
_NAMES = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_DIGITS = {str(digit): name for digit, name in enumerate(_NAMES)}
_WORDS = {
    **{"dp": "DP", "dpagg": "DPAgg", "ti": "TI", "sgd": "SGD", "he": "HE", "unet": "UNet"},
    **{"obclip": "ObCLIP", "ppidm": "PPIDM", "id": "ID"},
}


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is, on one line; what has no letter in it is named.

    >>> escape("50 % of p_1 − q"), escape("é 😀")
    ('50 \\% of p\\_1 $-$ q', 'é (U+1F600)')
    """
    return "".join(map(_mark, " ".join(text.split())))


def _mark(mark: str) -> str:
    if mark in _MARKS:
        return _MARKS[mark]
    if mark.isascii():
        return mark if mark.isprintable() else ""
    base, *accents = list(unicodedata.normalize("NFD", mark))
    plain = base.isascii() and base.isalpha() and len(accents) == 1 and accents[0] in _ACCENTS
    return mark if plain else f"(U+{ord(mark):04X})"


def number(text: str) -> str:
    r"""What `formats` wrote, with every number in math mode; it stands in text and in math.

    >>> number("[+0.010, unbounded]"), number("2e-14")
    ('[\\ensuremath{+0.010}, unbounded]', '\\ensuremath{2\\times 10^{-14}}')
    """
    parts, end = [], 0
    for found in _NUMBER.finditer(text):
        sign, digits, power = found.groups()
        exponent = f"\\times 10^{{{int(power)}}}" if power else ""
        parts.append(escape_around(text[end : found.start()]))
        grouped = digits.replace(",", "{,}")
        minus = sign.replace("\N{MINUS SIGN}", "-")
        parts.append(f"\\ensuremath{{{minus}{grouped}{exponent}}}")
        end = found.end()
    return "".join([*parts, escape_around(text[end:])])


def escape_around(text: str) -> str:
    """`escape` that keeps the spaces at both ends."""
    left, right = text[:1].isspace(), text[-1:].isspace() and text.strip() != ""
    return f"{' ' if left else ''}{escape(text)}{' ' if right else ''}"


def camel(name: str) -> str:
    """A name as part of a macro: letters only, alike for ever.

    >>> camel("dpagg-ti"), camel("128-bits-2024")
    ('DPAggTI', 'OneTwoEightBitsTwoZeroTwoFour')
    """
    words = re.findall(r"[A-Za-z]+|\d", unicodedata.normalize("NFKD", name))
    return "".join(_DIGITS.get(w) or _WORDS.get(w.lower()) or w[:1].upper() + w[1:] for w in words)


def slug(name: str) -> str:
    """A name as part of a file name or a label.

    >>> slug("which-prompt/obclip")
    'which-prompt-obclip'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
