"""How a node is configured: XEP-0060 sections 8.2 and 17.4.4, as far as it means anything here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.forms import Field, Form

__all__ = ["AccessModel", "InvalidOptionError", "NodeConfig", "SendLast"]

NODE_CONFIG: Final = f"{ns.PUBSUB}#node_config"
PUBLISH_OPTIONS: Final = f"{ns.PUBSUB}#publish-options"
META_DATA: Final = f"{ns.PUBSUB}#meta-data"

_MAX: Final = "max"
_MAX_TEXT: Final = 1000
_MAX_GROUPS: Final = 100


class InvalidOptionError(Exception):
    """An option that is unknown or has a value which is not offered; says which."""


class AccessModel(StrEnum):
    """Who may see a node (section 4.5); ``authorize`` is not offered."""

    OPEN = "open"
    PRESENCE = "presence"
    ROSTER = "roster"
    WHITELIST = "whitelist"


class SendLast(StrEnum):
    """When the last item is sent to somebody unasked."""

    NEVER = "never"
    ON_SUB = "on_sub"
    ON_SUB_AND_PRESENCE = "on_sub_and_presence"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """A node's configuration; the defaults are those of XEP-0163 section 5."""

    title: str = ""
    description: str = ""
    type: str = ""
    """The namespace of the payloads, if its owner tells."""
    language: str = ""
    access_model: AccessModel = AccessModel.PRESENCE
    roster_groups_allowed: tuple[str, ...] = ()
    """The groups of the owner's roster whose members may see a node of the model ``roster``."""
    persist_items: bool = True
    max_items: int = 1
    """How many items are kept; 0 means as many as the server lets."""
    max_payload_size: int = 0
    """The most bytes of a payload; 0 means as many as the server lets."""
    send_last_published_item: SendLast = SendLast.ON_SUB_AND_PRESENCE
    deliver_notifications: bool = True
    deliver_payloads: bool = True
    notify_retract: bool = True
    notify_delete: bool = True
    notify_config: bool = False

    def with_options(self, form: Form, bound: int, *, strict: bool) -> "NodeConfig":
        """Return this configuration with what a form says.

        ``bound`` is the most items that a node may be set to keep. A field that
        is unknown is passed over unless ``strict``. Raises
        :class:`InvalidOptionError`.
        """
        changes: dict[str, Any] = {}
        for var, values in form.fields.items():
            if var == "FORM_TYPE":
                continue
            option, fixed = _BY_VAR.get(var), _FIXED.get(var)
            if option is not None:
                changes[option.attribute] = option.read(form, var, bound)
            elif strict if fixed is None else not fixed.issuperset(values):
                raise InvalidOptionError(var)
        return replace(self, **changes)

    def fields(self) -> list[Field]:
        """Return the configuration as the fields of a form."""
        return [
            Field(
                f"pubsub#{option.attribute}",
                option.write(getattr(self, option.attribute)),
                option.type,
                option.label,
                [(value, value) for value in option.values],
            )
            for option in _OPTIONS
        ]

    def to_json(self) -> str:
        """Return what differs from the defaults."""
        default = NodeConfig()
        return json.dumps(
            {
                option.attribute: value
                for option in _OPTIONS
                if (value := getattr(self, option.attribute)) != getattr(default, option.attribute)
            }
        )

    @staticmethod
    def from_json(text: str) -> "NodeConfig":
        """Read what :meth:`to_json` wrote."""
        return _read(text)


@lru_cache(maxsize=1000)
def _read(text: str) -> NodeConfig:
    # Many nodes are alike, and who comes is sent items of many nodes.
    values = json.loads(text)
    for name, kind in _KINDS.items():
        if name in values:
            values[name] = kind(values[name])
    return NodeConfig(**values)


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "access_model": AccessModel,
    "send_last_published_item": SendLast,
    "roster_groups_allowed": tuple,
}


@dataclass(frozen=True, slots=True)
class _Option:
    attribute: str
    type: str
    label: str
    read: Callable[[Form, str, int], Any]
    write: Callable[[Any], tuple[str, ...]]
    values: tuple[str, ...] = ()


def _read_flag(form: Form, var: str, _bound: int) -> bool:
    try:
        return form.flag(var)
    except StanzaError:
        raise InvalidOptionError(var) from None


def _write_flag(value: bool) -> tuple[str, ...]:
    return ("1" if value else "0",)


def _read_text(form: Form, var: str, _bound: int) -> str:
    value = form.text(var)
    if len(value) > _MAX_TEXT:
        raise InvalidOptionError(var)
    return value


def _write_text(value: str) -> tuple[str, ...]:
    return (value,) if value else ()


def _read_groups(form: Form, var: str, _bound: int) -> tuple[str, ...]:
    groups = form.fields[var]
    if len(groups) > _MAX_GROUPS or any(len(group) > _MAX_TEXT for group in groups):
        raise InvalidOptionError(var)
    return tuple(sorted(set(groups)))


def _read_number(form: Form, var: str, bound: int) -> int:
    text = form.text(var).strip()
    if text == _MAX:
        return 0
    if text.isascii() and text.isdecimal() and len(text) <= 9 and 0 < int(text) <= bound:
        return int(text)
    raise InvalidOptionError(var)


def _read_size(form: Form, var: str, _bound: int) -> int:
    text = form.text(var).strip()
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return int(text)
    if text:
        raise InvalidOptionError(var)
    return 0


def _choice(kind: type[StrEnum]) -> Callable[[Form, str, int], StrEnum]:
    def read(form: Form, var: str, _bound: int) -> StrEnum:
        try:
            return kind(form.text(var))
        except ValueError:
            raise InvalidOptionError(var) from None

    return read


def _flag(attribute: str, label: str) -> _Option:
    return _Option(attribute, "boolean", label, _read_flag, _write_flag)


def _text(attribute: str, label: str) -> _Option:
    return _Option(attribute, "text-single", label, _read_text, _write_text)


def _list(attribute: str, label: str, kind: type[StrEnum]) -> _Option:
    return _Option(attribute, "list-single", label, _choice(kind), _write_text, tuple(kind))


_OPTIONS: Final = (
    _text("title", "A name for the node"),
    _text("description", "What the node is for"),
    _text("type", "The namespace of the payloads"),
    _text("language", "The language of the node"),
    _list("access_model", "Who may subscribe and retrieve items", AccessModel),
    _Option(
        "roster_groups_allowed",
        "text-multi",
        "The roster groups that may see the node",
        _read_groups,
        tuple,
    ),
    _flag("persist_items", "Keep items"),
    _Option(
        "max_items",
        "text-single",
        "How many items to keep, or max",
        _read_number,
        lambda value: (str(value) if value else _MAX,),
    ),
    _Option(
        "max_payload_size",
        "text-single",
        "The most bytes of a payload",
        _read_size,
        lambda value: (str(value),) if value else (),
    ),
    _list("send_last_published_item", "When to send the last item", SendLast),
    _flag("deliver_notifications", "Notify of what is published"),
    _flag("deliver_payloads", "Put the payload into notifications"),
    _flag("notify_retract", "Notify of items that are removed"),
    _flag("notify_delete", "Notify when the node is deleted"),
    _flag("notify_config", "Notify when the configuration changes"),
)
_BY_VAR: Final = {f"pubsub#{option.attribute}": option for option in _OPTIONS}

_NO: Final = frozenset({"0", "false"})
_NOTHING: Final = frozenset({""})
_YES: Final = frozenset({"1", "true"})
_FIXED: Final[Mapping[str, frozenset[str]]] = {
    "pubsub#publish_model": frozenset({"publishers"}),
    "pubsub#node_type": frozenset({"leaf"}),
    "pubsub#notification_type": frozenset({"headline"}),
    "pubsub#itemreply": frozenset({"none"}),
    "pubsub#publish_node_full": frozenset({"discard-oldest"}),
    "pubsub#purge_offline": _NO,
    "pubsub#tempsub": _NO,
    "pubsub#notify_sub": _NO,
    "pubsub#subscribe": _YES,
    "pubsub#presence_based_delivery": _YES,
    "pubsub#item_expire": frozenset({"0", _MAX, ""}),
    "pubsub#contact": _NOTHING,
    "pubsub#body_xslt": _NOTHING,
    "pubsub#dataform_xslt": _NOTHING,
}
"""What can be asked for, but not changed: of each field of section 17.4.4 what is done here.

Items are sent without their publisher, which is the account; that is ``none`` of
``itemreply`` (section 13.17).
"""
