"""What differs between two versions of an object of plain data, and one made of the other by that.

So what is large and seldom changes, such as all the places of a session in rooms, is not written
down again for each small thing beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from andiron.sm.frozen import Plain

Change: TypeAlias = "Sequence[Plain]"
"""A path, the names of members of objects within each other, and what is there now, if anything."""

__all__ = ["Change", "amended", "changes"]


def changes(old: Mapping[str, Plain], new: Mapping[str, Plain]) -> list[Change]:
    """Return what makes ``new`` of ``old``."""
    found: list[Change] = []
    _compare(old, new, [], found)
    return found


def _compare(
    old: Mapping[str, Plain], new: Mapping[str, Plain], path: list[str], found: list[Change]
) -> None:
    for name, value in new.items():
        if name not in old:
            found.append(([*path, name], value))
            continue
        former = old[name]
        if former == value:
            continue
        if isinstance(former, dict) and isinstance(value, dict):
            _compare(former, value, [*path, name], found)
        else:
            found.append(([*path, name], value))
    if not old.keys() <= new.keys():
        found += [([*path, name],) for name in old if name not in new]


def amended(value: Any, found: Any) -> Any:
    """Return what a value is after changes that were read; it is left as it is.

    Raises :class:`ValueError` or :class:`KeyError` for what are no changes of it.
    """
    if type(found) is not list:
        raise ValueError("changes are a list")
    for change in found:
        if type(change) is not list or len(change) not in {1, 2} or type(change[0]) is not list:
            raise ValueError("a change is a path, and what is there now")
        value = _at(value, change[0], change[1:])
    return value


def _at(value: Any, path: list[Any], there: list[Any]) -> Any:
    if type(value) is not dict or not path or type(path[0]) is not str:
        raise ValueError("a path is of names of members of objects")
    copy = dict(value)
    name, *deeper = path
    if deeper:
        copy[name] = _at(copy[name], deeper, there)
    elif there:
        copy[name] = there[0]
    else:
        del copy[name]
    return copy
