"""A stream's way to an account and its resource: SASL, binding."""
