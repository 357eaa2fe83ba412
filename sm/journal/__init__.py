"""What a process would owe if it were killed now, in a file: sessions, notes and debts."""
