"""What can be set: the settings, the kinds of their values, where they come from."""

from andiron.settings.settings import Settings
from andiron.settings.sources import SettingsError

__all__ = ["Settings", "SettingsError"]
