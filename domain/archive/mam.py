"""Message Archive Management, XEP-0313: how clients ask for what was said.

An account's archive is its own alone to read. A room's module answers with
:func:`answer` for the archive of the room, by its own rules.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from andiron.domain.archive import preferences as archive_prefs
from andiron.domain.archive.archive import Archive, Page, Query
from andiron.domain.archive.ids import HIGHEST, first_at, last_at, parse_id, time_of, write_id
from andiron.domain.archive.preferences import (
    Policy,
    Preferences,
    read_preferences,
    write_preferences,
)
from andiron.domain.archive.store import Filter, Row
from andiron.domain.client import Client
from andiron.domain.config import ArchiveConfig
from andiron.domain.database.database import Database
from andiron.domain.owners import NoSuchAccount, Owners
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import FORM_TYPE, Form, find_form
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.rsm import read_set, write_set
from andiron.xmpp.stanza import timestamp
from andiron.xmpp.tree import Tree

__all__ = ["FEATURES", "FORM", "Mam", "answer", "metadata", "read_query"]

FEATURES: Final = (ns.MAM, ns.MAM_EXTENDED, ns.STANZA_ID)
"""What an address with an archive announces."""
FORM: Final = (
    f"<query xmlns='{ns.MAM}'><x xmlns='{ns.DATA}' type='form'>"
    f"<field type='hidden' var='FORM_TYPE'><value>{ns.MAM}</value></field>"
    "<field type='jid-single' var='with'/>"
    "<field type='text-single' var='start'/>"
    "<field type='text-single' var='end'/>"
    "<field type='text-single' var='before-id'/>"
    "<field type='text-single' var='after-id'/>"
    "<field type='list-multi' var='ids'>"
    "<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'>"
    "<open/></validate></field></x></query>"
)
"""The fields that a query may have (section 4.1.5)."""

_FIELDS: Final = frozenset({FORM_TYPE, "with", "start", "end", "before-id", "after-id", "ids"})
_AT_ONCE: Final = 10
"""Messages of a page that are sent before others have their turns."""
_USUAL_PAGE: Final = 50
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Mam:
    """Answers for the archives of accounts."""

    def __init__(
        self, archive: Archive, owners: Owners, database: Database, config: ArchiveConfig
    ) -> None:
        self._archive = archive
        self._owners = owners
        self._database = database
        self._config = config

    def register(self, registry: Registry) -> None:
        """Answer for one's own archive, and for nobody else's (section 9.1).

        Those of others are answered as if there were none, as are accounts that
        do not exist: ``forbidden`` would tell them apart.
        """
        for kind, name, handler in (
            ("get", "query", self._form),
            ("set", "query", self._query),
            ("get", "metadata", self._metadata),
            ("get", "prefs", self._preferences),
            ("set", "prefs", self._set_preferences),
        ):
            registry.add(Target.ACCOUNT, kind, ns.MAM, name, handler)
        for feature in FEATURES:
            registry.add_feature(Target.ACCOUNT, feature)
        registry.add_feature(Target.DOMAIN, ns.STANZA_ID)

    def _form(self, _request: IqRequest) -> str:
        return FORM

    async def _query(self, request: IqRequest) -> str:
        return await answer(
            self._archive,
            request.client.owner.username,
            request.payload,
            request.client,
            request.account,
            self._config.page,
        )

    async def _metadata(self, request: IqRequest) -> str:
        return await metadata(self._archive, request.client.owner.username)

    def _preferences(self, request: IqRequest) -> str:
        default = Preferences(Policy(self._config.default))
        return write_preferences(request.client.owner.parts.get(Preferences, default))

    async def _set_preferences(self, request: IqRequest) -> str:
        preferences = read_preferences(request.payload, self._config.max_preferences)
        owner = request.client.owner
        if not owner.registered:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "nothing is kept for this account")
        try:
            await archive_prefs.save(self._database, owner.username, preferences)
        except NoSuchAccount:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "the account is gone") from None
        self._owners.change(owner.jid, archive_prefs.known(preferences))
        return write_preferences(preferences)


async def answer(
    archive: Archive,
    name: str,
    payload: Tree,
    client: Client,
    sender: str,
    limit: int,
    shown: Callable[[Row], bool] = lambda _row: True,
) -> str:
    """Send ``client`` the page that ``<query/>`` asks for; return ``<fin/>``, for the result.

    ``name`` is the archive's, ``sender`` the address that was asked, and ``limit``
    the most messages of a page. ``shown`` tells which of a page to send; its ends are the
    same all the same.
    Raises :class:`StanzaError` and :class:`DatabaseError`.
    """
    page = await archive.page(name, read_query(payload, limit))
    rows = page.rows
    if payload.find(f"{{{ns.MAM}}}flip-page") is not None:
        rows = rows[::-1]
    asked = payload.get("queryid")
    queryid = "" if asked is None else f" queryid='{escape(asked)}'"
    head = (
        f"<message xmlns='{ns.CLIENT}' from='{escape(sender)}' to='{escape(client.jid)}'>"
        f"<result xmlns='{ns.MAM}'{queryid} id='"
    )
    for number, row in enumerate(filter(shown, rows)):
        if number and not number % _AT_ONCE:
            await asyncio.sleep(0)  # Others have their turns.
            if not client.bound:
                break
        # Not as messages that may be held: all must be there before the answer.
        client.forward(
            f"{head}{write_id(row.id)}'><forwarded xmlns='{ns.FORWARD}'>"
            f"<delay xmlns='{ns.DELAY}' stamp='{timestamp(time_of(row.id))}'/>"
            f"{row.text}</forwarded></result></message>",
            client.session.clock(),
        )
    return _fin(page)


async def metadata(archive: Archive, name: str) -> str:
    """Return what ``<metadata/>`` asks for: the ends of an archive (section 5)."""
    found = await archive.range(name)
    if found is None:
        return f"<metadata xmlns='{ns.MAM}'/>"
    ends = "".join(
        f"<{end} id='{write_id(identity)}' timestamp='{timestamp(time_of(identity))}'/>"
        for end, identity in (("start", found.first), ("end", found.last))
    )
    return f"<metadata xmlns='{ns.MAM}'>{ends}</metadata>"


def read_query(payload: Tree, limit: int) -> Query:
    """Read ``<query/>`` (section 4); a page has ``limit`` messages at most.

    Raises :class:`StanzaError`.
    """
    if payload.get("node"):
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "there are no nodes here")
    form = _form_of(payload)
    request = read_set(payload)
    if request.index:
        raise StanzaError(StanzaCondition.FEATURE_NOT_IMPLEMENTED, "pages begin by id")
    after = [_id(text) for text in (form.text("after-id"), request.after or "") if text]
    before = [_id(text) for text in (form.text("before-id"), request.before or "") if text]
    ids = form.fields.get("ids")
    if ids is not None and len(ids) > limit:
        raise StanzaError(StanzaCondition.POLICY_VIOLATION, f"{limit} ids at most")
    some = None if ids is None else frozenset(map(_id, ids))
    start, end = _time(form, "start"), _time(form, "end")
    lowest = [identity + 1 for identity in after]
    highest = [identity - 1 for identity in before]
    if start is not None:
        lowest.append(first_at(-(-start // _MILLISECOND)))
    if end is not None:
        highest.append(last_at(end // _MILLISECOND))
    peer, resource = _peer(form)
    return Query(
        wanted=Filter(
            lowest=min(max(lowest, default=0), HIGHEST),
            highest=min(highest, default=HIGHEST),
            peer=peer,
            resource=resource,
            ids=some,
        ),
        size=request.size(_USUAL_PAGE, limit),
        required=frozenset(after) | frozenset(before) | (some or frozenset()),
        backwards=request.backwards,
        whole=not (request.after or request.before),
    )


def _form_of(payload: Tree) -> Form:
    form = find_form(payload)
    if form is None:
        return Form("submit", {})
    if form.form_type != ns.MAM:
        raise StanzaError(StanzaCondition.BAD_REQUEST, f"the form's type is {ns.MAM}")
    if form.fields.keys() - _FIELDS:
        raise StanzaError(StanzaCondition.FEATURE_NOT_IMPLEMENTED, "a field is unknown")
    return form


def _id(text: str) -> int:
    identity = parse_id(text.strip())
    if identity is None:
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "not in the archive")
    return identity


def _time(form: Form, field: str) -> timedelta | None:
    """Return the time in a field as what has passed since 1970 (XEP-0082 section 3.2)."""
    text = form.text(field).strip()
    if not text:
        return None
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        pass
    raise StanzaError(StanzaCondition.BAD_REQUEST, f"{field} is no time")


def _peer(form: Form) -> tuple[str, str]:
    text = form.text("with").strip()
    if not text:
        return "", ""
    jid = parse_jid(text)
    return jid.bare, jid.resource


def _fin(page: Page) -> str:
    first, last = (write_id(page.rows[end].id) if page.rows else "" for end in (0, -1))
    complete = " complete='true'" if page.complete else ""
    described = write_set(first, last, count=page.count, index=page.index)
    return f"<fin xmlns='{ns.MAM}'{complete}>{described}</fin>"
