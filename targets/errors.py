"""What can go wrong with a target."""


class TargetError(ValueError):
    """A model or data set cannot be used; the message says what to do."""
