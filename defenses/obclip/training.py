"""Train the detector.

python -m latentleak.defenses.obclip.training --cache DOWNLOADS --out FOLDER

Deterministic. Words are labelled by the lists of the rules and by `training_words`; sentences are
templates of our own. Needs the `rebuild` extra and `pyarrow`.
"""

from __future__ import annotations

import argparse
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from ...targets.emoji import Emoji
from ...targets.rebuild import glove
from ..seeds import stream
from .declared import BUILT_IN
from .detector import BUCKETS, KINDS, PRIORS, STEP, Floats, Kind, Model, buckets_of, pack
from .lexicon import FUNCTION_WORDS
from .training_words import (
    AGED,
    GENDERED,
    ORIGINS_MORE,
    OTHERS_MORE,
    PERSONS_MORE,
    SURNAMES,
)
from .vocabulary import BODY, FOREIGN, NAMES, PERSONS, THINGS, words

VOCABULARY = 130_000
SENTENCES = 24_000
FALSE_ALARMS = 0.006
"""Share of words that show nothing, each in a sentence, that the threshold lets through."""
PERSON_FROM = 0.5
STRENGTH = 0.02
"""Inverse strength of the L2 penalty: words weigh more than places."""
FORGET = 0.1
"""Share of training words whose own probabilities are hidden: learn from letters and context."""

AMBIGUOUS = words("""
leo helena jan tristan martin garcia solomon marshall maarten chad mariana mark teddy nerd mate
joker
prince claus blond headscarf barber latin orthodox
""")
"""Words of captions that may name or describe somebody: no examples of `other`."""

SENTENCES_OF = """
a photo of a {adjective} {noun} {verb} in the {thing}
a {thing} and a {adjective} {noun} near the {noun}
portrait of a {adjective} {noun} with {adjective} {body}
a {adjective} {noun} {verb} a {noun} , {adjective} {thing}
a {noun} in a {adjective} {thing}
the {noun} is {verb} with <pronoun> {noun}
a {noun} and a {noun} {verb} by the {thing}
photo of {bare} {verb} in a {thing}
{bare} and {bare} {verb} at the {thing}
portrait of {bare} , {adjective} {thing}
{bare} 's {thing} on the {thing}
a <attribute> {noun} and <pronoun> {thing}
an <attribute> {noun} in the {adjective} {thing}
a <attribute> {adjective} {noun} {verb} , {adjective} {thing}
a <person> {verb} <pronoun> {noun} near a {adjective} {thing}
a <person> with a {adjective} {thing} and {adjective} {body}
a <person> with {bare}
a {adjective} {thing} on a {thing} , {adjective} , {adjective}
the {adjective} {thing} of a {noun} , {thing} style
{adjective} {noun} , {adjective} {thing} , {verb}
<person> {noun} : <attribute> skin tone , {thing} style
<person> {verb} {thing} : <attribute> skin tone
two {noun} {verb} a {thing}
the {noun} looks {adjective} and {adjective} in the {thing}
<pronoun> is {adjective} and {verb} the {thing}
a {noun} named {bare} with <pronoun> {thing}
<person> . {surname} with a {thing}
<person> . {surname} and <pronoun> {thing}
"""
"""Blanks are filled with words of a kind drawn from `MIXES`; `<...>` are masks."""

MIXES = {
    "noun": {"thing": 10, "person": 5, "gender": 4, "age": 1, "name": 1, "origin": 1},
    "bare": {"thing": 8, "name": 6, "gender": 2, "person": 1, "age": 1, "origin": 1},
    "surname": {"name": 9, "thing": 1},
    "adjective": {"plain": 12, "origin": 3, "age": 2, "gender": 2},
    "thing": {"thing": 1},
    "body": {"body": 1},
    "verb": {"verb": 1},
}
"""How often a blank holds which words: no blank gives its kind away."""


@dataclass(frozen=True)
class Example:
    """A word in its sentence."""

    context: tuple[str, ...]
    place: int
    kind: Kind


def labelled() -> dict[Kind, tuple[str, ...]]:
    """Words of each kind; a word that two lists hold goes to the one that shows more."""
    by_name = {a.name: _said_by(a.name) for a in BUILT_IN}
    persons = PERSONS | PERSONS_MORE
    sets = {
        Kind.NAME: NAMES | SURNAMES,
        Kind.GENDER: by_name["gender"] | GENDERED | FOREIGN,
        Kind.AGE: by_name["age"] | AGED,
        Kind.ORIGIN: by_name["ethnicity"] | ORIGINS_MORE,
        Kind.PERSON: persons | {f"{person}s" for person in persons},
        Kind.OTHER: THINGS | BODY | FUNCTION_WORDS | OTHERS_MORE | _captions(),
    }
    taken: set[str] = set()
    found = {}
    for kind, members in sets.items():
        found[kind] = tuple(sorted(w for w in members if w.isalpha() and w not in taken))
        taken |= members
    return {kind: found[kind] for kind in KINDS}


def _captions() -> set[str]:
    """Words of the embedded captions that no list of the rules takes for anything else."""
    found = re.findall("[a-z]{3,}", " ".join(Emoji.open().label.tolist()).lower())
    return set(found) - AMBIGUOUS


def _said_by(name: str) -> set[str]:
    attribute = next(a for a in BUILT_IN if a.name == name)
    forms = {form for row in attribute.rows for form in row}
    return (
        forms | {alias for alias, _ in attribute.aliases} | {*attribute.marks, *attribute.origins}
    )


def word_priors(
    words: Sequence[str], vectors: Floats, kinds: Mapping[Kind, Sequence[str]]
) -> tuple[Floats, dict[str, Floats]]:
    """Log-probabilities of kinds for all words, and held-out ones for the labelled words.

    Kernel logistic regression on the unit vectors (Nystroem); what a labelled word gets in
    training sentences comes from a fit that has not seen it (five folds).
    """
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    row = {word: i for i, word in enumerate(words)}
    known = [(w, k) for k, members in enumerate(kinds.values()) for w in members if w in row]
    x = unit[[row[w] for w, _ in known]]
    y = np.array([k for _, k in known])
    kernel = Nystroem(gamma=1.0, n_components=800, random_state=0)
    model = make_pipeline(kernel, LogisticRegression(C=30, max_iter=3000))
    held = np.asarray(cross_val_predict(model, x, y, cv=5, method="predict_log_proba"))
    everywhere = np.asarray(model.fit(x, y).predict_log_proba(unit))
    return everywhere, {w: held[i] for i, (w, _) in enumerate(known)}


def sentences(count: int, kinds: Mapping[Kind, Sequence[str]], seed: int) -> Iterator[Example]:
    """Words in sentences, the blanks filled at random."""
    rng = stream(seed, "detector")
    lines = [line.split() for line in SENTENCES_OF.strip().splitlines()]
    fill = _fill(kinds)
    for _ in range(count):
        line = lines[int(rng.integers(len(lines)))]
        drawn = [_draw(token, rng) for token in line]
        words = tuple(
            str(rng.choice(fill[name])) if name else {"a": "<a>", "an": "<a>"}.get(token, token)
            for name, token in zip(drawn, line, strict=True)
        )
        for place, name in enumerate(drawn):
            if name:
                shown = name in (kind.value for kind in KINDS)
                yield Example(words, place, Kind(name) if shown else Kind.OTHER)


def _draw(token: str, rng: np.random.Generator) -> str:
    if not token.startswith("{"):
        return ""
    mix = MIXES[token[1:-1]]
    shares = np.array(list(mix.values()), dtype=float)
    return str(rng.choice(list(mix), p=shares / shares.sum()))


def _fill(kinds: Mapping[Kind, Sequence[str]]) -> dict[str, Sequence[str]]:
    words = kinds[Kind.OTHER]
    verbs = [w for w in words if w.endswith("ing") and w not in THINGS]
    things = [w for w in words if w in THINGS]
    plain = sorted(set(words) - set(verbs) - set(things) - FUNCTION_WORDS - BODY)
    others = {"verb": verbs, "thing": things + plain, "plain": plain, "body": sorted(BODY)}
    return {**{kind.value: kinds[kind] for kind in KINDS}, **others}


def features(
    examples: Sequence[Example], priors: Mapping[str, Floats], rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], list[list[int]]]:
    """Dense features, labels and buckets; some words forget what is known of them."""
    dense = np.zeros((len(examples), PRIORS), dtype=np.float32)
    for i, example in enumerate(examples):
        prior = priors.get(example.context[example.place])
        if prior is None or rng.random() < FORGET:
            dense[i, -1] = 1
        else:
            dense[i, :-1] = np.maximum(prior, -15 * STEP)
    labels = np.array([KINDS.index(example.kind) for example in examples])
    return dense, labels, [buckets_of(e.context, e.place) for e in examples]


def train(cache: Path) -> Model:
    """The detector, from downloaded word vectors."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    kinds = labelled()
    words, vectors = glove.read(cache, VOCABULARY)
    everywhere, held = word_priors(words, vectors, kinds)
    examples = list(sentences(SENTENCES, kinds, seed=0))
    dense, labels, buckets = features(examples, held, stream(0, "forget"))
    indices = np.concatenate([np.asarray(b) for b in buckets])
    starts = np.concatenate([[0], np.cumsum([len(b) for b in buckets])])
    ones = np.ones(len(indices), dtype=np.float32)
    hashed = csr_matrix((ones, indices, starts), (len(labels), BUCKETS))
    x = hstack([csr_matrix(dense), hashed]).tocsr()
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(x, labels)
    codes = np.array([zlib.crc32(word.encode()) for word in words], dtype=np.uint32)
    codes, order = np.unique(codes, return_index=True)
    model = Model(
        words=codes,
        priors=pack(everywhere[order]),
        weights=fitted.coef_.T.astype(np.float16).astype(np.float32),
        bias=fitted.intercept_.astype(np.float32),
        thresholds=np.ones(2, dtype=np.float32),
    )
    return with_thresholds(model, dense, buckets, labels)


def with_thresholds(
    model: Model, dense: Floats, buckets: Sequence[Sequence[int]], labels: npt.NDArray[np.int64]
) -> Model:
    """Let `FALSE_ALARMS` of the words that show nothing through."""
    scores = [
        model.probabilities(prior, own)[2:].sum()
        for prior, own, label in zip(dense, buckets, labels, strict=True)
        if label < 2
    ]
    least = float(np.quantile(scores, 1 - FALSE_ALARMS))
    thresholds = np.array([max(least, 0.5), PERSON_FROM], dtype=np.float32)
    return Model(model.words, model.priors, model.weights, model.bias, thresholds)


def write(model: Model, folder: Path) -> Path:
    """Save as safetensors; weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "detector.safetensors"
    save_file(
        {
            "words": model.words,
            "priors": model.priors,
            "weights": model.weights.astype(np.float16),
            "bias": model.bias,
            "thresholds": model.thresholds,
        },
        file,
    )
    return file


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder of downloads")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trained detector")
    options = parser.parse_args()
    file = write(train(options.cache), options.out)
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
