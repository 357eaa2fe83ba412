"""JSON Web Tokens (RFC 7519): by which keys they are checked, and what they say."""
