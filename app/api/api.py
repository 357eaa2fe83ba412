"""The API for the site's own code, as coroutines on the application's event loop."""

from collections.abc import Sequence
from datetime import datetime

from andiron.api.access import Access
from andiron.api.values import (
    Affiliation,
    ArchivePage,
    Member,
    MessageKind,
    Presence,
    Process,
    RoomInfo,
    RoomPage,
    RoomPerson,
    Sent,
    Session,
    SessionColumn,
    SessionPage,
    Setting,
    SettingValue,
    Trace,
)

__all__ = ["Api"]


class Api:
    """What the site's code may do with the chat: ``chat.api``.

    Accounts and rooms are given by their names or addresses. Every method raises
    :class:`~andiron.api.errors.ApiError`: ``InvalidError`` for what can never be,
    ``NotFoundError``, ``RefusedError``, ``BusyError``, and ``UnavailableError`` while the
    application does not run or its database cannot be reached; and :class:`RuntimeError`
    on another event loop than the application's.

    With several processes (``cluster``) it is the same in each of them. ``UnavailableError`` says
    there, too, that no process is home, or that the one that was ended meanwhile, or has not
    answered in 30 seconds, and whether what was asked may be done all the same.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    # Messages

    async def send(
        self,
        to: str,
        body: str,
        *,
        sender: str = "",
        subject: str = "",
        kind: MessageKind = "chat",
        message_id: str = "",
    ) -> Sent:
        """Send a message to an account, as the site, or as the account ``sender``.

        When this returns it is taken over: archived, and on its way or stored for one who is
        away. Accounts that there are not yet are made as at a first sign-in (``provision``).
        """
        with self._access.entered() as chat:
            return await chat.messages.send(
                to, body, sender=sender, subject=subject, kind=kind, message_id=message_id
            )

    async def notify(self, to: str, body: str, *, sender: str = "", subject: str = "") -> int:
        """Send a notification to the clients of an account that are there; return to how many.

        It is a message of type ``headline`` (RFC 6121 section 5.2.2): no archive keeps it, and
        for one who is away it is gone. What must be read is for :meth:`send`.
        """
        with self._access.entered() as chat:
            return await chat.messages.notify(to, body, sender=sender, subject=subject)

    async def announce(self, body: str, *, subject: str = "") -> int:
        """Tell something to all who are online, as the site; return to how many sessions.

        It is a ``headline`` as :meth:`notify` sends. Sessions that wait to be resumed get it then.
        """
        with self._access.entered() as chat:
            return await chat.messages.announce(body, subject)

    # Rooms

    async def rooms(self, *, after: str = "", size: int = 100) -> RoomPage:
        """Return rooms in the order of their addresses, up to 1,000 ``after`` an address."""
        with self._access.entered() as chat:
            return chat.rooms.list(after, size)

    async def room(self, room: str) -> RoomInfo:
        """Return a room."""
        with self._access.entered() as chat:
            return chat.rooms.info(room)

    async def create_room(  # noqa: PLR0913
        self,
        room: str,
        *,
        name: str = "",
        description: str = "",
        subject: str = "",
        public: bool = True,
        members_only: bool = False,
        moderated: bool = False,
        addresses_shown: bool = False,
        archived: bool = True,
        password: str = "",
        owners: Sequence[str] = (),
        members: Sequence[str] = (),
    ) -> RoomInfo:
        """Make a room that stays until it is destroyed. The site owns it unless there are owners.

        With ``addresses_shown`` all in it see each other's addresses, else moderators only.
        """
        with self._access.entered() as chat:
            return await chat.rooms.create(
                room,
                {
                    "name": name,
                    "description": description,
                    "public": public,
                    "members_only": members_only,
                    "moderated": moderated,
                    "addresses_shown": addresses_shown,
                    "archived": archived,
                    "password": password,
                },
                owners=owners,
                members=members,
                subject=subject,
            )

    async def change_room(  # noqa: PLR0913
        self,
        room: str,
        *,
        name: str | None = None,
        description: str | None = None,
        public: bool | None = None,
        members_only: bool | None = None,
        moderated: bool | None = None,
        addresses_shown: bool | None = None,
        archived: bool | None = None,
        password: str | None = None,
    ) -> RoomInfo:
        """Set a room up anew; what is None stays. An empty password is none."""
        with self._access.entered() as chat:
            return await chat.rooms.change(
                room,
                {
                    "name": name,
                    "description": description,
                    "public": public,
                    "members_only": members_only,
                    "moderated": moderated,
                    "addresses_shown": addresses_shown,
                    "archived": archived,
                    "password": password,
                },
            )

    async def destroy_room(self, room: str, *, reason: str = "") -> None:
        """Bring a room to its end, with its archive; those in it are told the reason."""
        with self._access.entered() as chat:
            await chat.rooms.destroy(room, reason)

    async def members(self, room: str) -> tuple[Member, ...]:
        """Return who has a lasting place in a room: owners, admins, members, and who is banned."""
        with self._access.entered() as chat:
            return chat.rooms.members(room)

    async def set_member(
        self,
        room: str,
        account: str,
        affiliation: Affiliation,
        *,
        nick: str | None = None,
        reason: str = "",
    ) -> None:
        """Give somebody a lasting place in a room, or take it (``none``), or ban (``outcast``).

        ``nick`` reserves a nickname, an empty one none; None leaves that as it is.
        """
        with self._access.entered() as chat:
            await chat.rooms.set_member(room, account, affiliation, nick=nick, reason=reason)

    async def invite(self, room: str, account: str, *, reason: str = "") -> None:
        """Invite somebody, who becomes a member where only members may enter."""
        with self._access.entered() as chat:
            await chat.rooms.invite(room, account, reason)

    async def occupants(self, room: str) -> tuple[RoomPerson, ...]:
        """Return who is in a room."""
        with self._access.entered() as chat:
            return chat.rooms.occupants(room)

    async def say(self, room: str, body: str, *, sender: str = "", nick: str = "") -> Sent:
        """Say something to all in a room, as the site or as an account, which need not be in it.

        The site speaks by ``nick``, or without one as the room itself. An account does by
        the nickname it has there, else by ``nick``, else by its name.
        """
        with self._access.entered() as chat:
            return await chat.rooms.say(room, body, sender=sender, nick=nick)

    async def set_subject(self, room: str, subject: str) -> None:
        """Let a room have another subject."""
        with self._access.entered() as chat:
            await chat.rooms.set_subject(room, subject)

    # Archives

    async def archive(
        self,
        of: str,
        *,
        peer: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        after: str = "",
        before: str = "",
        size: int = 50,
        latest: bool = False,
    ) -> ArchivePage:
        """Return messages of the archive of an account, or of a room by its address.

        ``peer`` is with whom: an account or address; in a room, who said it, a nickname. The
        page begins ``after`` an id, or ends ``before`` one; with ``latest`` it is the last
        that there are, else the first. A page has ``archive_page`` messages at most.
        """
        with self._access.entered() as chat:
            return await chat.archive.page(
                of,
                peer=peer,
                start=start,
                end=end,
                after=after,
                before=before,
                size=size,
                latest=latest,
            )

    async def add_to_archive(
        self,
        of: str,
        body: str,
        *,
        peer: str,
        time: datetime,
        sent: bool = False,
        subject: str = "",
    ) -> str:
        """Put a message of the past into one archive, and return its id there.

        In an account's it is from ``peer``, or to ``peer`` where the account ``sent`` it. In a
        room's, ``peer`` is the nickname of who said it. Nobody is sent anything.
        """
        with self._access.entered() as chat:
            return await chat.archive.add(
                of, body, peer=peer, sent=sent, time=time, subject=subject
            )

    async def delete_from_archive(self, of: str, message: str) -> None:
        """Take a message out of one archive, by its id there. Clients may have it still."""
        with self._access.entered() as chat:
            await chat.archive.delete(of, message)

    # Sessions

    async def sessions(self, account: str = "") -> tuple[Session, ...]:
        """Return the sessions of an account, or of all that are signed in, oldest first."""
        with self._access.entered() as chat:
            return await chat.sessions.list(account)

    async def session_page(
        self,
        *,
        text: str = "",
        sort: SessionColumn = "since",
        descending: bool = False,
        start: int = 0,
        size: int = 100,
    ) -> SessionPage:
        """Return some of the sessions that are signed in, sorted, and what all amount to.

        They are those with ``text`` in the address, the ip, the transport, the state or the id,
        and of several processes in the process's name, from the one with the number ``start`` on,
        up to 1,000. However many there are, the event loop is not held.
        """
        with self._access.entered() as chat:
            return await chat.sessions.page(
                text, sort, descending=descending, start=start, size=size
            )

    async def session(self, session: str) -> Session:
        """Return a session by its id."""
        with self._access.entered() as chat:
            return chat.sessions.one(session)

    async def end_session(self, session: str, *, reason: str = "") -> None:
        """End a session by its id, as :meth:`end_sessions` does."""
        with self._access.entered() as chat:
            chat.sessions.end_one(session, reason)

    async def start_trace(self, session: str, *, seconds: int = 300) -> Trace:
        """Note what passes between a session and its client for so long, an hour at most.

        Only outlines are noted: what elements are made of, and nothing of what they say. Ten
        sessions are traced at a time, and the last 500 lines of each are kept.
        """
        with self._access.entered() as chat:
            return chat.traces.start(session, seconds)

    async def trace(self, session: str, *, after: int = 0) -> Trace:
        """Return what was noted ``after`` the line with that number, also when it has ended."""
        with self._access.entered() as chat:
            return chat.traces.read(session, after)

    async def stop_trace(self, session: str) -> None:
        """Trace a session no more, and forget its lines."""
        with self._access.entered() as chat:
            chat.traces.stop(session)

    async def end_sessions(self, of: str, *, reason: str = "") -> int:
        """End all sessions of an account, or one by its address; return how many those were.

        They end with ``not-authorized``; what they had not acknowledged waits for the account.
        """
        with self._access.entered() as chat:
            return chat.sessions.end(of, reason)

    async def presence(self, account: str) -> Presence:
        """Return whether somebody is there, whoever may see that in the chat."""
        with self._access.entered() as chat:
            return await chat.sessions.presence(account)

    # Accounts

    async def disabled_accounts(self) -> tuple[str, ...]:
        """Return the names of the accounts that are disabled."""
        with self._access.entered() as chat:
            return await chat.accounts.disabled()

    async def disable_account(self, account: str) -> int:
        """Let nobody sign in to an account, and end its sessions; return how many those were.

        All that it has stays, and messages to it wait.
        """
        with self._access.entered() as chat:
            return await chat.accounts.disable(account)

    async def enable_account(self, account: str) -> None:
        """Let the owner of an account sign in again."""
        with self._access.entered() as chat:
            await chat.accounts.enable(account)

    # Processes

    async def processes(self) -> tuple[Process, ...]:
        """Return the processes that serve the chat, the one first that is home.

        Without the setting ``cluster`` that is the only one.
        """
        with self._access.entered() as chat:
            return chat.processes.all()

    # Settings

    async def settings(self) -> tuple[Setting, ...]:
        """Return the settings that can be changed while the application runs."""
        with self._access.entered() as chat:
            return chat.settings.list()

    async def change_setting(self, setting: str, value: SettingValue) -> Setting:
        """Let a setting be another, until the application ends or its settings are read anew.

        Those of sessions hold for sessions that begin from then on. With several processes
        (``cluster``) it holds within two seconds in all that run, in each until that ends.
        """
        with self._access.entered() as chat:
            return chat.settings.change(setting, value)
