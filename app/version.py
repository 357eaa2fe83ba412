"""The release this tree is."""

__version__ = "0.1.0"
