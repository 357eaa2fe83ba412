"""What the process that a request reached was told of who makes it, for the one that serves it.

The site is asked where its own middleware has seen the request: at the door. It stands in
``scope["extensions"]["andiron"]``, where nobody but servers and this application puts anything.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from andiron.domain.person import Person
from andiron.sm.link import Visitor

__all__ = ["OPERATOR", "OWN", "VIA", "VISITOR", "read_visitor", "told", "written_visitor"]

VISITOR = "visitor"
"""The name of what ``identify=`` said."""
OPERATOR = "operator"
"""The name of what ``operators=`` said."""
OWN = "own"
"""What is told of a call that the site's own code makes: it is no request of anybody's."""
VIA = "via"
"""The name of what that process is called by operators."""


def told(scope: Mapping[str, Any], name: str) -> Any:
    """Return what is known of who makes a request; None where that is yet to be found out."""
    return (scope.get("extensions") or {}).get("andiron", {}).get(name)


def written_visitor(visitor: Visitor, most: int) -> dict[str, Any]:
    """Return a visitor as JSON has one, without a picture larger than ``most`` bytes."""
    written: dict[str, Any] = {"name": visitor.name}
    person = visitor.told
    if isinstance(person, Person):
        written["display_name"] = person.display_name
        written["groups"] = None if person.groups is None else list(person.groups)
        if person.avatar is not None and len(person.avatar) <= most:
            written["avatar"] = b64encode(person.avatar).decode()
    return written


def read_visitor(written: Mapping[str, Any]) -> Visitor:
    """Return what :func:`written_visitor` wrote."""
    name = written["name"]
    if "display_name" not in written:
        return Visitor(name)
    avatar = written.get("avatar")
    person = Person(
        name,
        written["display_name"],
        None if avatar is None else b64decode(avatar),
        written["groups"],
    )
    return Visitor(name, person)
