"""The four client steps on which confidentiality rests.

Each is one named function, so that a broken copy replaces exactly one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .flooding import gaussian_flood
from .keys import public_context
from .selection import Latent, Mask, fixed_mask, min_distortion

Export = Callable[[Any], bytes]
Select = Callable[[Latent, float], Mask]
Cover = Callable[[Latent, float, np.random.Generator], Mask]
Flood = Callable[[npt.NDArray[np.float64], float, np.random.Generator], npt.NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """The client's steps, in the order in which they are taken.

    Attributes:
        export: TenSEAL context with the secret key to what the server gets of it.
        select: Latent and threshold to the entries that are encrypted, by their distortion.
        cover: Latent, fraction and random stream to the entries that are encrypted, by lot.
        flood: Decrypted values, standard deviation and random stream to what is handed back.
    """

    export: Export = public_context
    select: Select = min_distortion
    cover: Cover = fixed_mask
    flood: Flood = gaussian_flood
