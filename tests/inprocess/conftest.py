"""A place of its own for each test: no settings but those it makes."""

from support.places import clean_place

__all__ = ["clean_place"]
