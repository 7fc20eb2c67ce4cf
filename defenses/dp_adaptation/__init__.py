"""Adaptation from noisy aggregated embeddings under differential privacy (DPAgg-TI)."""
