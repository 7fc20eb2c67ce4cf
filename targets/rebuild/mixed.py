"""Training in bfloat16 with full-precision master weights and their moving average."""

import torch
from torch import Tensor, nn


class Mixed:
    """A model that computes in bfloat16 while AdamW moves its float32 master copy.

    On processors with matrix units (AMX) this is several times faster than float32, and the
    small updates of a late schedule are not lost in rounding.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        """Take over `model`, which is converted in place.

        Args:
            model: In float32, already holding the weights to start from.
            decay: Share of the moving average that is kept at each step, reached by warm-up.
        """
        self.model = model
        self.parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
        contiguous = torch.contiguous_format
        self.masters = [
            p.detach().clone(memory_format=contiguous).requires_grad_(True) for p in self.parameters
        ]
        self.average = [p.detach().clone() for p in self.masters]
        model.to(torch.bfloat16)
        self.decay = decay
        self.optimizer = torch.optim.AdamW(
            self.masters, lr=0.0, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )

    def gradients(self) -> list[Tensor]:
        """The gradients that lie in the model, which are taken out of it."""
        taken = []
        for parameter in self.parameters:
            assert parameter.grad is not None
            taken.append(parameter.grad)
            parameter.grad = None
        return taken

    @property
    def size(self) -> int:
        """Number of trained values."""
        return sum(master.numel() for master in self.masters)

    def step(self, gradient: Tensor, rate: float, count: int) -> None:
        """Apply the flat `gradient`; `count` steps were done before."""
        parts = gradient.split([master.numel() for master in self.masters])
        for master, part in zip(self.masters, parts, strict=True):
            master.grad = part.view(master.shape)
        nn.utils.clip_grad_norm_(self.masters, 1.0, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.masters)
            kept = min(self.decay, (1 + count) / (10 + count))
            torch._foreach_lerp_(self.average, self.masters, 1 - kept)

    def named(self, values: list[Tensor]) -> dict[str, Tensor]:
        """`masters` or `average` under the parameters' names."""
        names = [name for name, p in self.model.named_parameters() if p.requires_grad]
        return {n: v.detach() for n, v in zip(names, values, strict=True)}
