"""A message's way: delivery, copies for other resources, what waits."""
