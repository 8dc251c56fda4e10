"""msgraph-sdk, Microsoft's own client, unchanged: users, pages, delta, groups, members, batches, restore."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httpx
import pytest
from azure.identity.aio import ClientSecretCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.groups.groups_request_builder import GroupsRequestBuilder
from msgraph.generated.models.group import Group
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.user import User
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core import GraphClientFactory
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.page_iterator import PageIterator

from connectors.sandbox import TENANT_ID, Sandbox
from tests.sandbox.client import PASSWORD
from tests.sandbox.plugin import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own generated classes


@pytest.fixture
async def sdk(tls_sandbox: Sandbox) -> AsyncIterator[GraphServiceClient]:
    """The SDK's client over https, its tokens from azure-identity."""
    credential = ClientSecretCredential(
        TENANT_ID,
        CLIENT_ID,
        CLIENT_SECRET,
        authority=tls_sandbox.base_url,
        disable_instance_discovery=True,
        connection_verify=str(tls_sandbox.ca_file),
    )
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=["https://graph.microsoft.com/.default"], allowed_hosts=["127.0.0.1"]
    )
    plain = httpx.AsyncClient(verify=ssl.create_default_context(cafile=tls_sandbox.ca_file))
    http = GraphClientFactory.create_with_default_middleware(client=plain)
    adapter = GraphRequestAdapter(provider, client=http)
    adapter.base_url = tls_sandbox.graph_url
    yield GraphServiceClient(request_adapter=adapter)
    await plain.aclose()
    await credential.close()


def person(name: str) -> User:
    return User(
        account_enabled=True,
        display_name=name.title(),
        mail_nickname=name,
        user_principal_name=f"{name}@schule.example",
        password_profile=PasswordProfile(password=PASSWORD, force_change_password_next_sign_in=True),
    )


def course(name: str) -> Group:
    return Group(display_name=name, mail_nickname=name, mail_enabled=False, security_enabled=True, group_types=[])


async def test_user_from_cradle_to_restore(sdk: GraphServiceClient) -> None:
    made = await sdk.users.post(person("anna"))
    assert made is not None
    assert made.id is not None
    await sdk.users.by_user_id(made.id).patch(User(job_title="Schülerin", account_enabled=False))
    query = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(select=["jobTitle", "accountEnabled"])
    read = await sdk.users.by_user_id("anna@schule.example").get(RequestConfiguration(query_parameters=query))
    assert read is not None
    assert (read.job_title, read.account_enabled) == ("Schülerin", False)
    with pytest.raises(APIError) as refused:
        await sdk.users.post(person("ANNA"))
    assert refused.value.response_status_code == 400
    assert refused.value.error.details[0].code == "ObjectConflict"
    await sdk.users.by_user_id(made.id).delete()
    binned = await sdk.directory.deleted_items.graph_user.get()
    assert binned is not None
    assert [one.id for one in binned.value or []] == [made.id]
    restored = await sdk.directory.deleted_items.by_directory_object_id(made.id).restore.post()
    assert isinstance(restored, User)
    await sdk.users.by_user_id(made.id).delete()
    await sdk.directory.deleted_items.by_directory_object_id(made.id).delete()
    with pytest.raises(APIError) as missing:
        await sdk.users.by_user_id(made.id).get()
    assert missing.value.response_status_code == 404


async def test_page_iterator(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    tls_sandbox.load({"users": [_seed(number) for number in range(23)]})
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(top=5, select=["displayName"])
    first = await sdk.users.get(RequestConfiguration(query_parameters=query))
    seen: list[str] = []

    def take(user: User) -> bool:
        seen.append(user.display_name or "")
        return True

    await PageIterator(first, sdk.request_adapter).iterate(take)
    assert seen == [f"u{number}" for number in range(23)]


def _seed(number: int) -> dict[str, object]:
    return {"displayName": f"u{number}", "userPrincipalName": f"u{number}@schule.example", "accountEnabled": True}


async def test_advanced_query(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    tls_sandbox.load({"users": [_seed(number) for number in range(3)]})
    headers = HeadersCollection()
    headers.add("ConsistencyLevel", "eventual")
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(filter="displayName ne 'u1'", count=True)
    found = await sdk.users.get(RequestConfiguration(query_parameters=query, headers=headers))
    assert found is not None
    assert found.odata_count == 2
    with pytest.raises(APIError):
        await sdk.users.get(RequestConfiguration(query_parameters=query))


async def test_delta(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    tls_sandbox.service.knobs.delta_page = 4
    tls_sandbox.load({"users": [_seed(number) for number in range(10)]})
    query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(select=["displayName"])
    page = await sdk.users.delta.get(RequestConfiguration(query_parameters=query))
    seen: list[str | None] = []
    assert page is not None
    while True:
        seen += [user.display_name for user in page.value or []]
        if page.odata_delta_link:
            break
        page = await sdk.users.delta.with_url(page.odata_next_link or "").get()
        assert page is not None
    assert seen == [f"u{number}" for number in range(10)]
    gone = next(iter(tls_sandbox.tenant.entries))
    await sdk.users.by_user_id(gone).delete()
    page = await sdk.users.delta.with_url(page.odata_delta_link).get()
    assert page is not None
    assert [(user.id, user.additional_data["@removed"]) for user in page.value or []] == [(gone, {"reason": "changed"})]


async def test_groups_members_and_owners(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    anna, bernd = [await sdk.users.post(person(name)) for name in ("anna", "bernd")]
    made = await sdk.groups.post(course("5a"))
    assert anna is not None
    assert bernd is not None
    assert made is not None
    group = sdk.groups.by_group_id(made.id or "")
    url = f"{tls_sandbox.graph_url}/directoryObjects"
    await group.members.ref.post(ReferenceCreate(odata_id=f"{url}/{anna.id}"))
    await group.patch(Group(additional_data={"members@odata.bind": [f"{url}/{bernd.id}"]}))
    await group.owners.ref.post(ReferenceCreate(odata_id=f"{url}/{anna.id}"))
    members = await group.members.get()
    assert members is not None
    assert all(isinstance(one, User) for one in members.value or [])
    assert {one.id for one in members.value or []} == {anna.id, bernd.id}
    await group.members.by_directory_object_id(bernd.id or "").ref.delete()
    only = await group.members.graph_user.get()
    assert only is not None
    assert [one.id for one in only.value or []] == [anna.id]
    found = await sdk.users.by_user_id(anna.id or "").member_of.get()
    assert found is not None
    assert [one.id for one in found.value or []] == [made.id]
    assert tls_sandbox.counters()["users deleted"] == 0
    delta = await sdk.groups.delta.get()
    assert delta is not None
    shown = (delta.value or [])[0].additional_data["members@delta"]
    assert [str(one["id"]) for one in shown] == [anna.id]


async def test_upsert_by_unique_name(sdk: GraphServiceClient) -> None:
    headers = HeadersCollection()
    headers.add("Prefer", "create-if-missing")
    made = await sdk.groups_with_unique_name("school-5a").patch(course("5a"), RequestConfiguration(headers=headers))
    assert made is not None
    read = await sdk.groups_with_unique_name("school-5a").get()
    assert read is not None
    assert read.id == made.id
    query = GroupsRequestBuilder.GroupsRequestBuilderGetQueryParameters(filter="uniqueName eq 'school-5a'")
    found = await sdk.groups.get(RequestConfiguration(query_parameters=query))
    assert found is not None
    assert [one.id for one in found.value or []] == [made.id]


async def test_batch(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    batch = BatchRequestContent()
    for name in ("anna", "bernd", "anna"):
        batch.add_request_information(sdk.users.to_post_request_information(person(name)))
    batch.add_request_information(sdk.organization.to_get_request_information())
    answer = await sdk.batch.post(batch)
    statuses = [answer.get_response_by_id(key).status for key in batch.requests]
    assert statuses == [201, 201, 400, 200]
    tls_sandbox.faults.add("throttle", where="part", path="/organization", count=1, retry_after=2)
    again = BatchRequestContent()
    information = sdk.organization.to_get_request_information()
    again.add_request(None, BatchRequestItem(request_information=information))
    answer = await sdk.batch.post(again)
    (one,) = [answer.get_response_by_id(key) for key in again.requests]
    assert (one.status, one.headers["Retry-After"]) == (429, "2")


async def test_the_sdk_waits_for_retry_after(sdk: GraphServiceClient, tls_sandbox: Sandbox) -> None:
    tls_sandbox.faults.add("throttle", path="/organization", count=1, retry_after=1)
    found = await sdk.organization.get()
    assert found is not None
    assert (found.value or [])[0].id == TENANT_ID
    assert tls_sandbox.counters()["throttled"] == 1
