"""The settings that take effect while the application runs."""

from collections.abc import Mapping
from typing import Final, Protocol

from andiron.api.checks import text_of
from andiron.api.errors import InvalidError, NotFoundError
from andiron.api.values import Setting, SettingValue
from andiron.settings import Settings, SettingsError
from andiron.settings.words import expected

__all__ = ["Changeable", "SettingsApi"]

_OPENFIRE: Final[Mapping[str, str]] = {
    "stream_management_active": "stream.management.active",
    "stream_management_unsolicited_ack_frequency": "stream.management.unsolicitedAckFrequency",
}
_LONGEST: Final = 10_000
"""Characters of a text, or of the texts of a list."""


class Changeable(Protocol):
    """What has settings that can be changed: an application."""

    @property
    def settings(self) -> Settings:
        """Return those that hold."""

    @property
    def changeable(self) -> frozenset[str]:
        """Return the names of those that can be."""

    def apply(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Let those that differ take effect where they can."""


class SettingsApi:
    """Reads and changes them."""

    def __init__(self, application: Changeable) -> None:
        self._application = application

    def list(self) -> tuple[Setting, ...]:
        """Return all that can be changed, those that Openfire has first."""
        names = sorted(self._application.changeable, key=lambda name: (name not in _OPENFIRE, name))
        return tuple(map(self._described, names))

    def change(self, setting: str, value: SettingValue) -> Setting:
        """Let one be another."""
        if setting not in self._application.changeable:
            if setting in Settings.model_fields:
                raise InvalidError(f"The setting {setting} cannot be changed while this runs.")
            raise NotFoundError(f"There is no setting {str(setting)[:100]!r}.")
        field = Settings.model_fields[setting]
        if isinstance(value, bool) and field.annotation is not bool:
            raise InvalidError(f"The setting {setting} must be {expected(field)}.")
        texts = value if isinstance(value, list | tuple) else [value]
        for each in texts:
            if isinstance(each, str):
                text_of(each, f"The setting {setting}", _LONGEST)
        if sum(len(str(each)) for each in texts) > _LONGEST:
            raise InvalidError(f"The setting {setting} has {_LONGEST} characters at most.")
        application = self._application
        try:
            application.apply(application.settings.replaced(**{setting: value}))
        except SettingsError as error:
            raise InvalidError(f"{str(error).removeprefix('the keyword argument ')}.") from None
        return self._described(setting)

    def _described(self, name: str) -> Setting:
        field = Settings.model_fields[name]
        return Setting(
            name=name,
            value=getattr(self._application.settings, name),
            default=field.get_default(),
            expected=expected(field),
            meaning=field.description or "",
            openfire=_OPENFIRE.get(name, ""),
        )
