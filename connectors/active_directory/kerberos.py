"""Logging in with Kerberos: a ticket for one connection, and in words why there is none.

1. With a keytab the ticket is got anew for each connection and forgotten after it: the caches of other users of this
   machine are neither read nor written, and a restored domain never meets an old ticket.
2. Without one, the system's ticket cache or its default client keytab is used (krb5.conf(5), KRB5CCNAME).
3. ldap3 does the exchange (RFC 4752) without a security layer: TLS is one. It binds the login to the server's
   certificate (`tls-server-end-point`, RFC 5929), which is what Windows' LdapEnforceChannelBinding asks for.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509

from bridge.ports import ConfigurationError, Refused, Unreachable
from connectors.active_directory.options import Options

_TABLE = 1765328384  # krb5 errors are this far below zero (krb5.h, ERROR_TABLE_BASE_krb5)
_CREDENTIALS_EXPIRED = 11 << 16  # GSS_S_CREDENTIALS_EXPIRED, RFC 2744 3.9.1
_NEW_KEYTAB = "Make the keytab anew and put it into `keytab`."
_NO_TICKET = ("there is no Kerberos ticket", "Set `keytab`, or get a ticket for the bridge's account with kinit.")
_EXPIRED = ("the Kerberos ticket has expired", "Get a new one with kinit; with `keytab` the bridge does so itself.")
#: Minor codes by their place in krb5's table: up to 127 they are the KDC's (RFC 4120 7.5.9), above the library's.
_TROUBLE = {
    6: ("the domain knows no such account", "Check `account`."),
    7: ("the domain knows no such server", "Name the server in `servers` by its full DNS name, not by its address."),
    18: ("the account is disabled, locked or expired", "Enable or unlock it."),
    23: ("the account's password has expired", f"Set one that never expires. {_NEW_KEYTAB}"),
    24: ("the keytab's key is not the account's: its password was changed since", _NEW_KEYTAB),
    32: _EXPIRED,
    37: ("the clocks of this machine and of the domain differ too much", "Set both by the same time server."),
    141: _NO_TICKET,
    154: ("there is no domain with this name in krb5.conf or DNS", "Check the part of `account` after the @."),
    181: ("the keytab has no key for this account", _NEW_KEYTAB),
    195: _NO_TICKET,
}
_KDC_UNREACHABLE, _NO_KEY = 156, 181


def principal_of(account: str) -> str:
    """``name@domain`` as Kerberos writes it: realms are case-sensitive, and a domain's is in upper case (MS-KILE)."""
    name, at, domain = account.rpartition("@")
    return f"{name}{at}{domain.upper()}" if at else account


@contextlib.contextmanager
def ticket(options: Options) -> Iterator[Any]:
    """GSSAPI credentials, good while inside. Raises ConfigurationError; GSSAPI's own errors are for `translated`."""
    gssapi = _library()
    name = gssapi.Name(principal_of(options.account), gssapi.NameType.kerberos_principal) if options.account else None
    if options.keytab is None:
        yield gssapi.Credentials(name=name, usage="initiate")
        return
    try:
        Path(options.keytab).open("rb").close()
    except OSError as error:
        raise ConfigurationError(
            f"keytab {options.keytab}: expected a file that the bridge may read, found: {error.strerror}"
        ) from None
    with tempfile.TemporaryDirectory(prefix="schoolbridge-ticket-") as own:
        store = {"client_keytab": options.keytab, "ccache": f"FILE:{own}/cache"}
        yield gssapi.Credentials(name=name, usage="initiate", store=store)


def check_binding(server: str, certificate: bytes) -> None:
    """Raises Refused for a certificate (DER) that no login can be bound to: its signature has no hash of its own."""
    if x509.load_der_x509_certificate(certificate).signature_hash_algorithm is None:
        raise Refused(
            f"{server}: Kerberos logins can't be bound to its certificate, which is signed with Ed25519 or the like "
            f"(RFC 5929 section 4.1). Issue one signed with RSA or ECDSA, or use `authentication: simple`."
        )


def translated(server: str, options: Options, error: Exception) -> Exception | None:
    """What an error of GSSAPI means, for a person; None for an error of something else."""
    gssapi = _library()
    if not isinstance(error, gssapi.exceptions.GSSError):
        return None
    code = error.min_code - (1 << 32) if error.min_code >= 1 << 31 else error.min_code
    place = code + _TABLE
    if options.keytab and _TROUBLE.get(place) == _NO_TICKET:
        place = _NO_KEY
    if place == _KDC_UNREACHABLE:
        return Unreachable(f"{server}: no Kerberos server of the domain answers. Is port 88 open from here?")
    said = next(iter(error.get_all_statuses(error.min_code, False)), "GSSAPI gives no reason")
    fallback = _EXPIRED if error.maj_code & 0xFF0000 == _CREDENTIALS_EXPIRED else (said, "See krb5.conf.")
    reason, remedy = _TROUBLE.get(place, fallback)
    who = options.account or "the bridge's account"
    return Refused(f"{server}: {who} can't log in with Kerberos: {reason}. {remedy}")


def _library() -> Any:
    try:
        import gssapi  # type: ignore[import-not-found, unused-ignore]
    except (ImportError, OSError):
        raise ConfigurationError(
            "authentication `gssapi` needs the extra: pip install 'schoolbridge[kerberos]'"
        ) from None
    return gssapi
