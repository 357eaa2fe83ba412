"""Where settings come from, under the names that their writer gave them.

Each source turns what it finds into values by setting name and remembers how
each was spelled, so that an error can say it back.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX: Final = "ANDIRON_"
CONFIG_VARIABLE: Final = "ANDIRON_CONFIG"
DEFAULTS_VARIABLE: Final = "ANDIRON_DEFAULTS"
CONFIG_FILE: Final = "andiron.toml"

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])[A-Z]")
_SERVICE_LINK: Final = re.compile(
    r"ANDIRON_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)\w*|PORT(?:_\d+_\w+)?)"
)


class SettingsError(ValueError):
    """A setting is unknown or its value cannot be used; the text says which and what to do."""


class Source(PydanticBaseSettingsSource):
    """A place that settings are read from, once, when it is made."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self.spelled: dict[str, str] = {}
        """By setting name: how its writer spelled it, and where."""
        self._values = dict(self._read())

    def _read(self) -> Iterator[tuple[str, Any]]:
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """Return what this place says, by setting name."""
        return self._values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return one value, as pydantic-settings asks for it."""
        return self._values.get(field_name), field_name, False

    def _known(self, name: str) -> bool:
        return name in self.settings_cls.model_fields


class Environment(Source):
    """``ANDIRON_…`` variables; a list is comma-separated or a JSON array."""

    def _read(self) -> Iterator[tuple[str, Any]]:
        for variable, text in os.environ.items():
            upper = variable.upper()
            if not upper.startswith(PREFIX) or upper in {CONFIG_VARIABLE, DEFAULTS_VARIABLE}:
                continue
            name = upper.removeprefix(PREFIX).lower()
            if _SERVICE_LINK.fullmatch(upper) and (not self._known(name) or "://" in text):
                raise SettingsError(
                    f"{variable} was set by Kubernetes for a Service called andiron:"
                    " give the pod enableServiceLinks: false, or the Service another name"
                )
            if not self._known(name):
                raise unknown(variable, name, self.settings_cls, lambda near: PREFIX + near.upper())
            if name in self.spelled:
                raise SettingsError(f"{self.spelled[name]} and {variable} are the same: keep one")
            self.spelled[name] = variable
            yield name, self._value(name, variable, text)

    def _value(self, name: str, variable: str, text: str) -> Any:
        if get_origin(self.settings_cls.model_fields[name].annotation) is not tuple:
            return text
        if text.lstrip().startswith("["):
            try:
                return json.loads(text)
            except ValueError:
                raise SettingsError(
                    f"{variable} is not a JSON array: give its values with commas between"
                ) from None
        return [part.strip() for part in text.split(",") if part.strip()]


class ConfigFile(Source):
    """The file that ``ANDIRON_CONFIG`` names, else ``andiron.toml`` where there is one.

    Tables and dotted keys are joined by ``_`` and camelCase becomes snake_case,
    so Openfire's ``stream.management.unsolicitedAckFrequency`` is accepted as it is.
    """

    def _path(self) -> Path | None:
        return config_path()

    def _read(self) -> Iterator[tuple[str, Any]]:
        path = self._path()
        if path is None:
            return
        for key, value in flatten(read_toml(path)):
            name = _CAMEL.sub(lambda upper: f"_{upper.group().lower()}", key).replace(".", "_")
            spelled = f'"{key}" in {path}'
            if not self._known(name):
                raise unknown(spelled, name, self.settings_cls, lambda near: f'"{near}"')
            if name in self.spelled:
                raise SettingsError(f"{self.spelled[name]} and {spelled} are the same: keep one")
            self.spelled[name] = spelled
            yield name, value


class DefaultsFile(ConfigFile):
    """The file that ``ANDIRON_DEFAULTS`` names: an image's own values, which all else overrules."""

    def _path(self) -> Path | None:
        return _named(DEFAULTS_VARIABLE)


SOURCES: Final = (Environment, ConfigFile, DefaultsFile)
"""Where settings come from; the first that speaks of one wins."""


def origins(settings_cls: type[BaseSettings]) -> dict[str, str]:
    """Return where the settings that are not defaults come from, by name."""
    found: dict[str, str] = {}
    for source in SOURCES:
        found = source(settings_cls).spelled | found
    return found


def config_path() -> Path | None:
    """Return the file to read settings from, None without one.

    Raises :class:`SettingsError` for one that is named or there, and is no file.
    """
    named = _named(CONFIG_VARIABLE)
    if named is not None:
        return named
    path = Path(CONFIG_FILE)
    if os.path.isdir(path):
        # So does Docker when what shall be mounted is not there.
        raise SettingsError(f"{path} is a folder, not a file: remove it, or mount the file that is")
    return path if os.path.lexists(path) else None


def config_files() -> list[Path]:
    """Return the files that settings come from, also one that is not there yet."""
    config = os.environ.get(CONFIG_VARIABLE) or CONFIG_FILE
    defaults = os.environ.get(DEFAULTS_VARIABLE)
    return [Path(config), Path(defaults)] if defaults else [Path(config)]


def _named(variable: str) -> Path | None:
    named = os.environ.get(variable)
    if named and not os.path.isfile(named):
        raise SettingsError(
            f"{variable} names {named}, which is not a file that can be read:"
            " correct the path or remove the variable"
        )
    return Path(named) if named else None


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content; :class:`SettingsError` where it has none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}; make it readable for this user"
        ) from None
    except ValueError as error:  # not UTF-8, or not TOML
        hint = ""
        if isinstance(error, tomllib.TOMLDecodeError):
            hint = '; text stands between quotes there: domain = "example.org"'
        raise SettingsError(f"{path} is not valid TOML: {error}{hint}") from None


def flatten(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Walk nested tables as pairs of a dotted key and a value that is no table."""
    for key, value in table.items():
        full = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from flatten(value, full)
        else:
            yield full, value


def unknown(
    spelled: str,
    name: str,
    settings_cls: type[BaseSettings],
    respell: Callable[[str], str] = str,
) -> SettingsError:
    """Return the error for a setting that does not exist; ``respell`` writes the one meant."""
    near = get_close_matches(name.replace("-", "_"), settings_cls.model_fields, n=1, cutoff=0.7)
    if near:
        return SettingsError(f"{spelled} is not a setting: did you mean {respell(near[0])}?")
    return SettingsError(
        f"{spelled} is not a setting: remove it ('andiron config show' lists those there are)"
    )
