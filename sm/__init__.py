"""The session manager: XEP-0198 counters and queue, sessions, detach and resume."""
