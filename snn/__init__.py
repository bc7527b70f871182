"""A reproducible benchmark suite for training spiking neural networks."""

__version__ = "0.2.0"
