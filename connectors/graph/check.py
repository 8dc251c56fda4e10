"""``check --online`` for the cloud: probes that only read, one finding each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bridge.ports import BridgeError, Finding, Refused, Topic
from connectors.graph import directory_url
from connectors.graph.answers import complain
from connectors.graph.desk import Desk
from connectors.graph.permissions import missing

SHORT = 30  # days of a certificate that are too few
SKEW_WARNS = 60.0  # seconds
SKEW_FAILS = 300.0  # tokens and assertions are refused beyond


class Checks:
    """The probes of one tenant."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def run(self) -> Sequence[Finding]:
        """All findings. When the token can't be had, that is the only one."""
        try:
            await self._desk.client.tokens.bearer()
        except BridgeError as error:
            return [Finding("sign-in", False, str(error), "Check tenant_id, client_id, the credential and the proxy.")]
        findings = [Finding("sign-in", True, f"token for {self._desk.options.client_id}")]
        probes: dict[str, Callable[[], Awaitable[Sequence[Finding]]]] = {
            "certificate": self._certificate,
            "permissions": self._permissions,
            "organization": self._organization,
            "licences": self._licences,
            "fallback owner": self._owner,
            "changes": self._delta,
        }
        for subject, probe in probes.items():
            try:
                findings += await probe()
            except BridgeError as error:
                remedy = "Grant the permission." if isinstance(error, Refused) else "Try again later."
                findings.append(Finding(subject, False, str(error), remedy))
        findings.append(self._clock())
        return findings

    async def _certificate(self) -> Sequence[Finding]:
        ends = await self._desk.client.tokens.certificate_ends()
        if ends is None:
            return []  # a client secret: when it ends stands in the tenant only
        left = (ends - self._desk.context.clock()).days
        good = True if left > SHORT else None
        remedy = "" if good else "Upload a new one to the app registration before then."
        return [Finding("certificate", good, f"expires in {left} days", remedy, numbers={"days_left": left})]

    async def _permissions(self) -> Sequence[Finding]:
        roles = await self._desk.client.tokens.roles()
        if not roles:
            return [Finding("permissions", None, "the token does not show its permissions", "")]
        lacking = missing(roles, reading_only=self._desk.options.read_only)
        if not lacking:
            return [Finding("permissions", True, f"{len(roles)} application permissions, all that is needed")]
        return [
            Finding("permissions", False, f"missing to {need}", f"Grant {name} (application) and admin consent.")
            for need, name in lacking.items()
        ]

    async def _organization(self) -> Sequence[Finding]:
        answer = await self._desk.client.call("/organization?$select=id,displayName,verifiedDomains")
        if not answer.ok or not answer.body.get("value"):
            raise complain(answer, "Reading the organization")
        tenant = answer.body["value"][0]
        verified = {str(domain.get("name", "")).casefold() for domain in tenant.get("verifiedDomains") or ()}
        findings = [Finding("organization", True, f"{tenant.get('displayName')} ({tenant['id']})")]
        for domain in self._desk.options.domains:
            known = domain.casefold() in verified
            remedy = "" if known else f"Verify it in the tenant, or use one of {', '.join(sorted(verified))}."
            findings.append(Finding(f"domain {domain}", known, "verified" if known else "not verified", remedy))
        return findings

    async def _licences(self) -> Sequence[Finding]:
        if not self._desk.options.licenses:
            return [Finding("licences", None, "none configured", "Set `licenses` to the SKUs the bridge may assign.",
                            Topic.LICENCES)]  # fmt: skip
        stock = await self._desk.licences.stock(fresh=True)
        findings = []
        for part in sorted(self._desk.options.licenses):
            sku = stock.get(part)
            if sku is None:
                found = Finding(f"licence {part}", False, "no such subscription",
                                f"This tenant has: {', '.join(sorted(stock)) or 'none'}.",
                                Topic.LICENCES)  # fmt: skip
            else:
                text = f"{sku.left} left of {sku.bought}"
                found = Finding(f"licence {part}", True if sku.left else None, text, "" if sku.left else "Buy or free.",
                                Topic.LICENCES, {"left": sku.left})  # fmt: skip
            findings.append(found)
        return findings

    async def _owner(self) -> Sequence[Finding]:
        wanted = self._desk.options.fallback_owner
        if wanted is None:
            return [Finding("fallback owner", None, "none configured",
                            "Without one, Microsoft 365 groups without owner are not created.")]  # fmt: skip
        answer = await self._desk.client.call(directory_url.entity("users", wanted) + "?$select=id,accountEnabled")
        if answer.status == 404:
            return [Finding("fallback owner", False, f"no user {wanted}", "Name an existing account of the tenant.")]
        if not answer.ok:
            raise complain(answer, "Reading the fallback owner")
        return [Finding("fallback owner", True, str(answer.body["id"]))]

    async def _delta(self) -> Sequence[Finding]:
        for collection in ("users", "groups"):
            answer = await self._desk.client.call(f"/{collection}/delta?$deltatoken=latest&$select=id,displayName")
            if not answer.ok:
                raise complain(answer, f"Reading the changes of {collection}")
        return [Finding("changes", True, "delta of users and groups can be read")]

    def _clock(self) -> Finding:
        skew = self._desk.client.skew
        if skew is None:
            return Finding("clock", None, "Graph does not tell the time", "", Topic.CLOCK)
        text = f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} Graph"
        bad = abs(skew) >= SKEW_FAILS
        ok = False if bad else (None if abs(skew) >= SKEW_WARNS else True)
        remedy = "" if ok else "Synchronise this machine's clock (NTP)."
        return Finding("clock", ok, text, remedy, Topic.CLOCK, {"seconds": abs(skew)})
