"""Settings in words, for error messages, ``andiron config show`` and the documentation."""

import re
from typing import Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from andiron.settings.types import Masked, Unit

_KINDS: Final = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def expected(field: FieldInfo) -> str:
    """Say what a setting's value must be."""
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(get_args(field.annotation))
    if get_origin(field.annotation) is tuple:
        return "a list of texts"
    text = next((words for kind, words in _KINDS.items() if kind is field.annotation), "text")
    least = greatest = None
    for item in field.metadata:
        if isinstance(item, Unit):
            text += f" of {item.name}"
        elif isinstance(item, Ge):
            least = item.ge
        elif isinstance(item, Gt):
            text += f" above {item.gt}"
        elif isinstance(item, Le):
            greatest = item.le
    if least is not None and greatest is not None:
        return f"{text} from {least} to {greatest}"
    return text if least is None else f"{text}, {least} or more"


def unit(field: FieldInfo) -> str:
    """Return what a setting's number counts, empty where it counts nothing of note."""
    return next((item.name for item in field.metadata if isinstance(item, Unit)), "")


def shown_value(settings: BaseSettings, name: str) -> str:
    """Return a setting's value for an operator's eyes: a secret is masked."""
    value = getattr(settings, name)
    field = type(settings).model_fields[name]
    if field.repr:
        return value_text(value)
    if any(isinstance(item, Masked) for item in field.metadata):
        return "***" if value else value_text(value)
    return re.sub(r"(://[^:/]*:).*@", r"\1***@", str(value))


def default_text(field: FieldInfo) -> str:
    """Return a setting's default as one would write it in the environment."""
    return value_text(field.default)


def value_text(value: object) -> str:
    """Return a setting's value as one would write it in the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else "empty"
