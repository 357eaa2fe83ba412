"""JavaScript modules joined into one, so that a page asks once and not for each of them.

They stay as they are: each becomes a function that returns what it exports, behind those that it
imports. Comments are left out. What is understood is the little that the component's own modules
use: imports of names, or of the default, from beside, and exports where something is declared.
"""

import re
from collections.abc import Mapping
from typing import Final

_IMPORT: Final = re.compile(r"^import (?:(\w+)|(\{[^}]+\})) from '\./([\w-]+)\.js';\n", re.M)
_EXPORT: Final = re.compile(r"^export (default\b|(?:async )?(?:const|class|function) (\w+))", re.M)
_COMMENT: Final = re.compile(r"^ */\*\*.*?\*/\n|^ *//[^\n]*\n", re.M | re.S)
_LEFT: Final = re.compile(r"^(?:import|export)\b.*", re.M)


def join(modules: Mapping[str, str], entry: str) -> str:
    """Return one text with all that ``entry`` imports; its exports are in ``$entry`` at the end.

    ``modules`` are by name, without ``.js``. Raises ValueError for what is not understood, and for
    modules that import each other.
    """
    done: dict[str, str] = {}
    _add(entry, modules, done, ())
    return "\n".join(done.values())


def _add(
    name: str, modules: Mapping[str, str], done: dict[str, str], within: tuple[str, ...]
) -> None:
    if name in within:
        raise ValueError(f"{' imports '.join([*within, name])}")
    text = _COMMENT.sub("", modules[name])
    for imported in _IMPORT.finditer(text):
        if imported[3] not in done:
            _add(imported[3], modules, done, (*within, name))
    done[name] = _function(name, text)


def _function(name: str, text: str) -> str:
    exported = [found[2] or "default: $default" for found in _EXPORT.finditer(text)]
    text = _IMPORT.sub(_taken, text)
    text = _EXPORT.sub(lambda found: "const $default =" if found[2] is None else found[1], text)
    left = _LEFT.search(text)
    if left is not None:
        raise ValueError(f"{name}.js: {left[0]}")
    return (
        f"const {_variable(name)} = (() => {{\n{text}return {{ {', '.join(exported)} }};\n}})();\n"
    )


def _taken(imported: re.Match[str]) -> str:
    names = f"{{ default: {imported[1]} }}" if imported[1] else imported[2]
    return f"const {names} = {_variable(imported[3])};\n"


def _variable(name: str) -> str:
    return "$" + name.replace("-", "_")
