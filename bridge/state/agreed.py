"""What both sides last agreed on: the plain fields as one text, references as rows, changed one by one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select

from bridge.core.model import Action, Fields
from bridge.ports import Done, Written, chunks
from bridge.state.canonical import encode, refs_of, split, to_hex
from bridge.state.tables import agreed_reference, agreement, link
from bridge.state.touch import ANCHOR
from bridge.state.transaction import BATCH, MINE, Transaction, among

Rows = set[tuple[str, str]]

_KNOWN = select(agreement).where(agreement.c.school == MINE, agreement.c.link.in_(among("links")))
_REFERENCES = select(agreed_reference).where(
    agreed_reference.c.school == MINE, agreed_reference.c.link.in_(among("links"))
)
_NO_REFERENCE = delete(agreed_reference).where(
    agreed_reference.c.school == MINE,
    agreed_reference.c.link == bindparam("of"),
    agreed_reference.c.field == bindparam("in_field"),
    agreed_reference.c.target == bindparam("to"),
)


def refused_elements(written: Written, field: str) -> frozenset[str]:
    """Elements of a set field that the side refused: their reasons stand under ``field:element``."""
    prefix = f"{field}:"
    return frozenset(name.removeprefix(prefix) for name in written.refused if name.startswith(prefix))


def store(tx: Transaction, done: Sequence[Done]) -> None:
    """Store the agreement of each operation but FORGET; the last one of a link counts."""
    last = {one.operation.link: one for one in done if one.operation.action is not Action.FORGET}
    for batch in chunks(last.values(), BATCH):
        _store(tx, {one.operation.link: one for one in batch})


def _store(tx: Transaction, batch: dict[str, Done]) -> None:
    known = {row.link: row for row in tx.rows(_KNOWN, links=batch)}
    wanted: dict[str, tuple[str, str, Rows]] = {}
    ended: list[str] = []
    for of, one in batch.items():
        if not one.agree:  # the first of several writes of a link that was never agreed on
            ended.append(of)
            continue
        plain, references = split(tx.kinds[one.operation.kind], _taken(tx, one))
        rows = {(name, target) for name, targets in references.items() for target in targets}
        wanted[of] = (encode(plain), to_hex(refs_of(references)), rows)
    moved = [of for of, (_, refs, _) in wanted.items() if (known[of].refs if of in known else to_hex(0)) != refs]
    _move_rows(tx, {of: wanted[of][2] for of in moved} | {of: set() for of in ended if of in known})
    tx.put(
        agreement,
        (
            {"link": of, "fields": fields, "refs": refs}
            for of, (fields, refs, _) in wanted.items()
            if of not in known or (known[of].fields, known[of].refs) != (fields, refs)
        ),
    )
    if ended:
        tx.run(delete(agreement).where(agreement.c.school == tx.school, agreement.c.link.in_(ended)))


def _taken(tx: Transaction, one: Done) -> Fields:
    """The agreed fields less the elements that the side does not know yet or refused."""
    if one.written is None:
        return one.agree
    agree = dict(one.agree)
    for column in tx.kinds[one.operation.kind].references:
        left_out = one.written.unknown.get(column.name, frozenset()) | refused_elements(one.written, column.name)
        value = agree.get(column.name)
        if left_out and isinstance(value, frozenset):
            query = select(link.c.id).where(link.c.school == tx.school, ANCHOR[one.operation.side].in_(left_out))
            agree[column.name] = value - left_out - {row.id for row in tx.rows(query)}
    return agree


def _move_rows(tx: Transaction, wanted: dict[str, Rows]) -> None:
    stored: dict[str, Rows] = {of: set() for of in wanted}
    for batch in chunks(wanted, BATCH):
        for row in tx.rows(_REFERENCES, links=batch):
            stored[row.link].add((row.field, row.target))
    tx.each(
        _NO_REFERENCE,
        ({"of": of, "in_field": name, "to": t} for of in wanted for name, t in sorted(stored[of] - wanted[of])),
    )
    tx.add(
        agreed_reference,
        ({"link": of, "field": name, "target": t} for of in wanted for name, t in sorted(wanted[of] - stored[of])),
    )
