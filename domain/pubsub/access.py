"""Who may see a node (XEP-0060 section 4.5, XEP-0163 section 6.3)."""

from andiron.domain.client import Owner
from andiron.domain.contacts.blocking import blocks
from andiron.domain.contacts.roster import sees
from andiron.domain.pubsub.config import AccessModel
from andiron.domain.pubsub.nodes import Affiliation, Node

__all__ = ["may_see", "may_see_by"]


def may_see(node: Node, owner: Owner, bare: str) -> bool:
    """Tell whether a bare JID may subscribe to a node of an account and retrieve its items.

    It is asked each time, so that who loses the presence loses the rest.
    """
    if bare == owner.jid:
        return True
    if blocks(owner, bare):
        return False
    return may_see_by(node, bare, shares_presence=sees(owner, bare))


def may_see_by(node: Node, bare: str, *, shares_presence: bool) -> bool:
    """Tell the same of somebody else whom the account has not blocked."""
    affiliation = node.affiliations.get(bare)
    if affiliation is not None:
        return affiliation == Affiliation.MEMBER
    match node.config.access_model:
        case AccessModel.OPEN:
            return True
        case AccessModel.PRESENCE:
            return shares_presence
        case AccessModel.ROSTER:
            return shares_presence and bare in node.group
        case AccessModel.WHITELIST:
            return False
