"""What is under attack: text-to-image pipelines and their data.

Names are imported when first used, so that importing the package does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import TargetError

if TYPE_CHECKING:
    from .emoji import Emoji
    from .pipeline import Target, load

__all__ = ["Emoji", "Target", "TargetError", "load"]

_HOMES = {"Emoji": ".emoji", "Target": ".pipeline", "load": ".pipeline"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
