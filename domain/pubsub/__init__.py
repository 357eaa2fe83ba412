"""Personal Eventing, XEP-0163: each account is a publish-subscribe service (XEP-0060)."""
