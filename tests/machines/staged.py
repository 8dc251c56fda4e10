"""One mirror run in which everything happens once, on both sides, and what must be true when it is over."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.core.model import Side, Value
from bridge.core.settle import folded
from tests.machines.hands import Hands, Tree
from tests.machines.rig import Ends

Texts = set[Value | bytes]
Result = list[tuple[str, str]]
_NUMBERED = re.compile(r" \((\d+|conflict [^)]*)\)")


def alike(tree: Tree) -> Result:
    """What a tree holds, whoever of rivals for a name got it, and whenever a conflict was seen."""
    return sorted((folded(_NUMBERED.sub("", path)), repr(content)) for path, content in tree.items())


async def staged(one: Ends, hands: Mapping[Side, Hands]) -> Texts:
    """Mirror a small tree, then change it on both sides; returns the texts that must still be somewhere at the end.

    On both sides something is made, written, renamed, swapped, moved, deleted and restored; one file is in conflict.
    """
    school, cloud = hands[Side.SCHOOL], hands[Side.CLOUD]
    for path in ("/old", "/kept"):
        school.folder(path)
    for name in "abcdefghij":
        school.write(f"/kept/{name}.txt", f"base {name}".encode())
    school.write("/old/in.txt", b"base in")
    await one.settle()
    cloud.delete("/kept/j.txt")
    await one.settle()
    for path, to in (("/kept/b.txt", "/kept/~"), ("/kept/c.txt", "/kept/b.txt"), ("/kept/~", "/kept/c.txt")):
        school.move(path, to)
    school.write("/kept/a.txt", b"school a")
    school.delete("/kept/d.txt")
    school.write("/kept/new.txt", b"school new")
    for path in ("/old/in.txt", "/old"):
        school.delete(path)
    cloud.write("/kept/a.txt", b"cloud a")
    cloud.write("/kept/d.txt", b"cloud d")
    cloud.write("/old/in.txt", b"cloud in")
    cloud.write("/kept/NEW.txt", b"cloud new")
    cloud.write("/kept/f.txt", b"cloud f")
    cloud.move("/kept/e.txt", "/moved.txt")
    for path, to in (("/kept/g.txt", "/kept/~"), ("/kept/h.txt", "/kept/g.txt"), ("/kept/~", "/kept/h.txt")):
        cloud.move(path, to)
    cloud.delete("/kept/i.txt")
    cloud.restore("j.txt")
    cloud.move("/kept", "/renamed")
    cloud.folder("/renamed/deep")
    cloud.write("/renamed/deep/x.txt", b"cloud x")
    return {text for side in Side for text in hands[side].tree().values() if text is not None}


async def finished(one: Ends, hands: Mapping[Side, Hands], texts: Texts) -> Result:
    """Let it end; what came out of it."""
    await one.settle(within=25)
    one.pass_(hours=25)
    await one.settle()
    school, cloud = (hands[side].tree() for side in Side)
    assert school == cloud, one.store.troubles()
    there = set(school.values())
    written = {text for text in texts if isinstance(text, bytes) and not text.startswith(b"base")}
    assert written <= there, written - there
    lost = texts - there - hands[Side.SCHOOL].trash() - hands[Side.CLOUD].trash()
    assert not lost, lost
    assert one.store.verify().ok
    assert not [trouble for trouble in one.store.troubles() if trouble.retry_at is None]
    before = [hands[side].changes() for side in Side]
    await one.settle(within=1)
    assert [hands[side].changes() for side in Side] == before
    return alike(school)
