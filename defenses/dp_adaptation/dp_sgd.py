"""Textual inversion by DP-SGD: one embedding for all images, trained with Opacus.

The embedding is the only trainable row. In each step every image takes part with probability q
(Poisson sampling), its gradient is clipped to C, Gaussian noise is added to their sum, and
what leaves is that sum. Neighbours differ by one image added or removed: the sum is not divided
by anything that depends on the data, and Adam does not mind its scale.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..claims import Assumption, Claim, DifferentialPrivacy, Neighbours
from ..codec import Array
from ..protocol import Space, Terms

if TYPE_CHECKING:
    from opacus.optimizers import DPOptimizer

Gradients = Callable[[Tensor, Sequence[int], int], Tensor]
"""From the row of each chosen image `(b, d)`, the images' places and the number of the step, to
the gradient of each image's own loss, `(b, d)`."""


@cache
def noise_multiplier(
    epsilon: float, delta: float, *, sample_rate: float, steps: int, accountant: str = "prv"
) -> float:
    """Noise over clip at which all steps together are (epsilon, delta)-DP, for add/remove.

    Args:
        epsilon: Of the whole training, > 0.
        delta: Of the whole training, in (0, 1).
        sample_rate: q, in (0, 1].
        steps: How many.
        accountant: `prv` (numerical composition) or `rdp`, of Opacus.

    Raises:
        ValueError: No noise reaches the budget.

    References:
        Gopi, Lee, Wutschitz (2021), https://arxiv.org/abs/2106.02848;
        Mironov, Talwar, Zhang (2019), https://arxiv.org/abs/1908.10530.
    """
    from opacus.accountants.utils import get_noise_multiplier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the accountants' remarks on their search for an order
        try:
            found = get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=sample_rate,
                steps=steps,
                accountant=accountant,
                epsilon_tolerance=0.005 * min(1.0, epsilon),
            )
        except RuntimeError as error:
            raise ValueError(
                f"accountant={accountant!r} fails at sample_rate={sample_rate}, epsilon={epsilon}, "
                f"delta={delta}: {error}; use accountant='rdp'"
            ) from error
    return float(found)


def new_optimizer(row: nn.Parameter, **settings: Any) -> DPOptimizer:
    """Opacus' optimizer around Adam: clips each gradient, sums, adds noise.

    Args:
        row: With `grad_sample`, as `GradSampleModule` leaves it.
        **settings: `rate`, `noise_multiplier`, `clip`, `generator`.
    """
    from opacus.optimizers import DPOptimizer

    return DPOptimizer(
        torch.optim.Adam([row], lr=settings["rate"]),
        noise_multiplier=settings["noise_multiplier"],
        max_grad_norm=settings["clip"],
        expected_batch_size=None,
        loss_reduction="sum",
        generator=settings["generator"],
    )


@dataclass(frozen=True, kw_only=True)
class DescentProcedure:
    """The steps on which the privacy of the training rests; a broken copy replaces one.

    Attributes:
        calibrate: Budget and plan to the noise over the clip.
        optimizer: Clips, sums and adds noise.
    """

    calibrate: Callable[..., float] = noise_multiplier
    optimizer: Callable[..., DPOptimizer] = new_optimizer


@dataclass(frozen=True, kw_only=True)
class Descent:
    """What a training leaves.

    Attributes:
        vector: The trained embedding, `(d,)`.
        gradients: The noisy sums that moved it, `(steps, d)`: all that an adversary can know.
    """

    vector: Tensor
    gradients: Tensor


@dataclass(frozen=True, kw_only=True)
class DpSgdInversion:
    """DP-SGD on one embedding.

    `release` takes the records' gradients as given (*gradient canaries*): the worst case of the
    guarantee, which holds whatever the gradients are.

    Noise and sampling are Opacus' and torch's, in single precision: whoever reads low bits is
    outside the claim (assumption `idealized-numerics`).

    Attributes:
        epsilon: Of the whole training.
        delta: Of the whole training.
        clip: C, bound on the norm of an image's gradient.
        steps: Gradient steps.
        sample_rate: q, with which each image takes part in a step.
        rate: Adam's learning rate.
        accountant: `prv` or `rdp`.
        procedure: The steps on which privacy rests.

    References:
        Abadi et al. (2016), Algorithm 1, https://arxiv.org/abs/1607.00133;
        Peetathawatchai et al., DPAgg-TI (2024, versions 3 and 4), the baseline that it compares
        with, https://arxiv.org/abs/2411.14639.
    """

    epsilon: float = 1.0
    delta: float = 1e-5
    clip: float = 1.0
    steps: int = 4
    sample_rate: float = 0.5
    rate: float = 0.005
    accountant: str = "prv"
    procedure: DescentProcedure = field(default_factory=DescentProcedure)

    def __post_init__(self) -> None:
        for name in ("epsilon", "clip", "rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}={value} must be finite and > 0")
        if not 0 < self.delta < 1:
            raise ValueError(f"delta={self.delta} must be in (0, 1)")
        if not 0 < self.sample_rate <= 1:
            raise ValueError(f"sample_rate={self.sample_rate} must be in (0, 1]")
        if self.steps < 1:
            raise ValueError(f"steps={self.steps} must be >= 1")
        if self.accountant not in ("prv", "rdp"):
            raise ValueError(f"accountant={self.accountant!r} must be 'prv' or 'rdp'")

    @property
    def space(self) -> Space:
        """Records are gradients."""
        return Space.GRADIENT

    def terms(self, records: int) -> Terms:
        """What is public of a training: each step publishes a noisy sum of clipped gradients."""
        return Terms(
            neighbours=Neighbours.ADD_REMOVE,
            clip=self.clip,
            normalize=False,
            divisor=1,
            rate=self.sample_rate,
            sigma=self.noise_multiplier * self.clip,
            rounds=self.steps,
        )

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Differential privacy of one record that is there or not."""
        assumptions = (Assumption.SECRET_SEED, Assumption.IDEALIZED_NUMERICS)
        claim = DifferentialPrivacy(
            epsilon=self.epsilon,
            delta=self.delta,
            neighbours=Neighbours.ADD_REMOVE,
            assumptions=assumptions,
        )
        return (claim,)

    @property
    def noise_multiplier(self) -> float:
        """Standard deviation of the noise on each coordinate of a sum, over C."""
        return self.procedure.calibrate(
            self.epsilon,
            self.delta,
            sample_rate=self.sample_rate,
            steps=self.steps,
            accountant=self.accountant,
        )

    def release(
        self, records: Sequence[Any] | Array, rng: np.random.Generator, *, trials: int
    ) -> Array:
        """Noisy gradients of whole trainings in which each record's gradient is given.

        Args:
            records: Gradient of each record, the same in every step, `(n, d)`; n may be 0.
            rng: Source of sampling and noise.
            trials: Trainings, each `steps` long.

        Returns:
            Shape `(trials, steps * d)`: one training's noisy sums one after the other.

        Raises:
            ValueError: `records` is not such an array, or `trials` is below 1.
        """
        given = _gradients(records)
        if trials < 1:
            raise ValueError(f"trials={trials} must be >= 1")
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        start = torch.zeros(given.shape[1])

        def gradients(rows: Tensor, places: Sequence[int], step: int) -> Tensor:
            return given[torch.tensor(places)]  # faster than by a list

        # What is given does not depend on the embedding, so one long training is as many short
        # ones: sampling and noise are independent in every step.
        done = self.descend(gradients, len(given), start, generator, repeats=trials)
        return np.asarray(done.gradients.reshape(trials, -1).double().numpy())

    def descend(
        self,
        gradients: Gradients,
        records: int,
        start: Tensor,
        generator: torch.Generator,
        progress: Callable[[int, int], None] | None = None,
        *,
        repeats: int = 1,
    ) -> Descent:
        """Train one embedding.

        Args:
            gradients: Of each image of a batch, which may be empty (then it is not called).
            records: How many images there are.
            start: The embedding to start from, `(d,)`, public.
            generator: Of sampling and noise, on the CPU.
            progress: Called with the steps done and the steps to do.
            repeats: Trainings that are strung together, for audits: each costs epsilon anew.
        """
        from opacus.grad_sample import GradSampleModule

        table = nn.Embedding(1, len(start), _weight=start.detach().float().cpu()[None].clone())
        module = GradSampleModule(table, loss_reduction="sum")
        optimizer = self.procedure.optimizer(
            table.weight,
            rate=self.rate,
            noise_multiplier=self.noise_multiplier,
            clip=self.clip,
            generator=generator,
        )
        published: list[Tensor] = []
        steps = self.steps * repeats
        optimizer.attach_step_hook(lambda _: published.append(_grad(table.weight)))
        for step, places in enumerate(self._batches(records, steps, generator)):
            optimizer.zero_grad()
            _backward(module, table, places, step, gradients)
            optimizer.step()
            if progress is not None:
                progress(step + 1, steps)
        return Descent(vector=table.weight.detach()[0], gradients=torch.stack(published))

    def _batches(self, records: int, steps: int, generator: torch.Generator) -> Iterator[list[int]]:
        """Poisson samples of the images' places, of which any may be empty."""
        from opacus.utils.uniform_sampler import UniformWithReplacementSampler

        if records == 0:
            return iter([[] for _ in range(steps)])
        return iter(
            UniformWithReplacementSampler(
                num_samples=records,
                sample_rate=self.sample_rate,
                steps=steps,
                generator=generator,
            )
        )


def _backward(
    module: nn.Module,
    table: nn.Embedding,
    places: list[int],
    step: int,
    gradients: Gradients,
) -> None:
    """Leave each image's gradient in `table.weight.grad_sample`."""
    if not places:
        weight: Any = table.weight
        weight.grad_sample = weight.new_zeros(0, *weight.shape)
        return
    rows = module(torch.zeros(len(places), dtype=torch.long))
    given = gradients(rows.detach(), places, step).to(rows)
    with warnings.catch_warnings():
        # torch remarks that ids have no gradients; Opacus' hook does not need them.
        warnings.filterwarnings("ignore", "Full backward hook is firing")
        rows.backward(gradient=given)


def _grad(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad[0].detach().clone()


def _gradients(records: Sequence[Any] | Array) -> Tensor:
    values = np.asarray(records, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"records has shape {values.shape}; it must be finite gradients of shape (n, d)"
        )
    return torch.from_numpy(values).float()
