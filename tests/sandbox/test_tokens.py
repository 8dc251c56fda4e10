"""Tokens, asked for by clients that others wrote: msal and azure-identity over https, with secret and certificate."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.identity.aio import CertificateCredential as AsyncCertificateCredential
from azure.identity.aio import ClientSecretCredential as AsyncSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1

from connectors.sandbox import TENANT_ID, KeyPair, MovableClock, Sandbox, application_certificate
from tests.sandbox.client import connected
from tests.sandbox.plugin import CLIENT_ID, CLIENT_SECRET

SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests prefers REQUESTS_CA_BUNDLE to the ``verify`` that msal sets on its session, so the machine's must go."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


async def opens(sandbox: Sandbox, token: str) -> int:
    """The status of a Graph call with a token."""
    context = ssl.create_default_context(cafile=sandbox.ca_file)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), headers=headers) as session:
        return (await session.get(f"{sandbox.graph_url}/users")).status


def confidential(sandbox: Sandbox, credential: object, **options: Any) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        CLIENT_ID,
        client_credential=credential,
        instance_discovery=False,
        verify=str(sandbox.ca_file),
        **{"authority": f"{sandbox.base_url}/{TENANT_ID}", **options},
    )


def thumbprint(pair: KeyPair) -> str:
    return x509.load_pem_x509_certificate(pair.certificate.encode()).fingerprint(SHA1()).hex()  # noqa: S303


CREDENTIALS: dict[str, Callable[[KeyPair], object]] = {
    "secret": lambda pair: CLIENT_SECRET,
    "PS256": lambda pair: {"private_key": pair.private_key, "public_certificate": pair.certificate},
    "RS256": lambda pair: {"private_key": pair.private_key, "thumbprint": thumbprint(pair)},
}


@pytest.mark.parametrize("kind", CREDENTIALS)
async def test_msal(tls_sandbox: Sandbox, client_certificate: KeyPair, kind: str) -> None:
    def ask() -> list[dict[str, Any]]:
        app = confidential(tls_sandbox, CREDENTIALS[kind](client_certificate))
        return [app.acquire_token_for_client([SCOPE]) for _ in range(2)]

    first, second = await asyncio.to_thread(ask)
    assert first.get("token_type") == "Bearer", first
    assert second["token_source"] == "cache"
    assert await opens(tls_sandbox, first["access_token"]) == 200


async def test_msal_with_openid_authority_and_bundle(tls_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_sandbox.ca_file))

    def ask() -> dict[str, Any]:
        authority = {"authority": None, "oidc_authority": f"{tls_sandbox.base_url}/{TENANT_ID}/v2.0", "verify": True}
        options = {"client_credential": CLIENT_SECRET, "instance_discovery": False, **authority}
        return dict(msal.ConfidentialClientApplication(CLIENT_ID, **options).acquire_token_for_client([SCOPE]))

    assert await opens(tls_sandbox, (await asyncio.to_thread(ask))["access_token"]) == 200


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        ("wrong-secret", 7000215),
        ("foreign certificate", 700027),
    ],
)
async def test_msal_is_refused(tls_sandbox: Sandbox, credential: str, code: int) -> None:
    def ask() -> dict[str, Any]:
        pair = application_certificate()
        foreign = {"private_key": pair.private_key, "public_certificate": pair.certificate}
        app = confidential(tls_sandbox, foreign if credential.startswith("foreign") else credential)
        return dict(app.acquire_token_for_client([SCOPE]))

    answer = await asyncio.to_thread(ask)
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [code])
    assert answer["error_description"].startswith(f"AADSTS{code}:")


async def test_registered_certificate_but_other_key(tls_sandbox: Sandbox, client_certificate: KeyPair) -> None:
    """The thumbprint of a registered certificate is public: the signature is what counts."""
    other = application_certificate()

    def ask() -> dict[str, Any]:
        forged = {"private_key": other.private_key, "public_certificate": client_certificate.certificate}
        return dict(confidential(tls_sandbox, forged).acquire_token_for_client([SCOPE]))

    answer = await asyncio.to_thread(ask)
    assert answer["error_codes"] == [700027]


async def test_azure_identity(tls_sandbox: Sandbox, client_certificate: KeyPair) -> None:
    options = {
        "authority": tls_sandbox.base_url,
        "disable_instance_discovery": True,
        "connection_verify": str(tls_sandbox.ca_file),
    }
    pem = (client_certificate.private_key + client_certificate.certificate).encode()

    def ask() -> list[str]:
        secret = ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, **options)
        certificate = CertificateCredential(TENANT_ID, CLIENT_ID, certificate_data=pem, **options)
        return [credential.get_token(SCOPE).token for credential in (secret, certificate)]

    tokens = await asyncio.to_thread(ask)
    async with AsyncSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, **options) as secret:
        tokens.append((await secret.get_token(SCOPE)).token)
    async with AsyncCertificateCredential(TENANT_ID, CLIENT_ID, certificate_data=pem, **options) as certificate:
        tokens.append((await certificate.get_token(SCOPE)).token)
    assert [await opens(tls_sandbox, token) for token in tokens] == [200] * 4


async def test_azure_identity_is_refused(tls_sandbox: Sandbox) -> None:
    options = {"authority": tls_sandbox.base_url, "disable_instance_discovery": True}
    async with AsyncSecretCredential(
        TENANT_ID, CLIENT_ID, "wrong", connection_verify=str(tls_sandbox.ca_file), **options
    ) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            await credential.get_token(SCOPE)


JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": SCOPE}


@pytest.mark.parametrize(
    ("change", "tenant", "status", "error", "code"),
    [
        ({"client_id": "unknown"}, TENANT_ID, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, TENANT_ID, 400, "unsupported_grant_type", 70003),
        ({"scope": "https://graph.microsoft.com/User.Read.All"}, TENANT_ID, 400, "invalid_scope", 1002012),
        ({"scope": ""}, TENANT_ID, 400, "invalid_scope", 1002012),
        ({}, "00000000-0000-4000-8000-000000000000", 400, "invalid_request", 90002),
        ({"client_assertion": "x.y.z", "client_assertion_type": "wrong"}, TENANT_ID, 400, "invalid_request", 900144),
        (
            {"client_assertion": "x", "client_assertion_type": JWT_BEARER},
            TENANT_ID, 401, "invalid_client", 50027,
        ),
    ],
)  # fmt: skip
async def test_refusals_of_the_token_endpoint(
    sandbox: Sandbox, change: dict[str, str], tenant: str, status: int, error: str, code: int
) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{sandbox.base_url}/{tenant}/oauth2/v2.0/token"
        async with session.post(url, data={**FORM, **change}) as answer:
            body = await answer.json(content_type=None)
            assert (answer.status, body["error"], body["error_codes"]) == (status, error, [code])


async def test_assertion_must_name_this_endpoint_and_be_young(sandbox: Sandbox, client_certificate: KeyPair) -> None:
    url = f"{sandbox.base_url}/{TENANT_ID}/oauth2/v2.0/token"
    certificate = x509.load_pem_x509_certificate(client_certificate.certificate.encode())
    raw = certificate.fingerprint(SHA1())  # noqa: S303
    header = {"x5t": jwt.utils.base64url_encode(raw).decode()}

    async def ask(**change: object) -> int:
        now = int(time.time())
        claims = {"aud": url, "iss": CLIENT_ID, "sub": CLIENT_ID, "jti": "1", "nbf": now, "exp": now + 600, **change}
        assertion = jwt.encode(claims, client_certificate.private_key, algorithm="RS256", headers=header)
        form = {name: value for name, value in FORM.items() if name != "client_secret"}
        form |= {
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion,
        }
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
            return (await answer.json(content_type=None)).get("error_codes", [0])[0]

    assert await ask() == 0
    assert await ask(aud="https://login.microsoftonline.com/other") == 700027
    assert await ask(iss="other") == 700027
    assert await ask(sub="other") == 700027
    assert await ask(exp=int(time.time()) - 4000) == 700024
    assert isinstance(sandbox.clock, MovableClock)


async def test_openid_configuration_and_discovery(sandbox: Sandbox) -> None:
    async with connected(sandbox) as graph:
        found = await graph.get(f"{sandbox.base_url}/{TENANT_ID}/v2.0/.well-known/openid-configuration")
        assert found.body["token_endpoint"] == f"{sandbox.base_url}/{TENANT_ID}/oauth2/v2.0/token"
        found = await graph.get(f"{sandbox.base_url}/common/discovery/instance?api-version=1.1")
        assert found.body["tenant_discovery_endpoint"].startswith(sandbox.base_url)


async def test_untrusted_authority_is_noticed(tls_sandbox: Sandbox, tmp_path: Path) -> None:
    """The certificate is a real one: who does not trust its authority gets no connection."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{tls_sandbox.graph_url}/users")
