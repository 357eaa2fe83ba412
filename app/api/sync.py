"""The API for code that does not await: sync views, signals, threads."""

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from andiron.api.access import Access
from andiron.api.api import Api

__all__ = ["SyncApi", "Waiting"]

P = ParamSpec("P")
T = TypeVar("T")


def _waiting(
    method: Callable[Concatenate[Api, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["Waiting", P], T]:
    """Return a method that does the same and waits for it."""

    def wait(self: "Waiting", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._wait(method, *args, **kwargs)

    return update_wrapper(wait, method)


class Waiting:
    """The methods of :class:`~andiron.api.api.Api` for code that does not await.

    How they come by what they return is for :meth:`_wait` to say.
    """

    def _wait(
        self,
        method: Callable[Concatenate[Api, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        raise NotImplementedError

    send = _waiting(Api.send)
    notify = _waiting(Api.notify)
    announce = _waiting(Api.announce)
    rooms = _waiting(Api.rooms)
    room = _waiting(Api.room)
    create_room = _waiting(Api.create_room)
    change_room = _waiting(Api.change_room)
    destroy_room = _waiting(Api.destroy_room)
    members = _waiting(Api.members)
    set_member = _waiting(Api.set_member)
    invite = _waiting(Api.invite)
    occupants = _waiting(Api.occupants)
    say = _waiting(Api.say)
    set_subject = _waiting(Api.set_subject)
    archive = _waiting(Api.archive)
    add_to_archive = _waiting(Api.add_to_archive)
    delete_from_archive = _waiting(Api.delete_from_archive)
    sessions = _waiting(Api.sessions)
    end_sessions = _waiting(Api.end_sessions)
    session_page = _waiting(Api.session_page)
    session = _waiting(Api.session)
    end_session = _waiting(Api.end_session)
    start_trace = _waiting(Api.start_trace)
    trace = _waiting(Api.trace)
    stop_trace = _waiting(Api.stop_trace)
    presence = _waiting(Api.presence)
    disabled_accounts = _waiting(Api.disabled_accounts)
    disable_account = _waiting(Api.disable_account)
    enable_account = _waiting(Api.enable_account)
    processes = _waiting(Api.processes)
    settings = _waiting(Api.settings)
    change_setting = _waiting(Api.change_setting)


class SyncApi(Waiting):
    """:class:`~andiron.api.api.Api` for any thread but the event loop's own: ``chat.sync``.

    Where it is called on an event loop it raises :class:`RuntimeError`, since it would wait
    for that very loop. What takes longer than 30 seconds raises ``UnavailableError``, and may
    be done all the same.
    """

    def __init__(self, api: Api, access: Access) -> None:
        self._api = api
        self._access = access

    def _wait(
        self,
        method: Callable[Concatenate[Api, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        work: Coroutine[Any, Any, T] = getattr(self._api, method.__name__)(*args, **kwargs)
        return self._access.run(work)
