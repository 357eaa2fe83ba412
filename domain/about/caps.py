"""Entity Capabilities, XEP-0115: discovery information as a hash."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Final

from andiron.domain.about.disco import Disco
from andiron.domain.registry import DiscoForm, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

NODE: Final = "urn:x-andiron"
"""Names the software (section 4)."""


def register(registry: Registry, disco: Disco) -> str:
    """Return the stream feature ``<c/>`` of the domain (section 6.3).

    Call it when everything else is registered: the hash is of what there is.
    """
    registry.add_feature(Target.DOMAIN, ns.CAPS)
    ver = verification_string(
        [(i.category, i.type, "", i.name) for i in registry.identities[Target.DOMAIN]],
        registry.features(Target.DOMAIN),
        registry.forms[Target.DOMAIN],
    )
    disco.nodes[f"{NODE}#{ver}"] = Target.DOMAIN
    return f"<c xmlns='{ns.CAPS}' hash='sha-1' node='{escape(NODE)}' ver='{ver}'/>"


def verification_string(
    identities: Iterable[tuple[str, str, str, str]],
    features: Iterable[str],
    forms: Iterable[DiscoForm] = (),
) -> str:
    """Return ``ver`` (section 5.1); an identity is its category, type, language and name.

    SHA-1 is what the specification makes every entity understand; it guards nothing here.
    """
    parts = sorted("/".join(identity).encode() for identity in identities)
    parts += sorted(feature.encode() for feature in features)
    for form in sorted(forms, key=lambda form: form.form_type.encode()):
        parts.append(form.form_type.encode())
        for field in sorted(form.fields, key=lambda field: field.var.encode()):
            parts.append(field.var.encode())
            parts += sorted(value.encode() for value in field.values)
    digest = hashlib.sha1(b"".join(part + b"<" for part in parts), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()
