"""Many sessions that must lose nothing: their clients, their traffic, and what befalls them.

:mod:`soaking.losses` kills their connections, :mod:`soaking.restarts` their server.
"""
