"""What sign-in by SASL offers (RFC 6120 section 6), and what all its exchanges share."""

from collections.abc import Callable

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.sign_in import oauthbearer
from andiron.domain.sign_in.admission import Admission
from andiron.domain.sign_in.exchange import ANONYMOUS, EXTERNAL, PLAIN, Exchange, SaslConfig
from andiron.domain.sign_in.site import Site
from andiron.domain.sign_in.turns import Turns
from andiron.sm.driver import TimerDriver
from andiron.sm.link import Channel


class Authenticator:
    """Signs clients in to one domain; :meth:`close` it when the domain ends."""

    def __init__(
        self,
        accounts: Accounts,
        turns: Turns,
        config: SaslConfig,
        *,
        clock: Callable[[], float],
        site: Site = Site(),  # noqa: B008 - it is frozen
    ) -> None:
        """Take the parts; ``clock`` gives the present of ``now``, the loop's time.

        A ``site`` that checks passwords knows none in advance, so SCRAM is not offered then;
        where it tells their keys, that is the one of these.
        """
        self.turns = turns
        self.admission = Admission(accounts, site, config.domain, config.remembered)
        """Tells whose a password is, and whether they may come in."""
        self._site = site
        self._config = config
        self._clock = clock
        self._driver = TimerDriver(turns.timers)

    def start(self) -> None:
        """Let turns come with time, on the running loop."""
        self._driver.start()

    def mechanisms(self, channel: Channel) -> tuple[str, ...]:
        """Return the mechanisms to offer on ``channel``, strongest first.

        A visitor whom the site knows is offered nothing else: many clients take what asks
        for a password before EXTERNAL, and have none. Nor is SCRAM offered where a token may
        stand for a password: clients would take it, and prove that they know another than the
        account's. They may ask for what is not offered.
        """
        if channel.visitor:
            return (EXTERNAL,)
        bearer = (oauthbearer.MECHANISM,) if self._site.takes_tokens and channel.secure else ()
        plain = (PLAIN,) if self._config.plain and channel.secure else ()
        scram = () if bearer and plain else self._site.scram(self._config.scram)
        anonymous = (ANONYMOUS,) if self._config.anonymous else ()
        return (*scram, *bearer, *plain, *anonymous)

    def exchange(self, channel: Channel) -> Exchange:
        """Return the SASL negotiation of a new stream."""
        return Exchange(self._config, self._site, self.admission, self.turns, channel, self._clock)

    def close(self) -> None:
        """Let no more turns come, and go of the hashing threads."""
        self._driver.stop()
        self.admission.close()
