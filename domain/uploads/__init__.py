"""Files that one user uploads and others fetch (XEP-0363)."""
