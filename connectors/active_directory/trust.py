"""Whether a server may be trusted: the TLS context, and in words why a certificate or a bind was refused."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any

import ldap3

from bridge.ports import ConfigurationError, Refused

#: ``data`` codes in the message of a refused bind (MS-ERREF 2.2, as Windows and Samba write them).
_BIND_CODES = {
    "52e": ("the password is wrong", "Give the bridge the account's present password."),
    "525": ("there is no such account", "Check `account`."),
    "530": ("the account may not log in at this time", "Lift the account's logon hours."),
    "531": ("the account may not log in from this computer", "Lift the account's workstation restriction."),
    "532": ("the password has expired", "Set a new one, best with `password never expires` for this account."),
    "533": ("the account is disabled", "Enable it."),
    "701": ("the account has expired", "Set its expiry date to never."),
    "773": ("the password must be changed before the first use", "Untick `user must change password at next logon`."),
    "80090346": (  # SEC_E_BAD_BINDINGS
        "the login is not bound to the certificate that the server sent (channel binding)",
        "Connect to the server itself: something between ends TLS and begins it anew.",
    ),
    "775": ("the account is locked after too many wrong passwords", "Unlock it and check who else uses its password."),
}
_STRONGER_AUTH_REQUIRED = 8  # RFC 4511 4.1.9


class VerifiedTls(ldap3.Tls):  # type: ignore[misc, unused-ignore]
    """ldap3's own TLS verifies nothing by default and hides OpenSSL's reason: this one makes the context itself."""

    def __init__(self, host: str, ca_file: str | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self.host = host
        self.error: OSError | None = None
        self.certificate: Mapping[str, Any] = {}
        self.protocol = ""
        try:
            self.context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"ca_file {ca_file}: expected a PEM file of certificates, found: {error}"
            ) from None
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Called by ldap3 once the socket stands."""
        try:
            connection.socket = self.context.wrap_socket(connection.socket, server_hostname=self.host)
        except OSError as error:
            self.error = error
            raise
        self.certificate = connection.socket.getpeercert() or {}
        self.protocol = connection.socket.version() or ""


class CertificateRefused(Refused):
    """The server's certificate is not what it should be."""


def bind_trouble(message: str, description: str, *, code: int = 49) -> str:
    """Why a bind was refused and what to do, from the server's result code and diagnostic message."""
    if code == _STRONGER_AUTH_REQUIRED:
        return (
            "it wants Kerberos logins signed although they are inside TLS. On Samba before 4.21 set `ldap server "
            "require strong auth = allow_sasl_over_tls`, or use `authentication: simple`."
        )
    found = re.search(r"data ([0-9a-f]+)", message, re.IGNORECASE)
    fallback = (message.split(":")[0] or description, "Check `account` and `password`.")
    reason, remedy = _BIND_CODES.get(found[1].lower() if found else "", fallback)
    return f"{reason}. {remedy}"


def certificate_trouble(server: str, host: str, error: ssl.SSLCertVerificationError) -> str:
    """Which check the certificate failed and what to do."""
    # OpenSSL's X509_V_ERR_* codes, see openssl-verification-options(1)
    if error.verify_code in (62, 63, 64):
        return (
            f"{server}: the certificate is for another name than {host}. Name the server in `servers` as its "
            f"certificate does, or issue a certificate for {host}."
        )
    if error.verify_code in (9, 10):
        found = "is not valid yet (check both clocks)" if error.verify_code == 9 else "has expired"
        return f"{server}: the certificate {found}. Renew it on the server."
    return (
        f"{server}: the certificate was not issued by a trusted authority ({error.verify_message}). Put the "
        f"authority's certificate (PEM) into `ca_file`; if that is already done, this may be "
        f"another server than the expected one."
    )
