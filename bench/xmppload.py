#!/usr/bin/env python3
"""Load generator for XMPP over WebSocket (RFC 7395) and BOSH (XEP-0124/0206).

It knows nothing about the server but its URL and domain. Every message carries
its sender, its addressee, a sequence number and a fixed padding, and every
arrival is checked: the right session, exactly once, in order, body unchanged.
A run whose check fails exits 1 whatever its figures. Only loopback addresses
are accepted as targets, and every run is bounded in sessions and in time.
"""

import sys

from load.command import main

if __name__ == "__main__":
    sys.exit(main(__doc__))
