"""ObCLIP: the real prompt hidden among candidates that differ in sensitive attributes.

Wu, Dai, Xu, Wang, Yan, "ObCLIP: Oblivious Cloud-Device Hybrid Image Generation with Privacy
Preservation", NeurIPS 2025, https://arxiv.org/abs/2510.04153.
"""

from .enumeration import candidates, normal_form

__all__ = ["candidates", "normal_form"]
