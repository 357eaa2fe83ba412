"""The site's people in an LDAP directory: whether a password is right, and who that is."""
