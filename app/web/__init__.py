"""What a site serves beside the two transports, and whose word on the client it takes."""
