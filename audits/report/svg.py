"""Vector pictures as text: elements with every value escaped, coloured by the page's style."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr


def element(name: str, *children: str, text: str | None = None, **attributes: object) -> str:
    """One element; `class_` stands for `class`, an underscore in a name for a hyphen.

    >>> element("text", text="a < b", x=1.25, text_anchor="end")
    '<text x="1.25" text-anchor="end">a &lt; b</text>'
    """
    pairs = "".join(
        f" {_name(key)}={quoteattr(_value(value))}"
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(children) if text is None else escape(text)
    return f"<{name}{pairs}>{inner}</{name}>" if inner else f"<{name}{pairs}/>"


def picture(
    children: Iterable[str],
    *,
    name: str,
    width: float,
    height: float,
    title: str,
    description: str,
    class_: str = "",
) -> str:
    """A drawing with title and description for those who cannot see it.

    Args:
        children: Elements.
        name: Unique within the page.
        width: Of the coordinate system; it scales to the page.
        height: The same.
        title: What it is.
        description: What it shows.
        class_: Style.
    """
    return element(
        "svg",
        element("title", text=title, id=f"{name}-title"),
        element("desc", text=description, id=f"{name}-desc"),
        *children,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_=class_,
    )


def standalone(drawing: str, style: str) -> str:
    """A drawing as a file of its own, with the page's style inside."""
    opened = '<svg xmlns="http://www.w3.org/2000/svg"' + drawing.removeprefix("<svg")
    head, end, rest = opened.partition(">")
    return f"{head}{end}<style><![CDATA[{style}]]></style>{rest}\n"


def label(x: float, y: float, text: str, class_: str = "", anchor: str = "start") -> str:
    """Text on its baseline; `anchor` is `start`, `middle` or `end`."""
    return element("text", text=text, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def box(x: float, y: float, width: float, height: float, class_: str, radius: float = 0) -> str:
    """A rectangle."""
    rx = radius or None
    return element("rect", x=x, y=y, width=width, height=height, rx=rx, class_=class_)


def path(d: str, class_: str) -> str:
    """A path."""
    return element("path", d=d, class_=class_)


def hatching(x: float, y: float, width: float, height: float) -> str:
    """Diagonal lines that fill a rectangle (drawn one by one: patterns print as bitmaps)."""
    strokes = []
    for start in range(8, int(width + height), 8):
        left, right = max(0.0, start - height), min(float(start), width)
        down, up = min(float(start), height), max(0.0, start - width)
        strokes.append(f"M{x + left:.0f} {y + down:g}l{right - left:.0f} {up - down:g}")
    return path("".join(strokes), "hatch-line") if strokes else ""


def cut(text: str, length: int) -> str:
    """Text of at most `length` characters, with an ellipsis where it is longer."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _name(key: str) -> str:
    return key.removesuffix("_").replace("_", "-")


def _value(value: object) -> str:
    return f"{round(value, 2):g}" if isinstance(value, float) else str(value)
