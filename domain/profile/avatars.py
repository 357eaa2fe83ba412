"""User Avatar to vCard-Based Avatars Conversion, XEP-0398: one picture, whichever way it came."""

import logging

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.database.engines import DatabaseError
from andiron.domain.profile.photo import Photo, read_data, read_metadata
from andiron.domain.profile.vcards import VCards
from andiron.domain.pubsub.config import AccessModel
from andiron.domain.pubsub.eventing import PersonalEventing
from andiron.domain.pubsub.items import Item, items_by_id
from andiron.domain.pubsub.nodes import Node, find_node
from andiron.domain.registry import Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.tree import Tree, parse_tree
from andiron.xmpp.xml import Element

__all__ = ["Avatars"]

logger = logging.getLogger("andiron.domain")

_OPEN = {"pubsub#access_model": AccessModel.OPEN.value}


class Avatars:
    """Copies pictures from vCards to what accounts publish, and back."""

    def __init__(self, vcards: VCards, pubsub: PersonalEventing) -> None:
        self._vcards = vcards
        self._pubsub = pubsub

    def register(self, registry: Registry) -> None:
        """Follow what is published and what is put into vCards."""
        self._vcards.photo_changed = self.to_pubsub
        self._pubsub.published.append(self.to_vcard)
        registry.add_feature(Target.ACCOUNT, ns.PEP_VCARD_CONVERSION)

    async def to_pubsub(self, account: str, photo: Photo, stamp: float) -> None:
        """Publish the picture of an account's new vCard (section 3.2)."""
        for node, payload in (
            (ns.AVATAR_DATA, photo.to_data()),
            (ns.AVATAR_METADATA, photo.to_metadata()),
        ):
            try:
                await self.publish(account, node, photo.id, payload, stamp)
            except (StanzaError, DatabaseError) as error:
                logger.info("the picture of %s could not be published: %s", account, error)
                return

    async def publish(
        self, account: str, node: str, identity: str, payload: str, stamp: float
    ) -> None:
        """Publish what everybody may see, unless the account has the node and wants it otherwise.

        Raises :class:`StanzaError` and :class:`DatabaseError`.
        """
        try:
            await self._pubsub.publish(account, node, identity, payload, _OPEN, stamp)
        except StanzaError:
            # The account has the node already, and wants it otherwise.
            await self._pubsub.publish(account, node, identity, payload, {}, stamp)

    async def to_vcard(self, owner: Owner, node: Node, item: Item) -> None:
        """Put the avatar that an account has published into its vCard (section 3.1)."""
        if node.name != ns.AVATAR_METADATA or not item.payload:
            return
        told = read_metadata(_tree(item.payload))
        if told is None or told[0] == owner.parts.get(Photo, ""):
            return
        identity, kind = told
        try:
            photo = await self._find(owner, identity, kind) if identity else None
            if photo is not None or not identity:
                await self._vcards.change_photo(owner, photo)
        except (StanzaError, DatabaseError) as error:
            logger.info("the avatar of %s does not go into the vCard: %s", owner.jid, error)

    async def _find(self, owner: Owner, identity: str, kind: str) -> Photo | None:
        """Return the picture of that id, if everybody may see it and it is what it says."""

        async def operation(connection: AsyncConnection) -> list[Item]:
            node = await find_node(connection, owner.username, ns.AVATAR_DATA)
            if node is None or node.config.access_model is not AccessModel.OPEN:
                return []
            return await items_by_id(connection, node, [identity])

        for item in await self._pubsub.read(owner, operation):
            photo = read_data(_tree(item.payload), kind) if item.payload else None
            if photo is not None and photo.id == identity:
                return photo
        return None


def _tree(text: str) -> Tree:
    return parse_tree(Element(text, "", "", {}))
