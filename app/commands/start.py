"""Where the console script and ``python -m andiron`` begin."""

import gc


def main() -> None:
    """Run the command line.

    What is imported stays: to look among it for garbage, again and again as it
    grows, would be a sixth of the time that a start takes.
    """
    gc.disable()
    from andiron.commands import cli  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    cli.main()
