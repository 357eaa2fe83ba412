"""Clients inside the site's own process, over a transport in memory."""
