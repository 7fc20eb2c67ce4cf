"""HE-Diffusion: the sampler's update under CKKS, on the entries that distort an image the most.

Chen, Yan, Gan, Yang, "Privacy-Preserving Diffusion Model Using Homomorphic Encryption" (2024),
https://arxiv.org/abs/2403.05794.
"""
