"""Andiron beside Prosody and ejabberd: what `make bench` measures and writes down."""
