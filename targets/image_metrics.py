"""How near two images are, and two sets of images: thin calls into the libraries that know.

Images are float tensors in [0, 1] of shape `(n, 3, height, width)`.
"""

import warnings
from functools import cache

import lpips
import torch
from safetensors.torch import load_file
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.kid import poly_mmd

from .errors import TargetError
from .pipeline import EMBEDDED


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each pair [dB], shape `(n,)`; infinite where equal."""
    _check(first, second)
    return -10 * (first - second).square().mean((1, 2, 3)).log10()


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity of each pair, at most 1, shape `(n,)`."""
    _check(first, second)
    value = structural_similarity_index_measure(first, second, data_range=1.0, reduction="none")
    return torch.as_tensor(value).reshape(len(first))


@torch.no_grad()
def perceptual_distance(first: Tensor, second: Tensor) -> Tensor:
    """LPIPS (AlexNet, v0.1) of each pair, at least 0, shape `(n,)`.

    References:
        Zhang et al., The Unreasonable Effectiveness of Deep Features (2018),
        https://arxiv.org/abs/1801.03924.
    """
    _check(first, second)
    return torch.as_tensor(lpips_network()(first, second, normalize=True)).flatten()


@cache
def lpips_network() -> torch.nn.Module:
    """The `lpips` package's network with the weights that ship here; needs no download."""
    path = EMBEDDED / "lpips" / "alexnet.safetensors"
    if not path.is_file():
        raise TargetError(
            "embedded/lpips/alexnet.safetensors is missing; rebuild it with "
            "python -m latentleak.targets.rebuild.lpips_backbone"
        )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips calls torchvision the old way
        network: torch.nn.Module = lpips.LPIPS(
            net="alex", pretrained=False, pnet_rand=True, verbose=False
        )
    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    aliases = {n.replace("lin", "lins.", 1): t for n, t in tensors.items() if n.startswith("lin")}
    missing, unknown = network.load_state_dict({**tensors, **aliases}, strict=False)
    if unknown or [name for name in missing if not name.startswith("scaling_layer")]:
        raise TargetError("embedded/lpips/alexnet.safetensors does not fit the lpips package")
    network.requires_grad_(False)
    return network.eval()


def kernel_distance(first: Tensor, second: Tensor) -> Tensor:
    """Unbiased squared kernel distance (KID) between two sets of features, a scalar.

    Args:
        first: Features such as `clip.embed_images` gives, shape `(n, width)`, n at least 2.
        second: Shape `(m, width)`, m equal to n.

    References:
        Binkowski et al., Demystifying MMD GANs (2018), Section 4,
        https://arxiv.org/abs/1801.01401.
    """
    if first.shape != second.shape or len(first) < 2:
        raise TargetError(
            f"features of shapes {tuple(first.shape)} and {tuple(second.shape)} must agree and "
            "have at least two rows"
        )
    return torch.as_tensor(poly_mmd(first, second))


def _check(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape or first.ndim != 4:
        raise TargetError(
            f"images of shapes {tuple(first.shape)} and {tuple(second.shape)} must have one "
            "shape (n, 3, height, width)"
        )
