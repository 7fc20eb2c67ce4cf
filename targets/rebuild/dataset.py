"""Build the emoji set: one sprite sheet a style, one table of labels, attributes and splits.

python -m latentleak.targets.rebuild.dataset --cache DOWNLOADS --out FOLDER
"""

import argparse
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import resvg_py
from PIL import Image

from .concepts import Concept, concepts, normal, split
from .packages import members, npm

SIZE = 64
COLUMNS = 62
QUALITY = 90
STYLES: Mapping[str, tuple[str, str, str, str]] = {
    "noto": ("emoji-datasource-google", "16.0.0", "package/img/google/64/", ".png"),
    "twemoji": ("emoji-datasource-twitter", "16.0.0", "package/img/twitter/64/", ".png"),
    "fluent-3d": ("@lobehub/fluent-emoji-3d", "1.1.0", "package/assets/", ".webp"),
    "fluent-flat": ("@lobehub/fluent-emoji-flat", "1.1.0", "package/assets/", ".svg"),
}
SWAPPED = {"1f3fc": "1f3fd", "1f3fd": "1f3fc"}
FIELDS = ("code", "label", "family", "kind", "gender", "tone", "age")


def render(data: bytes, suffix: str) -> bytes:
    """One emoji as `SIZE` x `SIZE` x 3 bytes, composited on white."""
    if suffix == ".svg":
        svg = data.decode()
        data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=2 * SIZE, height=2 * SIZE))
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    if image.size != (SIZE, SIZE):
        image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(canvas, image).convert("RGB").tobytes()


def swap_tones(code: str) -> str:
    """Undo the exchange of medium-light and medium in both `@lobehub` packages."""
    return "-".join(SWAPPED.get(part, part) for part in code.split("-"))


def read_style(style: str, known: frozenset[str], cache: Path) -> dict[str, bytes]:
    """Rendered images of the concepts that a style has, by code."""
    package, version, folder, suffix = STYLES[style]
    files: dict[str, bytes] = {}
    for name, data in members(npm(package, version, cache), folder, suffix):
        code = normal(name)
        code = swap_tones(code) if package.startswith("@lobehub") else code
        if code in known:
            files[code] = data
    return {code: render(data, suffix) for code, data in files.items()}


def sheet(images: Sequence[bytes]) -> Image.Image:
    """Images in rows of `COLUMNS`, in order."""
    rows = -(-len(images) // COLUMNS)
    canvas = Image.new("RGB", (COLUMNS * SIZE, rows * SIZE), "white")
    for i, data in enumerate(images):
        corner = (i % COLUMNS * SIZE, i // COLUMNS * SIZE)
        canvas.paste(Image.frombytes("RGB", (SIZE, SIZE), data), corner)
    return canvas


def write_table(
    rows: Iterable[Concept], styles: Mapping[str, Mapping[str, bytes]], out: Path
) -> None:
    """One line a label; a style's column says its split, or nothing where it lacks the label."""
    with (out / "emoji.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*FIELDS, *styles))
        for row in rows:
            values = [getattr(row, field) for field in FIELDS]
            splits = (
                split(row.family, s) if row.code in have else "" for s, have in styles.items()
            )
            writer.writerow((*values, *splits))


def build(cache: Path, out: Path, workers: int) -> dict[str, int]:
    """Write sheets and table to `out`; the number of images of each style."""
    out.mkdir(parents=True, exist_ok=True)
    archive = npm("emojibase-data", "17.0.0", cache)
    data = next(members(archive, "package/en/data", ".json"))[1]
    every = list(concepts(data))
    known = frozenset(concept.code for concept in every)
    with ProcessPoolExecutor(workers) as pool:
        tasks = {style: pool.submit(read_style, style, known, cache) for style in STYLES}
        styles = {style: task.result() for style, task in tasks.items()}
    rows = [c for c in every if any(c.code in have for have in styles.values())]
    for style, have in styles.items():
        image = sheet([have[c.code] for c in rows if c.code in have])
        image.save(out / f"{style}.webp", quality=QUALITY, method=6)
    write_table(rows, styles, out)
    return {style: len(have) for style, have in styles.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder of downloads")
    parser.add_argument("--out", type=Path, required=True, help="folder of sheets and table")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for style, count in build(options.cache, options.out, options.workers).items():
        print(f"{style}: {count} images")


if __name__ == "__main__":
    main()
