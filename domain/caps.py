"""Entity Capabilities, XEP-0115: the domain's discovery information as a hash."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Final

from andiron.domain.disco import Disco
from andiron.domain.registry import Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

NODE: Final = "urn:x-andiron"
"""Names the software (section 4)."""


def register(registry: Registry, disco: Disco) -> str:
    """Return the stream feature ``<c/>`` of the domain (section 6.3).

    Call it when everything else is registered: the hash is of what there is.
    """
    registry.add_feature(Target.DOMAIN, ns.CAPS)
    category, kind, name = disco.identity(Target.DOMAIN)
    ver = verification_string([(category, kind, "", name)], registry.features(Target.DOMAIN))
    disco.nodes[f"{NODE}#{ver}"] = Target.DOMAIN
    return f"<c xmlns='{ns.CAPS}' hash='sha-1' node='{escape(NODE)}' ver='{ver}'/>"


def verification_string(
    identities: Iterable[tuple[str, str, str, str]], features: Iterable[str]
) -> str:
    """Return ``ver`` for identities (category, type, language, name) and features (section 5.1).

    SHA-1 is what the specification makes every entity understand; it guards nothing here.
    """
    parts = sorted("/".join(identity).encode() for identity in identities)
    parts += sorted(feature.encode() for feature in features)
    digest = hashlib.sha1(b"".join(part + b"<" for part in parts), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()
