"""Enumerations take as long as they take: no deadline an example, other settings as they are."""

from hypothesis import settings

settings.register_profile("no-deadline", parent=settings(), deadline=None)
settings.load_profile("no-deadline")
