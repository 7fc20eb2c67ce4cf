"""HE-Diffusion: CKKS encryption of part of the latent during denoising."""
