"""Who is at the other end of a connection, by the certificate that TLS has checked."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge.fleet.certificates import site_of


@dataclass(frozen=True, slots=True)
class Peer:
    """The site at the other end, as its certificate says."""

    site: str
    serial: str
    begins: datetime
    ends: datetime

    def renew(self, now: datetime) -> bool:
        """Whether two thirds of the certificate's time are over."""
        return now > self.ends - (self.ends - self.begins) / 3


def peer_of(certificate: Any) -> Peer | None:
    """Who is at the other end, of ``getpeercert()``."""
    found = site_of(certificate)
    if found is None:
        return None
    begins, ends = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate[name]), UTC) for name in ("notBefore", "notAfter")
    )
    return Peer(*found, begins, ends)
