"""The records of a journal as JSON has them: a list each, its name first, like a method's call."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from andiron.sm.counters import MODULUS
from andiron.sm.frozen import Frozen, Head, Noted, Plain
from andiron.sm.journal.changes import amended
from andiron.sm.journal.state import State, Written

__all__ = ["Record", "apply", "is_plain", "whole"]

Record: TypeAlias = "Sequence[Plain]"


def whole(session: Written | Frozen) -> Record:
    """Return the record that says all of a session."""
    return (
        "began",
        session.head.plain(),
        session.handled,
        session.acked,
        [_owed(text, wall) for text, wall in session.queue],
        list(session.beyond),
    )


def _owed(text: str, wall: float) -> Record:
    return (text, wall, text.note) if isinstance(text, Noted) else (text, wall)


def apply(state: State, record: Plain) -> None:
    """Let a record that was read be true.

    Raises :class:`ValueError` or :class:`KeyError` for one that cannot be, and changes nothing.
    """
    if not isinstance(record, list) or not record or type(record[0]) is not str:
        raise ValueError("a record is a list, its name first")
    method, shape = _RECORDS[record[0]]
    arguments = record[1:]
    if len(arguments) != len(shape):
        raise ValueError(f"{record[0]} has {len(shape)} arguments")
    for argument, fits in zip(arguments, shape, strict=True):
        if not fits(argument):
            raise ValueError(f"{record[0]} has an argument that it cannot have")
    method(state, *arguments)


def is_plain(value: object) -> bool:
    """Tell whether JSON can say a value, so that it comes back as it is."""
    kind = type(value)
    if kind in _SIMPLE:
        return True
    if kind is dict:
        return all(type(key) is str and is_plain(each) for key, each in value.items())  # type: ignore[attr-defined]
    return kind in _LISTS and all(map(is_plain, value))  # type: ignore[call-overload]


_SIMPLE: Final = frozenset({str, int, float, bool, type(None)})
_LISTS: Final = frozenset({list, tuple})


def _began(
    state: State, head: Plain, handled: int, acked: int, queue: list[Any], beyond: list[int]
) -> None:
    for entry in queue:
        if type(entry) is not list or len(entry) not in {2, 3}:
            raise ValueError("a queued stanza is its text and its time")
        if type(entry[0]) is not str or not _is_time(entry[1]):
            raise ValueError("a queued stanza is its text and its time")
    owed = [(Noted.of(text, *note) if note else text, wall) for text, wall, *note in queue]
    state.began(Frozen(Head.of(head), handled, acked, owed, beyond))


def _noted(state: State, sm_id: str, text: str, wall: float, note: Plain) -> None:
    state.queued(sm_id, Noted.of(text, note), wall)


def _changed(state: State, sm_id: str, found: Plain) -> None:
    head = Head.of(amended(state.sessions[sm_id].head.plain(), found))
    if head.id != sm_id:
        raise ValueError("a session has one id")
    state.changed(head)


def _amended(state: State, key: str, found: Plain) -> None:
    state.note(key, amended(state.notes[key], found))


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_time(value: object) -> bool:
    return type(value) is float or type(value) is int


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MODULUS


def _is_number(value: Any) -> bool:
    return type(value) is int and value >= 0


def _are_numbers(value: Any) -> bool:
    return type(value) is list and all(map(_is_number, value))


def _is_list(value: object) -> bool:
    return type(value) is list


def _is_anything(_value: object) -> bool:
    return True


_RECORDS: Final[dict[str, tuple[Callable[..., None], tuple[Callable[[Any], bool], ...]]]] = {
    "began": (_began, (_is_anything, _is_count, _is_count, _is_list, _are_numbers)),
    "changed": (_changed, (_is_text, _is_list)),
    "queued": (State.queued, (_is_text, _is_text, _is_time)),
    "noted": (_noted, (_is_text, _is_text, _is_time, _is_anything)),
    "acknowledged": (State.acknowledged, (_is_text, _is_count)),
    "handled": (State.handled, (_is_text, _is_count)),
    "beyond": (State.beyond, (_is_text, _are_numbers)),
    "ended": (State.ended, (_is_text,)),
    "note": (State.note, (_is_text, _is_anything)),
    "amended": (_amended, (_is_text, _is_list)),
    "owed": (State.owed, (_is_text, _is_number, _is_anything)),
    "paid": (State.paid, (_is_text, _is_number)),
}
