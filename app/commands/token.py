"""``andiron token``: makes a token to try sign-in with."""

import click

from andiron.domain.sign_in.tokens import account_of
from andiron.settings import Settings
from andiron.tokens.configured import new_token

__all__ = ["make_token"]


@click.command("token")
@click.argument("name")
@click.option(
    "--expires",
    type=click.IntRange(min=1),
    default=3600,
    show_default=True,
    metavar="SECONDS",
    help="How long the token is good for.",
)
@click.option(
    "--key",
    default="",
    metavar="FILE",
    help="Sign with the private key in this PEM file, in place of the setting token_secret.",
)
def make_token(name: str, expires: int, key: str) -> None:
    """Print a token that lets NAME in, to try sign-in with.

    It says what the settings want a token to say: who issued it and for whom it is.
    """
    settings = Settings()
    account = account_of(name, settings.domain)
    if account is None:
        raise click.ClickException(f"{name!r} cannot be an account of {settings.domain}.")
    click.echo(new_token(settings, account, key, expires))
