"""Redis as what ties the processes together: who is home, and what it owes."""
