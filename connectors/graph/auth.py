"""Tokens: one long-lived MSAL application, a certificate before a secret, nothing on disk.

MSAL is synchronous and keeps the token in memory by itself; it runs in a thread, one call at a time. The certificate
form with ``public_certificate`` makes it sign with PS256 (the old thumbprint form would use SHA-1).
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msal
import requests
from cryptography import x509

from bridge.ports import ConfigurationError, Refused, Unreachable
from connectors.graph.options import Access

EARLY = 300.0  # seconds before its end that a token is renewed
PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


class Tokens:
    """Gives the bearer token of one application in one tenant. ``str()`` and ``repr()`` show no secret."""

    def __init__(self, options: Access, *, secret: Callable[[str], bytes], monotonic: Callable[[], float]) -> None:
        self._options = options
        self._secret = secret
        self._now = monotonic
        self._lock = asyncio.Lock()
        self._application: Any = None
        self._token = ""
        self._ends = 0.0  # when to renew it
        self._dead = 0.0  # when it is of no use any more
        self._forget = False

    def __repr__(self) -> str:
        return f"Tokens(tenant={self._options.tenant_id}, client={self._options.client_id})"

    async def bearer(self, claims: str | None = None) -> str:
        """A valid token. ``claims``: the service asked for a new one with these claims (continuous access evaluation).

        Raises Unreachable when the login service does not answer, Refused when it does not let us in,
        ConfigurationError when the credential can't be read.
        """
        async with self._lock:
            if claims is None and self._token and self._now() < self._ends:
                return self._token
            try:
                found = await asyncio.to_thread(self._acquire, claims)
            except Unreachable:
                if claims is None and self._now() < self._dead:
                    return self._token  # it was to be renewed early, and is still good
                raise
            life = float(found.get("expires_in", 0))
            self._token = str(found["access_token"])
            self._ends = self._now() + max(life - EARLY, 30.0)
            self._dead = self._now() + life - 30.0
            return self._token

    def forget(self) -> None:
        """The service refused the token: get a new one next time, not the same one from MSAL's memory."""
        self._ends = self._dead = 0.0
        self._forget = True

    async def roles(self) -> frozenset[str]:
        """The permissions that the token carries; empty when it is not readable."""
        try:
            payload = (await self.bearer()).split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return frozenset(str(role) for role in claims.get("roles", ()))
        except (IndexError, ValueError, AttributeError):
            return frozenset()

    async def certificate_ends(self) -> datetime | None:
        """Until when the certificate lasts; None for a client secret, which does not tell. Raises as ``bearer``."""
        found = await asyncio.to_thread(self._credential)
        if isinstance(found, str):
            return None
        try:
            return x509.load_pem_x509_certificate(found["public_certificate"].encode()).not_valid_after_utc
        except ValueError:
            raise ConfigurationError("The certificate for Microsoft 365 is no X.509 certificate.") from None

    def _acquire(self, claims: str | None) -> Mapping[str, Any]:
        """In a thread: MSAL answers from its own memory, or asks the login service."""
        if self._application is None:
            self._application = self._build()
        try:
            if self._forget:
                self._application.remove_tokens_for_client()
                self._forget = False
            found = self._application.acquire_token_for_client([self._options.scope], claims_challenge=claims)
        except (OSError, msal.exceptions.MsalError) as error:  # what requests raises is an OSError
            self._application = None  # or MSAL would give the failed answer again for some seconds
            raise Unreachable(
                f"The login service {self._options.authority_url} does not answer ({type(error).__name__})."
            ) from None
        except ValueError as error:
            raise ConfigurationError(f"The login service can't be used: {_without_keys(str(error))}") from None
        if "access_token" not in found:
            self._application = None  # the credential is read again: somebody may have renewed it meanwhile
            raise Refused(
                f"The login service refuses the app {self._options.client_id}: {found.get('error')}: "
                f"{_without_keys(str(found.get('error_description', '')))[:400]}"
            )
        return dict(found)

    def _build(self) -> Any:
        options = self._options
        try:
            return msal.ConfidentialClientApplication(
                options.client_id,
                client_credential=self._credential(),
                authority=options.authority_url,
                instance_discovery=False,
                http_client=self._session(),
                client_capabilities=["CP1"],
            )
        except (OSError, msal.exceptions.MsalError) as error:  # what requests raises is an OSError
            raise Unreachable(
                f"The login service {options.authority_url} does not answer ({type(error).__name__})."
            ) from None
        except ValueError as error:
            raise ConfigurationError(
                f"The credential or the authority can't be used: {_without_keys(str(error))}"
            ) from None

    def _session(self) -> Any:
        """MSAL's own session would let REQUESTS_CA_BUNDLE override ``ca_file``, and repeat by itself."""
        session = requests.Session()
        options = self._options
        if options.proxy:
            session.proxies = {"https": options.proxy, "http": options.proxy}
        limits = (options.timeouts.connect, options.timeouts.read)
        fixed: dict[str, Any] = {"timeout": limits}
        if options.ca_file:
            fixed["verify"] = str(options.ca_file)
        session.request = functools.partial(session.request, **fixed)  # type: ignore[method-assign]
        return session

    def _credential(self) -> str | dict[str, str]:
        options = self._options
        if options.client_secret is not None:
            return self._secret(options.client_secret).decode().strip()
        if options.certificate is None:
            raise ConfigurationError("No credential for Microsoft 365: give `certificate` or `client_secret`.")
        text = self._secret(options.certificate).decode(errors="replace")
        if options.private_key is not None:
            text += "\n" + self._secret(options.private_key).decode(errors="replace")
        blocks = {match[1]: match[0] for match in reversed(list(PEM.finditer(text)))}
        key = next((block for name, block in blocks.items() if name.endswith("PRIVATE KEY")), None)
        if key is None or "CERTIFICATE" not in blocks:
            raise ConfigurationError(
                "The certificate for Microsoft 365 must be PEM and hold both CERTIFICATE and PRIVATE KEY; "
                f"found: {', '.join(sorted(blocks)) or 'nothing'}."
            )
        return {"private_key": key, "public_certificate": blocks["CERTIFICATE"]}


def _without_keys(text: str) -> str:
    """An error message without anything that looks like a key."""
    return PEM.sub("[removed]", text)
