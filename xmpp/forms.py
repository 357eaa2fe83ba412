"""Data Forms, XEP-0004: written as text, read from trees."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.tree import Tree

__all__ = ["Field", "Form", "find_form", "read_form", "write_form"]

FORM_TYPE: Final = "FORM_TYPE"
_X: Final = f"{{{ns.DATA}}}x"
_FIELD: Final = f"{{{ns.DATA}}}field"
_VALUE: Final = f"{{{ns.DATA}}}value"
_TRUE: Final = frozenset({"1", "true"})
_FALSE: Final = frozenset({"0", "false"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field to write (section 3.2); ``options`` are pairs of label and value."""

    var: str
    values: Sequence[str] = ()
    type: str = ""
    label: str = ""
    options: Sequence[tuple[str, str]] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was read: its type and the values of each field."""

    type: str
    fields: dict[str, tuple[str, ...]]

    @property
    def form_type(self) -> str:
        """What kind of form this is (XEP-0068), empty when it does not say."""
        return self.text(FORM_TYPE)

    def text(self, var: str, default: str = "") -> str:
        """Return a field's first value."""
        values = self.fields.get(var)
        return values[0] if values else default

    def flag(self, var: str, *, default: bool = False) -> bool:
        """Return a boolean field; raises :class:`StanzaError` for what is none (section 3.3)."""
        value = self.text(var).strip()
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        if not value:
            return default
        raise StanzaError(StanzaCondition.BAD_REQUEST, f"{var} is 0 or 1")


def find_form(parent: Tree) -> Form | None:
    """Return the form among an element's children, None when there is none."""
    tree = parent.find(_X)
    return None if tree is None else read_form(tree)


def read_form(tree: Tree) -> Form:
    """Read ``<x xmlns='jabber:x:data'/>``; a field named twice keeps the first."""
    fields: dict[str, tuple[str, ...]] = {}
    for field in tree.findall(_FIELD):
        var = field.get("var")
        if var is not None and var not in fields:
            fields[var] = tuple(value.text or "" for value in field.findall(_VALUE))
    return Form(tree.get("type", "form"), fields)


def write_form(
    kind: str,
    form_type: str,
    fields: Iterable[Field],
    *,
    title: str = "",
    instructions: str = "",
) -> str:
    """Return a form of type ``form``, ``result`` or ``submit``, its ``FORM_TYPE`` first."""
    parts = [f"<x xmlns='{ns.DATA}' type='{kind}'>"]
    if title:
        parts.append(f"<title>{escape(title)}</title>")
    if instructions:
        parts.append(f"<instructions>{escape(instructions)}</instructions>")
    if form_type:
        parts.append(_field(Field(FORM_TYPE, (form_type,), "hidden")))
    parts += map(_field, fields)
    parts.append("</x>")
    return "".join(parts)


def _field(field: Field) -> str:
    head = f"<field var='{escape(field.var)}'"
    if field.type:
        head += f" type='{field.type}'"
    if field.label:
        head += f" label='{escape(field.label)}'"
    inner = "<required/>" if field.required else ""
    inner += "".join(f"<value>{escape(value)}</value>" for value in field.values)
    inner += "".join(
        f"<option label='{escape(label)}'><value>{escape(value)}</value></option>"
        for label, value in field.options
    )
    return f"{head}>{inner}</field>" if inner else f"{head}/>"
