"""Writes accounts as a document of XEP-0227."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.accounts import stored_keys
from andiron.domain.accounts.credentials import MECHANISMS
from andiron.domain.archive.ids import time_of, write_id
from andiron.domain.archive.preferences import Policy, Preferences, write_preferences
from andiron.domain.archive.store import ACCOUNTS, ArchiveStore, Filter
from andiron.domain.contacts import roster_rows
from andiron.domain.database.database import Database
from andiron.domain.messages.offline_store import MESSAGES
from andiron.domain.portability.canonical import canonical_text
from andiron.domain.portability.tables import BLOCKED, DISABLED, PREFERENCES, PRIVATE, SEEN, VCARDS
from andiron.domain.pubsub.config import NODE_CONFIG
from andiron.domain.pubsub.items import ITEMS
from andiron.domain.pubsub.nodes import Node, find_nodes
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import Field, write_form
from andiron.xmpp.stanza import timestamp, with_delay

__all__ = ["Exporter"]

_PAGE: Final = 500

Write = Callable[[str], object]


class Exporter:
    """Writes the accounts of a domain; uploads and rooms are no part of them.

    Each account is read by itself, so what one says to another meanwhile may be
    with one of them only. Methods raise :class:`DatabaseError`.
    """

    def __init__(self, database: Database, domain: str) -> None:
        self._database = database
        self._domain = domain
        self._archive = ArchiveStore(database, ACCOUNTS)

    async def write(self, usernames: Iterable[str], write: Write) -> None:
        """Write a document with these accounts, which exist, a piece at a time."""
        write("<?xml version='1.0' encoding='UTF-8'?>\n")
        write(f"<server-data xmlns='{ns.PIE}'>\n<host jid='{escape(self._domain)}'>\n")
        for username in usernames:
            await self._user(username, write)
        write("</host>\n</server-data>\n")

    async def _user(self, username: str, write: Write) -> None:
        write(f"<user name='{escape(username)}'>\n")
        for line in await self._database.read(lambda c: self._small(c, username)):
            write(line + "\n")
        await self._published(username, write)
        await self._messages(username, write)
        write("</user>\n")

    async def _small(self, connection: AsyncConnection, username: str) -> list[str]:
        """Return what an account consists of besides messages and items."""
        lines = await _credentials(connection, username)
        disabled = select(DISABLED.c.username).where(DISABLED.c.username == username)
        if await connection.scalar(disabled) is not None:
            lines.append(f"<disabled xmlns='{ns.DISABLED}'/>")
        lines += await _roster(connection, username)
        lines += await _private(connection, username)
        lines += [
            canonical_text(text)
            for text in await connection.scalars(
                select(VCARDS.c.text).where(VCARDS.c.username == username)
            )
        ]
        lines += await _blocked(connection, username)
        lines += await _preferences(connection, username)
        stamp = await connection.scalar(select(SEEN.c.stamp).where(SEEN.c.username == username))
        if stamp is not None:
            delay = f"<delay xmlns='{ns.DELAY}' stamp='{timestamp(stamp)}'/>"
            lines.append(f"<presence xmlns='{ns.CLIENT}' type='unavailable'>{delay}</presence>")
        return lines

    async def _published(self, username: str, write: Write) -> None:
        nodes = await self._database.read(lambda c: find_nodes(c, username))
        if not nodes:
            return
        write(f"<pubsub xmlns='{ns.PUBSUB_OWNER}'>\n")
        for node in nodes:
            write("".join(_owner_parts(node)))
        write(f"</pubsub>\n<pubsub xmlns='{ns.PUBSUB}'>\n")
        for node in nodes:
            write(f"<items node='{escape(node.name)}'>\n")
            after = 0
            while rows := await self._items(node, after):
                for row in rows:
                    write(_item(row) + "\n")
                after = rows[-1].id
            write("</items>\n")
        write("</pubsub>\n")

    async def _items(self, node: Node, after: int) -> Sequence[Any]:
        query = select(ITEMS).where(ITEMS.c.node_id == node.id, ITEMS.c.id > after)

        async def operation(connection: AsyncConnection) -> Sequence[Any]:
            return (await connection.execute(query.order_by(ITEMS.c.id).limit(_PAGE))).all()

        return await self._database.read(operation)

    async def _messages(self, username: str, write: Write) -> None:
        rows = await self._waiting(username, 0)
        if rows:
            write("<offline-messages>\n")
            while rows:
                for row in rows:
                    text = with_delay(row.text, self._domain, row.stamp)
                    write(canonical_text(text) + "\n")
                rows = await self._waiting(username, rows[-1].id)
            write("</offline-messages>\n")
        page = await self._archive.page(username, Filter(), _PAGE)
        if page:
            write(f"<archive xmlns='{ns.PIE_MAM}'>\n")
            while page:
                for row in page:
                    write(
                        f"<result xmlns='{ns.MAM}' id='{write_id(row.id)}'>"
                        f"<forwarded xmlns='{ns.FORWARD}'>"
                        f"<delay xmlns='{ns.DELAY}' stamp='{timestamp(time_of(row.id))}'/>"
                        f"{canonical_text(row.text)}</forwarded></result>\n"
                    )
                page = await self._archive.page(username, Filter(lowest=page[-1].id + 1), _PAGE)
            write("</archive>\n")

    async def _waiting(self, username: str, after: int) -> Sequence[Any]:
        columns = MESSAGES.c
        query = select(columns.id, columns.stamp, columns.text).where(
            columns.username == username, columns.id > after
        )

        async def operation(connection: AsyncConnection) -> Sequence[Any]:
            return (await connection.execute(query.order_by(columns.id).limit(_PAGE))).all()

        return await self._database.read(operation)


async def _credentials(connection: AsyncConnection, username: str) -> list[str]:
    keys = await stored_keys(connection, username)
    return [
        f"<scram-credentials xmlns='{ns.PIE_SCRAM}' mechanism='{mechanism}'>"
        f"<iter-count>{keys[mechanism].iterations}</iter-count>"
        f"<salt>{_base64(keys[mechanism].salt)}</salt>"
        f"<server-key>{_base64(keys[mechanism].server_key)}</server-key>"
        f"<stored-key>{_base64(keys[mechanism].stored_key)}</stored-key></scram-credentials>"
        for mechanism in MECHANISMS
        if mechanism in keys
    ]


async def _roster(connection: AsyncConnection, username: str) -> list[str]:
    columns = roster_rows.CONTACTS.c
    query = (
        select(*roster_rows.STATE, columns.name, columns.groups, columns.request)
        .where(columns.username == username)
        .order_by(columns.jid)
    )
    items, requests = [], []
    for *parts, request in await connection.execute(query):
        item = roster_rows.item_of(*parts)
        if item.contact.listed:
            items.append(item.to_xml())
        if request:
            requests.append(canonical_text(request))
    query_xml = f"<query xmlns='{ns.ROSTER}'>\n" + "\n".join(items) + "\n</query>"
    return [query_xml, *requests] if items else requests


async def _private(connection: AsyncConnection, username: str) -> list[str]:
    query = select(PRIVATE.c.text).where(PRIVATE.c.username == username).order_by(PRIVATE.c.tag)
    found = [canonical_text(text) for text in await connection.scalars(query)]
    return [f"<query xmlns='{ns.PRIVATE}'>\n" + "\n".join(found) + "\n</query>"] if found else []


async def _blocked(connection: AsyncConnection, username: str) -> list[str]:
    """Return a privacy list, which is what XEP-0227 has for it (section 4.8)."""
    query = select(BLOCKED.c.jid).where(BLOCKED.c.username == username).order_by(BLOCKED.c.jid)
    items = [
        f"<item type='jid' value='{escape(jid)}' action='deny' order='{number}'/>"
        for number, jid in enumerate(await connection.scalars(query), 1)
    ]
    if not items:
        return []
    inner = "\n".join(items)
    return [
        f"<query xmlns='{ns.PRIVACY}'><default name='blocked'/><list name='blocked'>\n"
        f"{inner}\n</list></query>"
    ]


async def _preferences(connection: AsyncConnection, username: str) -> list[str]:
    columns = PREFERENCES.c
    query = select(columns.policy, columns.always, columns.never).where(
        columns.username == username
    )
    return [
        write_preferences(Preferences(Policy(policy), _addresses(always), _addresses(never)))
        for policy, always, never in await connection.execute(query)
    ]


def _owner_parts(node: Node) -> list[str]:
    fields = [Field(each.var, each.values, each.type) for each in node.config.fields()]
    name = escape(node.name)
    parts = [f"<configure node='{name}'>{write_form('submit', NODE_CONFIG, fields)}</configure>\n"]
    if node.affiliations:
        inner = "".join(
            f"<affiliation jid='{escape(jid)}' affiliation='{affiliation}'/>"
            for jid, affiliation in node.affiliations.items()
        )
        parts.append(f"<affiliations node='{name}'>{inner}</affiliations>\n")
    if node.subscribers:
        inner = "".join(
            f"<subscription jid='{escape(jid)}' subscription='subscribed'/>"
            for jid in node.subscribers
        )
        parts.append(f"<subscriptions node='{name}'>{inner}</subscriptions>\n")
    return parts


def _item(row: Any) -> str:
    publisher = f" publisher='{escape(row.publisher)}'" if row.publisher else ""
    head = f"<item xmlns:d='{ns.DELAY}' id='{escape(row.item)}'{publisher}"
    payload = canonical_text(row.payload) if row.payload else ""
    return f"{head} d:stamp='{timestamp(row.stamp)}'>{payload}</item>"


def _addresses(text: str) -> frozenset[str]:
    return frozenset(text.split("\n")) if text else frozenset()


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
