"""What a file of requests shows exactly, with no test: is the set a function of the prompt?"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from scipy.stats import chi2

from ..statistics import intersection_decoys
from .requests import Requests


def canonical_sets(requests: Requests) -> dict[str, Any]:
    """Requests whose real prompt was also sent in another set, and such in another order.

    Obliviousness rests on candidates(p) = candidates(q) for every q in candidates(p), in one
    order. A single request that breaks this shows that the set, or its order, depends on more.
    """
    sets: dict[frozenset[str], tuple[str, ...]] = {}
    containing: defaultdict[str, set[int]] = defaultdict(set)
    numbers: dict[frozenset[str], int] = {}
    reordered: list[int] = []
    for request, texts in enumerate(requests.candidates):
        name = frozenset(texts)
        if sets.setdefault(name, texts) != texts:
            reordered.append(request)
        if name not in numbers:
            numbers[name] = len(numbers)
            for text in texts:
                containing[text].add(numbers[name])
    open_sets = [
        request
        for request, texts in enumerate(requests.candidates)
        if len(containing[texts[requests.chosen[request]]]) > 1
    ]
    return {
        "requests": len(requests.candidates),
        "different_sets": len(numbers),
        "real_prompt_in_several_sets": len(open_sets),
        "same_set_in_another_order": len(reordered),
        "first_violation": min((*open_sets, *reordered), default=None),
    }


def survival(requests: Requests) -> list[dict[str, Any]]:
    """Decoys that are left after s requests of a session, beside the closed form.

    The pool N of the closed form is everything that the file offers beside the real prompt, in any
    session; sets that never change stay at N - 1.
    """
    sessions: defaultdict[int, list[frozenset[str]]] = defaultdict(list)
    real: dict[int, str] = {}
    rows = zip(requests.session.tolist(), requests.candidates, requests.chosen, strict=True)
    for session, texts, chosen in rows:
        sessions[session].append(frozenset(texts))
        real.setdefault(session, texts[chosen])
    longest = max(map(len, sessions.values()))
    pools = _pools(requests) if longest > 1 else {}
    curve = []
    for count in range(2, min(longest, 8) + 1):
        alive, expected = [], []
        for session, sent in sessions.items():
            if len(sent) < count:
                continue
            alive.append(max(0, len(frozenset.intersection(*sent[:count])) - 1))
            size = round(float(np.mean([len(each) for each in sent[:count]])))
            pool = max(size, len(pools[real[session]]))
            expected.append(intersection_decoys(pool, size=size, sessions=count))
        curve.append(
            {
                "requests": count,
                "sessions": len(alive),
                "decoys": float(np.mean(alive)),
                "closed_form": float(np.mean(expected)),
            }
        )
    return curve


def _pools(requests: Requests) -> dict[str, set[str]]:
    """Everything that is ever offered beside a text, itself included."""
    pools: defaultdict[str, set[str]] = defaultdict(set)
    for sent in {frozenset(texts) for texts in requests.candidates}:
        for text in sent:
            pools[text] |= sent
    return pools


def places(requests: Requests) -> dict[str, Any]:
    """Chi-square of the real one's place, one request a session, against the uniform law.

    A skewed prior in canonical order moves places too: this is a description, not a verdict.
    """
    statistic, freedom = 0.0, 0
    first = requests.first
    counts, chosen = requests.counts[first], requests.chosen[first]
    for n in np.unique(counts).tolist():
        seen = np.bincount(chosen[counts == n], minlength=n)
        if seen.sum() >= 5 * n:
            statistic += float((np.square(seen - seen.mean()) / seen.mean()).sum())
            freedom += n - 1
    p_value = float(chi2.sf(statistic, freedom)) if freedom else None
    return {"chi_square": statistic, "degrees_of_freedom": freedom, "p_value": p_value}
