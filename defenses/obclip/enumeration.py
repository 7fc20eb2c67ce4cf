"""The candidate set of a prompt: total, in canonical order, the same whichever member is real."""

from __future__ import annotations

from .grammar import DetectionError
from .lexicon import DEFAULT_SPACE, AttributeSpace, Declared, space_of
from .template import Slot, Template, template_of

MAX_CANDIDATES = 64
"""The default bound: the server draws every candidate."""


def candidates(
    prompt: str,
    attributes: Declared = DEFAULT_SPACE,
    *,
    limit: int = MAX_CANDIDATES,
) -> tuple[str, ...]:
    """All prompts that differ from `prompt` in the sensitive attributes that it states.

    The set holds the prompt in normal form (see `normal_form`) and is the same, in the same order,
    whichever of its members is given (paper, Appendix C). A prompt that states none of the
    attributes is alone in its set: it hides nothing, and has nothing to hide.

    Args:
        prompt: In English, at most 1,000 characters.
        attributes: What is hidden; see `lexicon.space_of`.
        limit: The most candidates.

    Raises:
        DetectionError: A ValueError that names the word in the way and what to do about it: a word
            shows an attribute and has no counterpart, two words about one person disagree, a
            candidate is read otherwise than the prompt, the prompt is empty, too long or not in
            English, or the set is larger than `limit`.

    Examples:
        >>> candidates("A woman and her dog")
        ('a woman and her dog', 'a man and his dog')
    """
    return template_within(prompt, space_of(attributes), limit).candidates()


def normal_form(
    prompt: str,
    attributes: Declared = DEFAULT_SPACE,
) -> str:
    """The member of the candidate set that says what `prompt` says.

    Raises:
        DetectionError: As `candidates`, but for the size of the set.
    """
    template = template_of(prompt, space_of(attributes))
    return template.realise(template.real)


def template_within(prompt: str, space: AttributeSpace, limit: int) -> Template:
    """The template of a prompt whose candidate set is closed and within `limit`.

    Raises:
        DetectionError: As `candidates`.
    """
    if limit < 1:
        raise ValueError(f"limit={limit} must be >= 1")
    template = template_of(prompt, space)
    if template.size > limit:
        raise DetectionError(
            f"prompt={prompt!r} has {template.size} candidates, more than limit={limit}: raise it, "
            "say less about the person, or declare fewer attributes"
        )
    check_closed(template, space)
    return template


def check_closed(template: Template, space: AttributeSpace) -> None:
    """Read every candidate again: each must give the same template and its own values.

    Raises:
        DetectionError: If one does not; it names the word that is read otherwise.
    """
    for values in template.combinations():
        candidate = template.realise(values)
        try:
            again = template_of(candidate, space)
        except DetectionError as error:
            raise DetectionError(f"the candidate {candidate!r} is refused: {error}") from error
        if (again.parts, again.values, again.real) != (template.parts, template.values, values):
            raise DetectionError(
                f"the word {_in_the_way(template, again)!r} is read otherwise in the candidate "
                f"{candidate!r}, so the set would depend on which prompt is real: reword it"
            )


def _in_the_way(template: Template, again: Template) -> str:
    """The prompt's word where two templates part, or its last word."""
    real, last = template.real, ""
    for mine, other in zip(template.parts, again.parts, strict=False):
        if isinstance(mine, Slot):
            last = template.form(mine, real)
        if mine != other and (last or isinstance(mine, str)):
            return last or str(mine).split()[-1]
    return last
