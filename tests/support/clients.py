"""What tests do with the clients of :mod:`andiron.testing`, which do nothing by themselves."""

from andiron.testing import ChatClient, Stanza
from andiron.xmpp import namespaces as ns

EXTERNAL = f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>=</auth>"
"""Signs in whom the application knows already."""


async def managed(client: ChatClient, *, resumable: bool = True) -> Stanza:
    """Have a client's stanzas counted (XEP-0198); return the answer to that."""
    resume = " resume='true'" if resumable else ""
    await client.write(f"<enable xmlns='{ns.SM_3}'{resume}/>")
    return await client.next(lambda one: one.name == "enabled")
