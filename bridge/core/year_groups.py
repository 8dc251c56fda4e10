"""Which class of now is which of last year.

A class goes on where most of its pupils are, not where its name or its group in the directory is: schools rename the
groups, fill them anew or make new ones. ``o`` pupils are in both, ``s`` of the old class are in any class now, ``n``
of the new class were in any class before, ``N`` are in the new class at all.

| members | group in the directory | verdict |
|---|---|---|
| 2o ≥ s and 2o ≥ N; not half of the old class: 2o > s and over a third of it | any | the same, sure |
| 2o ≥ s and 2o ≥ n, half of the old class | the same | the same, likely: more newcomers than old pupils |
| 2o ≥ s and 2o ≥ n, o ≥ 2 | another | open |
| 2o ≥ s and 5o ≥ 2N, o ≥ 2 | any | open: nearly the half of the new class |
| two of them fit equally | the same as one of them | that one, likely |
| two of them fit equally | another | open |
| no fit | the same | open, unless the old pupils are found elsewhere together, or all left and others moved in |
| some pupils, but no half of the old class is together | another | open |
| no fit | another | the old one is dissolved (merged into, scattered, all left), the new one is new |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.core.year import COURSE, Certainty, Group, GroupChange, GroupTurn, Known, Why, Year
from bridge.core.year_board import PART, Board, counted


def classes(last: Year, now: Year, known: Known) -> list[GroupChange]:
    """What becomes of each class; every class of both years is in exactly one change as ``before`` or ``after``."""
    board = counted(last, now)
    _chosen(board, known.chosen)
    _pairs(board)
    _anchored(board)
    _doubts(board)
    _contradicted(board, now)
    _rest(board)
    return sorted(board.changes, key=_place)


def _place(one: GroupChange) -> str:
    return one.after.id if one.after else one.before.id if one.before else ""


def _chosen(board: Board, chosen: Mapping[str, str | None]) -> None:
    """What a person decided stands above everything."""
    for after_id, before_id in chosen.items():
        after, before = f"after {after_id}", f"before {before_id}"
        if after not in board.new or after in board.settled:
            continue
        if before_id is None:
            _note(board, GroupTurn.NEW, None, after, Certainty.SURE, Why.CHOSEN)
        elif before in board.old and before not in board.kept:
            _keep(board, before, after, Certainty.SURE, Why.CHOSEN)


def _pairs(board: Board) -> None:
    """Who fits well; of two that fit equally well the one with its own group in the directory."""
    fits = [pair for pair in sorted(board.overlap) if _free(board, *pair) and board.strong(*pair)]
    for before, after in fits:
        rivals = [one for one in fits if (one[0] == before) != (one[1] == after)]
        preferred = board.same_anchor(before, after) and not any(board.same_anchor(*one) for one in rivals)
        if _free(board, before, after) and (not rivals or preferred):
            _keep(board, before, after, Certainty.LIKELY if rivals else Certainty.SURE, Why.MEMBERS)


def _free(board: Board, before: str, after: str) -> bool:
    return before not in board.settled and after not in board.settled


def _anchored(board: Board) -> None:
    """The same group in the directory carries what the members alone don't."""
    for before, after in _same_anchors(board):
        if board.members[before] == board.members[after] or not board.members[before]:
            _keep(board, before, after, Certainty.SURE, Why.ANCHOR)
        elif board.weak(before, after) and board.whole(before, after):
            _keep(board, before, after, Certainty.LIKELY, Why.MEMBERS)


def _contradicted(board: Board, now: Year) -> None:
    """The same group in the directory, but others are in it: nobody can say which of the two counts."""
    for before, after in _same_anchors(board):
        if not board.members[after]:
            _emptied(board, before, after, now)
        elif not _gone_together(board, before, after):
            all_new = not board.overlap[before, after] and not board.came[after] and not board.stayed[before]
            _open(board, before, after, Why.ALL_NEW if all_new else Why.MIXED)


def _same_anchors(board: Board) -> Iterator[tuple[str, str]]:
    by_anchor = {one.anchor: after for after, one in board.new.items() if one.anchor}
    for before, one in board.old.items():
        after = by_anchor.get(one.anchor)
        if after is not None and _free(board, before, after):
            yield before, after


def _together(board: Board, before: str) -> bool:
    """Whether at least half of an old class, those who left counted, are in one class now."""
    return any(board.overlap[before, one] >= 2 and board.whole(before, one) for one in board.new)


def _gone_together(board: Board, before: str, after: str) -> bool:
    """The old pupils are elsewhere together, and mostly others are in their group now."""
    elsewhere = [one for one in board.mostly(before) if one != after]
    return board.stayed[before] >= 2 and bool(elsewhere) and 2 * board.overlap[before, after] < board.size(after)


def _emptied(board: Board, before: str, after: str, now: Year) -> None:
    """Nobody is in the group any more: only where one sees where all of them went is it over."""
    inside = board.members[before]
    present = sum(1 for key in inside if (person := now.people.get(key)) is not None and person.enabled)
    if present > board.stayed[before]:
        _open(board, before, after, Why.EMPTIED)
    else:
        _note(board, GroupTurn.NEW, None, after, Certainty.SURE, Why.EMPTIED)


def _doubts(board: Board) -> None:
    """What fits, but not well enough, or equally well twice, or only faintly; all that are concerned are open."""
    free = [one for one in sorted(board.overlap) if _free(board, *one)]
    doubts = [one for one in free if board.doubtful(*one)]
    # Of a class that nobody can find again a few pupils may be all that is left of it.
    faint = sorted(free, key=lambda one: (-board.overlap[one], not board.same_anchor(*one), one))
    doubts += [one for one in faint if one not in doubts and not _together(board, one[0])]
    for before, after in doubts:
        if _free(board, before, after):
            _open(board, before, after, Why.TIE if board.strong(before, after) else Why.MIXED)
    for before, after in doubts:
        why = Why.TIE if board.strong(before, after) else Why.MIXED
        if before not in board.settled:
            parts = (board.new[after],)
            _note(board, GroupTurn.OPEN, before, None, Certainty.OPEN, why, board.overlap[before, after], 0, parts)
        elif after not in board.settled:
            parts = (board.old[before],)
            _note(board, GroupTurn.OPEN, None, after, Certainty.OPEN, why, board.overlap[before, after], 0, parts)


def _rest(board: Board) -> None:
    """Whoever is left is new or dissolved; who goes on is told whom it took in or lost."""
    for after in board.new:
        if after not in board.settled:
            made_of = [one for one in board.old if _came_over(board, one, after)]
            split = [one for one in made_of if 2 * board.overlap[one, after] >= board.size(after)]
            why = Why.SPLIT_OFF if split else Why.MADE_OF if made_of else Why.ALL_NEW
            parts = tuple(board.old[one] for one in split or made_of)
            number = sum(board.overlap[one, after] for one in made_of)
            _note(board, GroupTurn.NEW, None, after, Certainty.SURE, why, number, board.size(after), parts)
    for before in board.old:
        if before in board.settled:
            continue
        into = [one for one in board.mostly(before) if board.overlap[before, one] >= 2 and one in board.kept.values()]
        into = into or [one for one in board.mostly(before) if board.overlap[before, one] >= 2]
        why = Why.MERGED_INTO if into else Why.SCATTERED if board.stayed[before] else Why.ALL_LEFT
        number = sum(board.overlap[before, one] for one in into)
        parts = tuple(board.new[one] for one in into)
        sure = Certainty.LIKELY if why is Why.SCATTERED else Certainty.SURE
        _note(board, GroupTurn.DISSOLVED, before, None, sure, why, number, board.size(before), parts)
    board.changes = [_completed(board, one) for one in board.changes]


def _came_over(board: Board, before: str, after: str) -> bool:
    both = board.overlap[before, after]
    return both >= 2 and PART * both >= board.stayed[before] and PART * both >= board.size(after)


def _completed(board: Board, one: GroupChange) -> GroupChange:
    if one.before is None or one.after is None or one.turn is not GroupTurn.SAME:
        return one
    before, after = f"before {one.before.id}", f"after {one.after.id}"
    taken = [b for b in board.old if b not in board.kept and after in board.mostly(b) and board.overlap[b, after] >= 2]
    if taken:
        return _with(one, GroupTurn.MERGED, tuple(board.old[b] for b in taken))
    kept = set(board.kept.values())
    lost = [a for a in board.new if a not in kept and a != after and _came_over(board, before, a)]
    lost = [a for a in lost if 2 * board.overlap[before, a] >= board.size(a)]
    return _with(one, GroupTurn.SPLIT, tuple(board.new[a] for a in lost)) if lost else one


def _with(one: GroupChange, turn: GroupTurn, parts: tuple[Group, ...]) -> GroupChange:
    return GroupChange(turn, one.before, one.after, one.certainty, one.why, one.overlap, one.of, parts)


def _keep(board: Board, before: str, after: str, certainty: Certainty, why: Why) -> None:
    board.kept[before] = after
    _note(
        board, GroupTurn.SAME, before, after, certainty, why, board.overlap[before, after], board.size(after)
    )  # fmt: skip


def _open(board: Board, before: str, after: str, why: Why) -> None:
    number = board.overlap[before, after]
    _note(board, GroupTurn.OPEN, before, after, Certainty.OPEN, why, number, board.size(after))


def _note(
    board: Board,
    turn: GroupTurn,
    before: str | None,
    after: str | None,
    certainty: Certainty,
    why: Why,
    overlap: int = 0,
    of: int = 0,
    parts: tuple[Group, ...] = (),
) -> None:
    board.settled |= {one for one in (before, after) if one is not None}
    old, new = board.old.get(before or ""), board.new.get(after or "")
    board.changes.append(GroupChange(turn, old, new, certainty, why, overlap, of, parts))


def courses(last: Year, now: Year) -> list[GroupChange]:
    """What becomes of each course: only its own group in the directory can go on as it.

    Courses of one class have the same pupils, so that members can't tell them apart. A course whose members are mostly
    others now, or that is gone or empty, is archived with its files; its group then begins anew.
    """
    new = {one.anchor: one for one in now.of_role(COURSE) if one.anchor}
    found: list[GroupChange] = []
    for before in last.of_role(COURSE):
        after = new.pop(before.anchor, None)
        here = frozenset(key for key in before.members if (person := now.people.get(key)) and person.enabled)
        both = len(before.members & after.members) if after else 0
        of = len(after.members) if after else len(before.members)
        if after is not None and (after.members == before.members or (both and 2 * both >= max(len(here), of))):
            why = Why.UNCHANGED if after.members == before.members else Why.MEMBERS
            found.append(GroupChange(GroupTurn.SAME, before, after, Certainty.SURE, why, both, of))
            continue
        why = Why.OTHER_MEMBERS if after is not None and after.members else Why.NOT_THERE
        found.append(GroupChange(GroupTurn.ARCHIVED, before, None, Certainty.SURE, why, both, of))
        if after is not None:
            found.append(GroupChange(GroupTurn.NEW, None, after, Certainty.SURE, Why.OTHER_MEMBERS, both, of))
    rest = [one for one in now.of_role(COURSE) if not one.anchor or one.anchor in new]
    return found + [GroupChange(GroupTurn.NEW, None, one, Certainty.SURE, Why.ALL_NEW) for one in rest]
