"""Score neural architectures without labels, in seconds (GenNAS, arXiv:2108.01899)."""

__version__ = "0.1.0"
