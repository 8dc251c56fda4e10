"""The identity side: OpenID configuration and the token endpoint for client credentials.

Secrets are compared in constant time, client assertions verified against the registered certificate (PS256 with
``x5t#S256`` as msal sends for a certificate, RS256 with ``x5t`` as its older form). Error texts carry the AADSTS
numbers that clients and people look for (Entra: v2-oauth2-client-creds-grant-flow).
"""

from __future__ import annotations

import base64
import hmac
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from connectors.sandbox.errors import unauthenticated
from connectors.sandbox.service import Application, Service
from connectors.sandbox.wire import Reply

#: Tokens whose signature has been checked are remembered, up to so many.
_MOST_TOKENS = 1000
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCE = "https://graph.microsoft.com"
#: Graph's own application id, an audience of its tokens as well.
_AUDIENCES = (AUDIENCE, "00000003-0000-0000-c000-000000000000")


class TokenError(Exception):
    """A refusal of the token endpoint: HTTP status, OAuth error and AADSTS number with text."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.number, self.text = status, error, number, text


def openid_configuration(service: Service, base_url: str, tenant: str) -> Reply:
    """``GET /{tenant}/v2.0/.well-known/openid-configuration``: all endpoints on our host."""
    base = f"{base_url}/{tenant}"
    return Reply(
        200,
        {
            "issuer": f"{base_url}/{service.tenant.id}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "msgraph_host": "graph.microsoft.com",
        },
    )


def instance_discovery(base_url: str, tenant: str) -> Reply:
    """``GET /common/discovery/instance``: what clients ask that validate the authority."""
    return Reply(
        200,
        {
            "tenant_discovery_endpoint": f"{base_url}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [],
        },
    )


def issue(service: Service, base_url: str, tenant: str, form: Mapping[str, str]) -> Reply:
    """``POST /{tenant}/oauth2/v2.0/token``: an application token, or the error as Entra words it."""
    try:
        return Reply(200, _issue(service, base_url, tenant, form), {"Cache-Control": "no-store"})
    except TokenError as error:
        moment = datetime.fromtimestamp(service.tenant.clock(), UTC)
        trace = str(uuid.UUID(int=service.rng.getrandbits(128), version=4))
        stamp = moment.strftime("%Y-%m-%d %H:%M:%SZ")
        return Reply(
            error.status,
            {
                "error": error.error,
                "error_description": f"AADSTS{error.number}: {error.text} Trace ID: {trace} Timestamp: {stamp}",
                "error_codes": [error.number],
                "timestamp": stamp,
                "trace_id": trace,
                "correlation_id": form.get("client-request-id", trace),
            },
        )


def _issue(service: Service, base_url: str, tenant: str, form: Mapping[str, str]) -> dict[str, Any]:
    known = {service.tenant.id.lower(), *service.tenant.domains}
    if tenant.lower() not in known:
        raise TokenError(
            400,
            "invalid_request",
            90002,
            f"Tenant '{tenant}' not found. Check to make sure you have the "
            "correct tenant ID and are signing into the correct cloud.",
        )
    if form.get("grant_type") != "client_credentials":
        raise TokenError(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
    client_id = form.get("client_id") or _assertion_subject(form)
    app = service.applications.get(client_id.lower())
    if app is None:
        raise TokenError(
            400,
            "unauthorized_client",
            700016,
            f"Application with identifier '{client_id}' was not found in the directory '{service.tenant.name}'.",
        )
    scope = form.get("scope", "")
    # A bare `.default` stands for that of Graph, the default resource (rclone sends it).
    if not (scope.endswith("/.default") or scope == ".default") or " " in scope:
        raise TokenError(
            400,
            "invalid_scope",
            1002012,
            f"The provided value for scope {scope} is not valid. Client "
            "credential flows must have a scope value with /.default suffixed to the resource identifier.",
        )
    if "client_assertion" in form:
        _check_assertion(service, app, base_url, tenant, form)
    elif "client_secret" in form:
        given = form["client_secret"].encode()
        if not any(hmac.compare_digest(given, secret.encode()) for secret in app.secrets):
            raise TokenError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent "
                "in the request is the client secret value, not the client secret ID.",
            )
    else:
        raise TokenError(
            401,
            "invalid_client",
            7000216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        )
    life = service.knobs.token_life
    return {
        "token_type": "Bearer",
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": access_token(service, app, life),
    }


def access_token(service: Service, app: Application, life: int = 3599) -> str:
    """A bearer token for Graph; opaque to clients. ``life`` in seconds."""
    now = int(service.tenant.clock())
    claims = {
        "aud": AUDIENCE,
        "iss": f"https://sts.windows.net/{service.tenant.id}/",
        "iat": now,
        "nbf": now,
        "exp": now + life,
        "appid": app.client_id,
        "idtyp": "app",
        "tid": service.tenant.id,
        "roles": sorted(app.permissions),
        "ver": "1.0",
    }
    return jwt.encode(claims, service.tenant.secret, algorithm="HS256")


def authenticate(service: Service, authorization: str) -> Application:
    """The application of an ``Authorization`` header.

    Raises:
        GraphError: 401 ``InvalidAuthenticationToken``.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthenticated()
    if (held := service.tokens.get(token)) and held[1] > service.tenant.clock():
        return held[0]
    try:
        # Expiry is judged by the sandbox's clock, which tests move, not by PyJWT's.
        claims = jwt.decode(
            token.strip(),
            service.tenant.secret,
            algorithms=["HS256"],
            audience=_AUDIENCES,
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.PyJWTError:
        raise unauthenticated("IDX14100: JWT is not well formed or its signature is not valid.") from None
    app = service.applications.get(str(claims.get("appid", "")).lower())
    if app is None or claims.get("tid") != service.tenant.id:
        raise unauthenticated("The identity of the calling application could not be established.")
    if claims["exp"] <= service.tenant.clock():
        raise unauthenticated("Lifetime validation failed, the token is expired.")
    if len(service.tokens) > _MOST_TOKENS:
        service.tokens.clear()
    service.tokens[token] = (app, claims["exp"])
    return app


def _assertion_subject(form: Mapping[str, str]) -> str:
    try:
        return str(jwt.decode(form["client_assertion"], options={"verify_signature": False}).get("sub", ""))
    except (KeyError, jwt.PyJWTError):
        raise TokenError(
            400, "invalid_request", 900144, "The request body must contain the following parameter: 'client_id'."
        ) from None


def _check_assertion(service: Service, app: Application, base_url: str, tenant: str, form: Mapping[str, str]) -> None:
    if form.get("client_assertion_type") != _ASSERTION:
        raise TokenError(400, "invalid_request", 900144, "The request body must contain 'client_assertion_type'.")
    assertion = form["client_assertion"]
    refused = TokenError(401, "invalid_client", 700027, "Client assertion failed signature validation.")
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.PyJWTError:
        raise TokenError(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None
    certificate = _named_certificate(app, header)
    if certificate is None:
        raise TokenError(
            401,
            "invalid_client",
            700027,
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        )
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise refused
    audiences = [f"{base_url}/{tenant}/oauth2/v2.0/token", f"{base_url}/{tenant}/v2.0"]
    try:
        claims = jwt.decode(
            assertion,
            key,
            algorithms=["PS256", "RS256"],
            audience=audiences,
            issuer=app.client_id,
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "sub", "jti"]},
        )
    except jwt.PyJWTError:
        raise refused from None
    if claims["sub"] != app.client_id:
        raise refused
    now = service.tenant.clock()
    # Five minutes of skew, as Entra grants.
    if not claims.get("nbf", now) - 300 <= now <= claims["exp"] + 300:
        raise TokenError(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")


def _named_certificate(app: Application, header: Mapping[str, Any]) -> x509.Certificate | None:
    for pem in app.certificates:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        digests = {"x5t#S256": SHA256(), "x5t": SHA1()}  # noqa: S303 - the thumbprint that RS256 clients send
        for name, algorithm in digests.items():
            wanted = base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).rstrip(b"=").decode()
            if name in header and str(header[name]).rstrip("=") == wanted:
                return certificate
    return None
