"""The settings themselves, a class for each concern; all of them together are ``Settings``."""
