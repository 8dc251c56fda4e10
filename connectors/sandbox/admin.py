"""The admin routes below ``/_sandbox/``: faults, settings, counters, clock, licences, bulk load and read-back.

Every request carries the random admin key in ``X-Sandbox-Key``. Bodies and answers are JSON; a wrong body is 400 with
``{"error": text}``. These routes are no part of Graph and count in no budget.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

from connectors.sandbox import drive_admin
from connectors.sandbox.clock import MovableClock
from connectors.sandbox.entries import LIVE, Entry
from connectors.sandbox.groups import security_identifier
from connectors.sandbox.passwords import hash_password, password_matches
from connectors.sandbox.service import Knobs, Service
from connectors.sandbox.tenant import Sku
from connectors.sandbox.wire import Reply

Body = dict[str, Any]
_KNOBS = tuple(field.name for field in fields(Knobs))


def shown(entry: Entry) -> Body:
    """An entry for read-back: properties, state and links, never a password."""
    result: Body = {"id": entry.id, "state": entry.state, **entry.properties}
    if entry.privileged:
        result["privileged"] = True
    result |= {relation: list(others) for relation, others in entry.links.items() if others}
    if entry.education:
        result["education"] = entry.education
    return result


def dump(service: Service) -> Body:
    """The whole tenant: ``users``, ``groups``, ``schools`` with member ids, and licence stock."""
    entries = service.tenant.entries.values()
    return {
        "users": [shown(entry) for entry in entries if entry.kind == "user" and entry.state != "purged"],
        "groups": [shown(entry) for entry in entries if entry.kind == "group" and entry.state != "purged"],
        "schools": [shown(entry) for entry in entries if entry.kind == "school" and entry.state != "purged"],
        "skus": [
            {"skuId": sku.id, "skuPartNumber": sku.part_number, "enabled": sku.enabled, "consumed": len(sku.holders)}
            for sku in service.tenant.skus.values()
        ],
    }


def load(service: Service, body: Body) -> Body:
    """Fill the tenant past Graph's rules (synced, privileged and old objects too): ``users``, ``groups``, ``skus``,
    ``devices``.

    A user may hold ``id``, ``password``, ``privileged``; a group ``id``, ``members`` and ``owners`` (ids or UPNs).
    """
    tenant = service.tenant
    for sku in body.get("skus", ()):
        plans = tuple((plan["servicePlanId"], plan["servicePlanName"]) for plan in sku.get("servicePlans", ()))
        tenant.skus[sku["skuId"]] = Sku(sku["skuId"], sku["skuPartNumber"], sku["enabled"], plans)
    names = {}
    for source in body.get("users", ()):
        held = dict(source)
        password, privileged, entry_id = held.pop("password", None), held.pop("privileged", False), held.pop("id", "")
        held.setdefault("createdDateTime", service.stamp())
        entry = tenant.create("user", held, entry_id=entry_id)
        entry.privileged, entry.password = privileged, hash_password(password) if password else None
        names[held["userPrincipalName"].lower()] = entry.id
    for source in body.get("groups", ()):
        held = dict(source)
        linked = {relation: held.pop(relation, ()) for relation in ("members", "owners")}
        held.setdefault("createdDateTime", service.stamp())
        entry = tenant.create("group", held, entry_id=held.pop("id", ""))
        entry.properties.setdefault("securityIdentifier", security_identifier(entry.id))
        for relation, others in linked.items():
            for other in others:
                tenant.link(entry, relation, tenant.entries[names.get(other.lower(), other)])
    for source in body.get("devices", ()):
        tenant.create("device", dict(source))
    return {"users": len(body.get("users", ())), "groups": len(body.get("groups", ()))}


def settings(service: Service) -> Body:
    """All settings by name."""
    return {
        "visibility_delay": service.tenant.visibility_delay,
        "delta_delay": service.tenant.delta_delay,
        "budgets": service.budgets.enabled,
        "budget_scale": service.budgets.scale,
        "fault_seed": service.faults.seed,
        **{name: getattr(service.knobs, name) for name in _KNOBS},
    }


def change_settings(service: Service, body: Body) -> Body:
    """Set some of the settings; gives all of them."""
    if unknown := body.keys() - settings(service).keys():
        raise ValueError(f"unknown settings {sorted(unknown)}; known: {sorted(settings(service))}")
    for name, value in body.items():
        if name in ("visibility_delay", "delta_delay"):
            setattr(service.tenant, name, float(value))
        elif name == "budgets":
            service.budgets.enabled = bool(value)
        elif name == "budget_scale":
            service.budgets.scale = float(value)
            service.budgets.reset()
            service.drive_budgets.reset()
        elif name == "drives" and value not in ("licence", "all", "none"):
            raise ValueError("drives is 'licence', 'all' or 'none'")
        elif name == "fault_seed":
            service.faults.reseed(int(value))
        else:
            setattr(service.knobs, name, type(getattr(service.knobs, name))(value))
    return settings(service)


def add_fault(service: Service, body: Body) -> Body:
    """Put a fault rule in force."""
    return asdict(service.faults.add(**body))


def list_faults(service: Service, _: Body) -> Body:
    """All rules with how often each fired."""
    return {"value": [asdict(fault) for fault in service.faults.rules]}


def clear_faults(service: Service, _: Body) -> Body:
    """Take all rules away."""
    service.faults.rules.clear()
    return {}


def counters(service: Service, _: Body) -> Body:
    """What was asked and answered; the traps are always there, so that a test can demand 0."""
    return {"users deleted": 0, "users deleted through a group": 0, "throttled": 0, **service.counters.counts}


def reset(service: Service, body: Body) -> Body:
    """Reset ``counters``, ``faults`` and ``budgets``, or only those that ``what`` names."""
    what = body.get("what", ["counters", "faults", "budgets"])
    if "counters" in what:
        service.counters.reset()
    if "faults" in what:
        service.faults.rules.clear()
        service.faults.reseed(service.faults.seed)
    if "budgets" in what:
        service.budgets.reset()
        service.drive_budgets.reset()
    return {}


def change_sku(service: Service, body: Body) -> Body:
    """Set the stock of a licence: ``skuId``, ``enabled``."""
    sku = service.tenant.skus[body["skuId"]]
    sku.enabled = int(body["enabled"])
    return {"skuId": sku.id, "enabled": sku.enabled, "consumed": len(sku.holders)}


def change_object(service: Service, body: Body) -> Body:
    """Mark an object by ``id``: ``privileged`` (an administrator), ``synced`` (mastered by Active Directory)."""
    entry = service.tenant.entries[body["id"]]
    if "privileged" in body:
        entry.privileged = bool(body["privileged"])
        service.tenant.touch(entry)
    if "synced" in body:
        service.tenant.update(entry, {"onPremisesSyncEnabled": True if body["synced"] else None})
    return shown(entry)


def check_password(service: Service, body: Body) -> Body:
    """Whether ``password`` is the one that user ``id`` signs in with; disabled or deleted users cannot sign in."""
    entry = service.tenant.entries[body["id"]]
    can = entry.state == LIVE and bool(entry.properties.get("accountEnabled"))
    return {"matches": password_matches(body["password"], entry.password), "can_sign_in": can}


def move_clock(service: Service, body: Body) -> Body:
    """Move the sandbox's clock ahead by ``advance`` seconds: tokens age, the bin empties, objects appear."""
    clock = service.tenant.clock
    if not isinstance(clock, MovableClock):
        raise TypeError("this sandbox was given a clock of its own; move that one")
    clock.advance(float(body.get("advance", 0)))
    service.tenant.settle()
    return {"now": service.stamp()}


_ROUTES: dict[tuple[str, str], Callable[[Service, Body], Body]] = {
    ("GET", "tenant"): lambda service, _: dump(service),
    ("POST", "load"): load,
    ("GET", "settings"): lambda service, _: settings(service),
    ("PATCH", "settings"): change_settings,
    ("GET", "faults"): list_faults,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("GET", "counters"): counters,
    ("POST", "reset"): reset,
    ("PATCH", "skus"): change_sku,
    ("PATCH", "objects"): change_object,
    ("POST", "check-password"): check_password,
    ("POST", "clock"): move_clock,
    **drive_admin.ROUTES,
}


def answer(service: Service, key: str, method: str, path: str, headers: Mapping[str, str], body: Any) -> Reply:
    """Answer a request below ``/_sandbox/``."""
    if not hmac.compare_digest(headers.get("x-sandbox-key", "").encode(), key.encode()):
        return Reply(401, {"error": "the header X-Sandbox-Key does not hold this sandbox's admin key"})
    route = _ROUTES.get((method, path))
    if route is None:
        known = ", ".join(f"{verb} {name}" for verb, name in _ROUTES)
        return Reply(404, {"error": f"no admin route {method} {path}; there are {known}"})
    try:
        return Reply(200, route(service, body if isinstance(body, dict) else {}))
    except (KeyError, TypeError, ValueError) as error:
        return Reply(400, {"error": f"{type(error).__name__}: {error}"})
