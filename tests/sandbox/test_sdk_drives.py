"""msgraph-sdk's drive calls, unchanged: items by id and by path, content, upload tasks, delta, copy, permissions."""

from __future__ import annotations

import random
from io import BytesIO

import pytest
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from msgraph import GraphServiceClient
from msgraph.generated.drives.item.items.item.children.children_request_builder import ChildrenRequestBuilder
from msgraph.generated.drives.item.items.item.copy.copy_post_request_body import CopyPostRequestBody
from msgraph.generated.drives.item.items.item.create_upload_session.create_upload_session_post_request_body import (
    CreateUploadSessionPostRequestBody,
)
from msgraph.generated.drives.item.items.item.invite.invite_post_request_body import InvitePostRequestBody
from msgraph.generated.drives.item.items.item.restore.restore_post_request_body import RestorePostRequestBody
from msgraph.generated.drives.item.items.items_request_builder import ItemsRequestBuilder
from msgraph.generated.models.drive_item import DriveItem
from msgraph.generated.models.drive_item_uploadable_properties import DriveItemUploadableProperties
from msgraph.generated.models.drive_recipient import DriveRecipient
from msgraph.generated.models.folder import Folder
from msgraph.generated.models.item_reference import ItemReference
from msgraph_core.models import LargeFileUploadSession
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask
from msgraph_core.tasks.page_iterator import PageIterator

from connectors.sandbox import Sandbox
from connectors.sandbox.quickxor import quick_xor
from tests.sandbox.test_sdk import person, sdk

__all__ = ["sdk"]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own generated classes
FAIL = {"@microsoft.graph.conflictBehavior": "fail"}


async def furnished(sdk: GraphServiceClient, sandbox: Sandbox) -> tuple[str, ItemsRequestBuilder]:
    """A user's drive: the user's id, and its items."""
    sandbox.service.knobs.drives = "all"
    user = await sdk.users.post(person("anna"))
    assert user is not None
    drive = await sdk.users.by_user_id(user.id or "").drive.get()
    assert drive is not None
    assert (drive.drive_type, drive.quota.used if drive.quota else None) == ("business", 0)
    return user.id or "", sdk.drives.by_drive_id(drive.id or "").items


async def test_folders_content_and_moves(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    _, items = await furnished(sdk, tls_sandbox)
    root = items.by_drive_item_id("root")
    made = await root.children.post(DriveItem(name="Ordner eins", folder=Folder(), additional_data=FAIL))
    assert made is not None
    with pytest.raises(APIError) as taken:
        await root.children.post(DriveItem(name="ORDNER EINS", folder=Folder(), additional_data=FAIL))
    assert taken.value.error.code == "nameAlreadyExists"
    file = await items.by_drive_item_id("root:/Ordner eins/a#b%.txt:").content.put(b"from the SDK")
    assert file is not None
    assert file.file.hashes.quick_xor_hash == quick_xor(b"from the SDK")
    assert await items.by_drive_item_id(file.id).content.get() == b"from the SDK", "by way of the other host"
    assert "bearer tokens sent to the other host" not in tls_sandbox.counters()
    by_path = await items.by_drive_item_id("root:/ordner eins/A#B%.txt:").get()
    assert by_path is not None
    assert by_path.id == file.id
    headers = HeadersCollection()
    headers.add("If-Match", file.e_tag)
    moved = await items.by_drive_item_id(file.id).patch(
        DriveItem(name="c.txt", parent_reference=ItemReference(id=(await root.get()).id)),
        RequestConfiguration(headers=headers),
    )
    assert moved is not None
    assert (moved.name, moved.c_tag) == ("c.txt", file.c_tag)
    with pytest.raises(APIError) as stale:
        await items.by_drive_item_id(file.id).delete(RequestConfiguration(headers=headers))
    assert (stale.value.response_status_code, stale.value.error.code) == (412, "resourceModified")
    await items.by_drive_item_id(file.id).delete()
    restored = await items.by_drive_item_id(file.id).restore.post(RestorePostRequestBody(name="back.txt"))
    assert restored is not None
    assert restored.name == "back.txt"
    versions = await items.by_drive_item_id(file.id).versions.get()
    assert [one.id for one in versions.value] == ["1.0"]
    await items.by_drive_item_id(file.id).permanent_delete.post()
    with pytest.raises(APIError) as gone:
        await items.by_drive_item_id(file.id).get()
    assert gone.value.error.code == "itemNotFound"


async def test_children_page_by_page(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    user, items = await furnished(sdk, tls_sandbox)
    for number in range(7):
        tls_sandbox.put_file(user, f"/{number}.txt", b"x")
    query = ChildrenRequestBuilder.ChildrenRequestBuilderGetQueryParameters(top=3, select=["name", "id"])
    first = await items.by_drive_item_id("root").children.get(RequestConfiguration(query_parameters=query))
    seen: list[str] = []

    def take(item: DriveItem) -> bool:
        seen.append(item.name or "")
        return True

    await PageIterator(first, sdk.request_adapter).iterate(take)
    assert seen == [f"{number}.txt" for number in range(7)]


async def test_delta(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    user, items = await furnished(sdk, tls_sandbox)
    tls_sandbox.service.knobs.delta_page = 2
    for number in range(5):
        tls_sandbox.put_file(user, f"/a/{number}.txt", b"x")
    delta = items.by_drive_item_id("root").delta
    page, seen = await delta.get(), []
    while True:
        assert page is not None
        seen += [one.name for one in page.value or []]
        if page.odata_delta_link:
            break
        page = await delta.with_url(page.odata_next_link).get()
    assert set(seen) == {"root", "a", *(f"{number}.txt" for number in range(5))}
    gone = tls_sandbox.tree(user)["/a/3.txt"]["id"]
    await items.by_drive_item_id(gone).delete()
    page = await delta.with_url(page.odata_delta_link).get()
    assert page is not None
    assert [(one.id, one.deleted.state, one.name) for one in page.value or []] == [(gone, "deleted", None)]
    latest = await items.by_drive_item_id("root").delta_with_token("latest").get()
    assert latest is not None
    assert (latest.value, bool(latest.odata_delta_link)) == ([], True)


async def test_large_file_task(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    """msgraph-core's uploader sends odd sizes and repeats the last range: it works with the size rule relaxed."""
    _, items = await furnished(sdk, tls_sandbox)
    tls_sandbox.service.knobs.strict_fragments = False
    content = random.Random(4).randbytes(1_500_000)
    wanted = DriveItemUploadableProperties(additional_data={"@microsoft.graph.conflictBehavior": "replace"})
    session = await items.by_drive_item_id("root:/big.bin:").create_upload_session.post(
        CreateUploadSessionPostRequestBody(item=wanted)
    )
    assert session is not None
    held = LargeFileUploadSession(
        upload_url=session.upload_url,
        expiration_date_time=session.expiration_date_time,
        additional_data=session.additional_data,
        next_expected_ranges=session.next_expected_ranges,
    )
    task = LargeFileUploadTask(held, sdk.request_adapter, BytesIO(content), DriveItem, 5 * 327_680 // 5)
    await task.upload()
    made = await items.by_drive_item_id("root:/big.bin:").get()
    assert made is not None
    assert (made.size, made.file.hashes.quick_xor_hash) == (len(content), quick_xor(content))
    assert "bearer tokens sent to the other host" not in tls_sandbox.counters()


async def test_copy_and_invite(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    user, items = await furnished(sdk, tls_sandbox)
    tls_sandbox.put_file(user, "/a/x.txt", b"x")
    source = items.by_drive_item_id("root:/a:")
    await source.copy.post(CopyPostRequestBody(name="b"))
    assert "/b/x.txt" in tls_sandbox.tree(user)
    other = await sdk.users.post(person("bernd"))
    assert other is not None
    body = InvitePostRequestBody(
        recipients=[DriveRecipient(object_id=other.id)], roles=["write"], send_invitation=False, require_sign_in=True
    )
    given = await source.invite.post(body)
    assert given is not None
    (permission,) = given.value or []
    assert permission.granted_to_v2.user.id == other.id
    listed = await source.permissions.get()
    assert listed is not None
    assert {tuple(one.roles) for one in listed.value or []} == {("owner",), ("write",)}
    await source.permissions.by_permission_id(permission.id).delete()
    assert len((await source.permissions.get()).value) == 1
