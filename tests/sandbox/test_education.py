"""Education: classes are Unified groups, users and schools."""

from __future__ import annotations

from tests.sandbox.client import Client, new_user


def user_reference(graph: Client, user: str) -> dict[str, str]:
    return {"@odata.id": f"{graph.sandbox.graph_url}/education/users/{user}"}


async def test_class_is_a_unified_group_with_teachers_as_owners(graph: Client) -> None:
    body = {
        "displayName": "Mathe 5a",
        "mailNickname": "mathe5a",
        "externalId": "C-1",
        "grade": "5",
        "term": {"displayName": "1"},
    }
    made = await graph.post("/education/classes", body)
    assert made.status == 201
    lesson = made.body["id"]
    assert (await graph.get(f"/groups/{lesson}")).body["groupTypes"] == ["Unified"]
    assert (await graph.get(f"/education/classes/{lesson}/group")).body["mailNickname"] == "mathe5a"
    pupil, teacher, second = [await graph.user(name) for name in ("anna", "lehrer", "zweiter")]
    path = f"/education/classes/{lesson}"
    assert (await graph.post(f"{path}/members/$ref", user_reference(graph, pupil))).status == 204
    assert (await graph.post(f"{path}/members/$ref", user_reference(graph, pupil))).status == 400
    assert (await graph.post(f"{path}/teachers/$ref", user_reference(graph, teacher))).status == 204
    assert {u["id"] for u in await graph.all(f"{path}/members")} == {pupil, teacher}
    assert [u["id"] for u in await graph.all(f"{path}/teachers")] == [teacher]
    assert await graph.members(lesson, "owners") == {teacher}
    assert (await graph.delete(f"{path}/teachers/{teacher}/$ref")).status == 400, "the last owner"
    await graph.post(f"{path}/teachers/$ref", user_reference(graph, second))
    assert (await graph.delete(f"{path}/teachers/{teacher}/$ref")).status == 204
    assert [c["externalId"] for c in await graph.all(f"/education/users/{pupil}/classes")] == ["C-1"]
    assert (await graph.delete(f"{path}/members/{pupil}/$ref")).status == 204
    changed = await graph.patch(path, {"displayName": "Mathe 6a", "grade": "6"})
    assert (changed.status, changed.body["displayName"], changed.body["grade"]) == (200, "Mathe 6a", "6")
    assert (await graph.delete(path)).status == 204
    assert (await graph.get(f"/groups/{lesson}")).status == 404


async def test_education_user(graph: Client) -> None:
    body = new_user("anna", primaryRole="student", student={"studentNumber": "S1", "grade": "5"}, externalSource="sis")
    made = await graph.post("/education/users", body)
    assert (made.status, made.body["primaryRole"], made.body["student"]["grade"]) == (201, "student", "5")
    user = made.body["id"]
    assert (await graph.get(f"/education/users/{user}/user")).body["displayName"] == "Anna"
    _, link = await graph.round("/education/users/delta?$select=primaryRole,displayName")
    changed = await graph.patch(f"/education/users/{user}", {"primaryRole": "teacher", "surname": "Groß"})
    assert (changed.status, changed.body["surname"]) == (200, "Groß")
    found, link = await graph.round(link)
    assert found == [{"id": user, "displayName": "Anna", "primaryRole": "teacher"}]
    assert (await graph.patch(f"/education/users/{user}", {"nonsense": 1})).status == 400
    assert (await graph.delete(f"/education/users/{user}")).status == 204
    found, _ = await graph.round(link)
    assert found == [{"id": user, "@removed": {"reason": "changed"}}]


async def test_school_with_users_and_classes(graph: Client) -> None:
    school = (
        await graph.post("/education/schools", {"displayName": "Goethe", "externalId": "G", "schoolNumber": "7"})
    ).body["id"]
    assert (await graph.post("/education/schools", {"externalId": "x"})).status == 400
    lesson = (await graph.post("/education/classes", {"displayName": "5a", "mailNickname": "5a"})).body["id"]
    user = await graph.user("anna")
    path = f"/education/schools/{school}"
    assert (await graph.post(f"{path}/users/$ref", user_reference(graph, user))).status == 204
    reference = {"@odata.id": f"{graph.sandbox.graph_url}/education/classes/{lesson}"}
    assert (await graph.post(f"{path}/classes/$ref", reference)).status == 204
    assert (await graph.post(f"{path}/users/$ref", reference)).status == 400
    assert [c["id"] for c in await graph.all(f"{path}/classes")] == [lesson]
    assert [s["id"] for s in await graph.all(f"/education/users/{user}/schools")] == [school]
    assert [s["id"] for s in await graph.all(f"/education/classes/{lesson}/schools")] == [school]
    found, link = await graph.round("/education/schools/delta()")
    assert found[0]["schoolNumber"] == "7"
    await graph.delete(f"{path}/users/{user}/$ref")
    assert (await graph.patch(path, {"phone": "1"})).body["phone"] == "1"
    assert (await graph.delete(path)).status == 204
    assert (await graph.round(link))[0] == [{"id": school, "@removed": {"reason": "deleted"}}]


async def test_class_delta_shows_only_classes(graph: Client) -> None:
    await graph.team("ag")
    lesson = (await graph.post("/education/classes", {"displayName": "5a", "mailNickname": "5a"})).body["id"]
    found, _ = await graph.round("/education/classes/delta")
    assert [one["id"] for one in found] == [lesson]
    assert [one["id"] for one in await graph.all("/education/classes")] == [lesson]
