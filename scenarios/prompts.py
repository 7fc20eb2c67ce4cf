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
    "a portrait of a girl with a dog behind her",
    "an actress in her garden, she wears a hat",
    "a mother and her bicycle",
    "a photo of a lady near her house",
    "the bride looks at herself",
)
"""Gender only, N = 2, each with a pronoun: what substitution of nouns alone leaves behind."""
