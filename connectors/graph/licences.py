"""Licences by SKU part number, with counted stock. Only the SKUs named in the options are ever assigned or taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connectors.graph.answers import complain
from connectors.graph.client import Client

FRESH = 300.0  # seconds that a count of the stock is believed; own assignments are counted in between


@dataclass(slots=True)
class Sku:
    """One subscription: how many may still be assigned."""

    id: str
    part: str
    bought: int
    used: int
    usable: bool = True

    @property
    def left(self) -> int:
        """How many are left to assign."""
        return max(0, self.bought - self.used) if self.usable else 0


@dataclass(frozen=True, slots=True)
class Change:
    """What to send to ``assignLicense``; ``missing`` says per SKU why it can't be assigned."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> str:
        """For a person: what was not assigned and what to do."""
        return "; ".join(f"{part}: {reason}" for part, reason in sorted(self.missing.items()))


class Licences:
    """The stock of one tenant, as far as it is ours to give."""

    def __init__(self, client: Client, managed: frozenset[str], monotonic: Callable[[], float]) -> None:
        self._client = client
        self._managed = managed
        self._now = monotonic
        self._skus: dict[str, Sku] = {}
        self._counted: float | None = None

    async def stock(self, *, fresh: bool = False) -> Mapping[str, Sku]:
        """Part number -> SKU of everything the tenant has. Raises Unreachable or Refused."""
        if fresh or self._counted is None or self._now() - self._counted > FRESH:
            answer = await self._client.call("/subscribedSkus?$select=id,skuId,skuPartNumber,prepaidUnits,"
                                             "consumedUnits,capabilityStatus")  # fmt: skip
            if not answer.ok:
                raise complain(answer, "Reading the licences")
            self._skus = {}
            for row in answer.body.get("value", ()):
                units = row.get("prepaidUnits") or {}
                sku = Sku(
                    id=str(row["skuId"]).lower(),
                    part=str(row["skuPartNumber"]),
                    bought=int(units.get("enabled") or 0) + int(units.get("warning") or 0),
                    used=int(row.get("consumedUnits") or 0),
                    usable=row.get("capabilityStatus") in (None, "Enabled", "Warning"),
                )
                self._skus[sku.part] = sku
            self._counted = self._now()
        return self._skus

    async def parts(self) -> Mapping[str, str]:
        """SKU id -> part number of those we manage. No request when none are."""
        if not self._managed:
            return {}
        if not self._skus:
            await self.stock()
        return {sku.id: part for part, sku in self._skus.items() if part in self._managed}

    async def change(self, wanted: frozenset[str], held: frozenset[str]) -> Change:
        """Take from the stock what is wanted and not held; give back what is held, managed and not wanted.

        ``held`` are SKU ids of all licences of the user, whoever assigned them.
        """
        skus = await self.stock()
        missing: dict[str, str] = {}
        add = []
        for part in sorted(wanted):
            sku = skus.get(part)
            if part not in self._managed:
                missing[part] = "not among the `licenses` that the bridge may assign"
            elif sku is None:
                missing[part] = "this tenant has no such subscription"
            elif sku.id in held:
                continue
            elif not sku.left:
                missing[part] = f"none left of {sku.bought}; buy or free some"
            else:
                sku.used += 1
                add.append(sku.id)
        gone = [sku for part, sku in skus.items() if part in self._managed - wanted and sku.id in held]
        return Change(tuple(add), tuple(sku.id for sku in gone), missing)

    def give_back(self, change: Change, *, taken: bool) -> None:
        """Correct the count after the answer: what was not assigned is there again, what was removed too."""
        for sku in self._skus.values():
            if sku.id in change.add and not taken:
                sku.used -= 1
            if sku.id in change.remove and taken:
                sku.used -= 1

    def recount(self) -> None:
        """The service says that there are none left: count again next time."""
        self._counted = None
