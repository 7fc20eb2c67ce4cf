"""The prompts that the games are played on: any candidate of each names its template."""

FULL = (
    "woman firefighter: medium skin tone",
    "man judge: light skin tone",
    "woman farmer: dark skin tone",
    "man cook: medium-dark skin tone",
    "woman scientist: medium-light skin tone",
    "man astronaut: medium skin tone",
    "woman teacher: dark skin tone",
    "man health worker: light skin tone",
)
"""Gender and skin tone, N = 10: prompts that the embedded model draws well."""

SMALL = ("an old woman in her garden",)
"""N = 6: every candidate is executed on the full model."""

CHEAP = (
    *FULL,
    "a woman singer with medium skin, raising her hand",
    "a man artist with dark skin holding his brush",
    "portrait of a light-skinned lady by herself, she is smiling",
    *SMALL,
    "a middle-aged man walking with his cane",
    "a photo of a young actress on her way home, she wears a hat",
    "a young asian man with glasses",
    "an old african queen on her throne",
    "man mechanic with medium-light skin tone and his tools",
    "woman detective: dark skin tone",
    "man pilot: medium skin tone",
    "the bride with medium-dark skin and her flowers, seen from behind her",
)
"""N from 3 to 30: age, gender, skin tone, ethnicity, pronouns in every role."""

PRONOUNS = (
    "a woman holding her umbrella",
    "a queen by herself",
    "the waitress smiles because she is happy",
    "a portrait of a lady with a dog behind her",
    "an actress in her garden, she wears a hat",
    "a mother and her bicycle",
    "a photo of a lady near her house",
    "the bride looks at herself",
)
"""Gender only, N = 2, each with a pronoun: what substitution of nouns alone leaves behind."""

FOLLOW_UPS = (
    (
        "woman firefighter: medium skin tone",
        "woman firefighter with a ladder: medium skin tone",
        "young woman firefighter with a ladder: medium skin tone",
    ),
    (
        "a man cook in a kitchen",
        "a man cook in a garden",
        "a man cook with dark skin in a garden",
    ),
    (
        "an old woman with a cat",
        "an old woman with two cats",
        "an old woman with two cats, raising her hand",
    ),
    (
        "a young asian man with glasses",
        "a young asian man with a hat",
        "a young asian man with a hat and his dog",
    ),
    (
        "woman astronaut: light skin tone",
        "woman astronaut on the moon: light skin tone",
        "old woman astronaut on the moon: light skin tone",
    ),
    (
        "a middle-aged man on a bicycle",
        "a middle-aged man on a red bicycle",
        "a middle-aged man with light skin on a red bicycle",
    ),
)
"""One user's sessions: a prompt, an edit of its scene, and a follow-up that may mention more."""

MENTIONS = (
    "a [young] woman singer [with medium skin] in a park",
    "a [middle-aged] man [with dark skin] on a bicycle",
    "a photo of a [young] lady [with light skin] and a dog",
    "a [middle-aged] man cook [with medium-dark skin] in a kitchen",
)
"""N = 4: the same scene with and without each attribute in brackets."""


def mentions(prompt: str) -> tuple[str, ...]:
    """The prompt with every choice of its bracketed parts, the barest first."""
    head, bracket, rest = prompt.partition("[")
    if not bracket:
        return (prompt,)
    inside, _, tail = rest.partition("]")
    ends = mentions(tail)
    return tuple(
        [head + end.removeprefix(" ") for end in ends] + [head + inside + end for end in ends]
    )
