"""Administration of the domain by its admins' clients: XEP-0050 and XEP-0133."""
