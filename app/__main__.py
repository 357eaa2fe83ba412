"""The command line: ``python -m andiron``, or ``python -m app`` in a bare checkout."""

from andiron.commands.start import main

if __name__ == "__main__":
    main()
