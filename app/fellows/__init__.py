"""An application that is one of several processes: it is home, or relays to the one that is."""
