"""The tenant in an SQLite file: written after each request, read at start, so that tokens outlive a restart."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from connectors.sandbox.entries import DELETED, LIVE, Change, Entry, Pending
from connectors.sandbox.tenant import Sku, Tenant

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, kind TEXT, position INTEGER, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (source TEXT, relation TEXT, target TEXT, number INTEGER,
    PRIMARY KEY (source, relation, target)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, entry TEXT, what TEXT, detail TEXT);
CREATE TABLE IF NOT EXISTS waiting (position INTEGER PRIMARY KEY, body TEXT);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_FIELDS = ("state", "created_at", "visible_at", "deleted_at", "properties", "education", "password", "privileged")


class Store:
    """Reads a tenant from a file and writes back what changed."""

    def __init__(self, path: Path, tenant: Tenant) -> None:
        self.tenant = tenant
        self.connection = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.executescript(_SCHEMA)
        self._waiting = 0
        self._meta = ""
        self._load()

    def _load(self) -> None:
        tenant, run = self.tenant, self.connection.execute
        meta = dict(run("SELECT name, value FROM meta"))
        if "tenant" not in meta:
            return
        held = json.loads(meta["tenant"])
        tenant.id, tenant.name, tenant.domains, tenant.secret = (
            held[name] for name in ("id", "name", "domains", "secret")
        )
        tenant.log.sequence = held["sequence"]
        for sku in held["skus"]:
            plans = tuple((plan, name) for plan, name in sku["plans"])
            tenant.skus[sku["id"]] = Sku(sku["id"], sku["part_number"], sku["enabled"], plans)
        for entry_id, kind, position, body in run("SELECT id, kind, position, body FROM entries ORDER BY position"):
            entry = Entry(id=entry_id, kind=kind, order=position, **json.loads(body))
            tenant.adopt(entry)
            self._hold_licences(entry)
        for source, relation, target, number in run("SELECT * FROM links ORDER BY number"):
            tenant.entries[source].links.setdefault(relation, {})[target] = number
            tenant.entries[target].backlinks.setdefault(relation, {})[source] = None
        for number, entry_id, what, detail in run("SELECT * FROM changes ORDER BY number"):
            entry = tenant.entries[entry_id]
            entry.changes.append(Change(number, what, tuple(json.loads(detail))))
            tenant.log.append(entry.kind, number, entry_id)
        binned = [entry for entry in tenant.entries.values() if entry.state == DELETED]
        tenant.bin = {entry.id: None for entry in sorted(binned, key=lambda entry: entry.deleted_at or 0)}
        for (body,) in run("SELECT body FROM waiting ORDER BY position"):
            due, entry_id, what, detail = json.loads(body)
            tenant.log.wait(Pending(due, entry_id, what, tuple(detail)))
            self._waiting += 1
        tenant.forget()

    def _hold_licences(self, entry: Entry) -> None:
        """Licences in use stand with their users; a soft-deleted user's list is only what a restore would ask for."""
        for licence in entry.properties.get("assignedLicenses", ()) if entry.state == LIVE else ():
            if sku := self.tenant.skus.get(licence["skuId"]):
                sku.holders[entry.id] = tuple(licence["disabledPlans"])

    def commit(self) -> None:
        """Write what changed since the last call, in one transaction."""
        tenant, run = self.tenant, self.connection.execute
        meta = self._meta_body()
        if not tenant.dirty and not tenant.published and not tenant.relinked and meta == self._meta:
            return
        run("BEGIN")
        for entry_id in tenant.dirty:
            entry = tenant.entries[entry_id]
            body = json.dumps({name: getattr(entry, name) for name in _FIELDS})
            run("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", (entry.id, entry.kind, entry.order, body))
        for (source, relation, target), number in tenant.relinked.items():
            if number is None:
                run("DELETE FROM links WHERE source = ? AND relation = ? AND target = ?", (source, relation, target))
            else:
                run("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?)", (source, relation, target, number))
        rows = [(c.sequence, entry_id, c.what, json.dumps(c.detail)) for entry_id, c in tenant.published]
        self.connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?)", rows)
        if self._waiting or tenant.log.waiting:
            run("DELETE FROM waiting")
            held = [pending for _, _, pending in sorted(tenant.log.waiting, key=lambda one: one[:2])]
            bodies = [(json.dumps((one.due, one.entry_id, one.what, one.detail)),) for one in held]
            self.connection.executemany("INSERT INTO waiting (body) VALUES (?)", bodies)
            self._waiting = len(bodies)
        if meta != self._meta:
            run("INSERT OR REPLACE INTO meta VALUES ('tenant', ?)", (meta,))
            self._meta = meta
        run("COMMIT")
        tenant.forget()

    def _meta_body(self) -> str:
        tenant = self.tenant
        skus = [
            {"id": sku.id, "part_number": sku.part_number, "enabled": sku.enabled, "plans": sku.plans}
            for sku in tenant.skus.values()
        ]
        return json.dumps(
            {"id": tenant.id, "name": tenant.name, "domains": tenant.domains, "secret": tenant.secret,
             "sequence": tenant.log.sequence, "skus": skus}
        )  # fmt: skip

    def close(self) -> None:
        """Write what is left and close the file."""
        self.commit()
        self.connection.close()
