"""XMPP over BOSH, XEP-0124 and XEP-0206."""
