"""A real OpenID provider on an ephemeral port, made of Authlib: codes with PKCE for users, client credentials for game
servers, access tokens as RFC 9068 has them, its keys and its metadata published, and its signing key rotated."""

# ruff: noqa: ARG002  Authlib chooses the signatures
import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import ECKey, KeySet, RSAKey

AUDIENCE = "board"
CALLBACK = "https://app.example/callback"
KINDS: dict[str, Any] = {
    "RS256": lambda kid: RSAKey.generate_key(2_048, {"kid": kid, "use": "sig", "alg": "RS256"}),
    "ES256": lambda kid: ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"}),
}


@dataclass(frozen=True, slots=True)
class User:
    id: str

    def get_user_id(self) -> str:
        return self.id


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]
    """One registered client; both kinds of clients authenticate by a secret."""

    id: str
    secret: str
    grant: str
    scopes: frozenset[str]

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str:
        return CALLBACK

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(each for each in (scope or "").split() if each in self.scopes)

    def check_redirect_uri(self, uri: str) -> bool:
        return uri == CALLBACK

    def check_client_secret(self, secret: str) -> bool:
        return secrets.compare_digest(secret, self.secret)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, kind: str) -> bool:
        return kind == "code" and self.grant == "authorization_code"

    def check_grant_type(self, kind: str) -> bool:
        return kind == self.grant


@dataclass(slots=True)
class Code:
    """One authorization code, good once."""

    user: User
    client_id: str
    scope: str
    code_challenge: str
    nonce: str | None
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        return CALLBACK

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass(slots=True)
class Provider:
    """What the test holds of it."""

    alg: str = "RS256"
    url: str = ""
    keys: list[Any] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    asked_for_keys: int = 0
    clients: dict[str, Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rotate()
        scopes = frozenset({"openid", "profile", "actions:write:any", "moderate"})
        for name, grant in (("app", "authorization_code"), ("game-server", "client_credentials")):
            self.clients[name] = Client(name, secrets.token_urlsafe(), grant, scopes)

    def rotate(self) -> None:
        """Sign with a new key from now on; the one before stays published for the tokens that it signed."""
        self.keys = [*self.keys[-1:], KINDS[self.alg](f"key-{secrets.token_hex(4)}")]

    async def service_token(self, scope: str) -> str:
        """The token of the game server (RFC 6749 §4.4)."""
        answer = await self._token("game-server", grant_type="client_credentials", scope=scope)
        return str(answer["access_token"])

    async def user_tokens(self, user: str, *, scope: str = "openid profile") -> dict[str, str]:
        """What the app gets after the user logged in: access_token and id_token (RFC 6749 §4.1, RFC 7636)."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": "app", "scope": scope, "redirect_uri": CALLBACK, "user": user,
            "code_challenge": challenge, "code_challenge_method": "S256", "nonce": secrets.token_hex(8),
        }  # fmt: skip
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/authorize", params=query, allow_redirects=False) as response,
        ):
            (code,) = parse_qs(urlsplit(response.headers["Location"]).query)["code"]
        return await self._token(
            "app", grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=CALLBACK
        )

    async def metadata(self) -> dict[str, Any]:
        """What every OpenID provider publishes about itself."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/.well-known/openid-configuration") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def _token(self, client: str, **form: str) -> dict[str, str]:
        basic = base64.b64encode(f"{client}:{self.clients[client].secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{self.url}/token", data=form) as response,
        ):
            assert response.status == 200, await response.text()
            answer: dict[str, str] = await response.json()
            return answer


@asynccontextmanager
async def authorization_server(alg: str = "RS256") -> AsyncIterator[Provider]:
    """Serve one until the test is done."""
    provider = Provider(alg)
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    server = _Server(provider)
    app.router.add_get("/.well-known/openid-configuration", server.metadata)
    app.router.add_get("/keys", server.published)
    app.router.add_get("/authorize", server.authorize)
    app.router.add_post("/token", server.token)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


class _Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server in aiohttp."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(scopes_supported=["openid", "profile", "actions:write:any", "moderate"])
        self.provider = provider
        self.register_token_generator("default", _Tokens(provider))
        self.register_grant(grants.ClientCredentialsGrant)
        self.register_grant(_CodeGrant, [CodeChallenge(required=True), _IdTokens(provider)])

    async def authorize(self, request: web.Request) -> web.Response:
        """The user is logged in already, and agrees."""
        asked = self.create_oauth2_request((request, dict(request.query)))
        grant = self.get_consent_grant((request, dict(request.query)), end_user=User(request.query["user"]))
        answer: web.Response = self.create_authorization_response(
            asked, grant_user=User(request.query["user"]), grant=grant
        )
        return answer

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        answer: web.Response = self.create_token_response((request, form))
        return answer

    async def published(self, _: web.Request) -> web.Response:
        self.provider.asked_for_keys += 1
        return web.json_response(KeySet(self.provider.keys).as_dict(private=False))

    async def metadata(self, _: web.Request) -> web.Response:
        url = self.provider.url
        return web.json_response({
            "issuer": url, "jwks_uri": f"{url}/keys", "token_endpoint": f"{url}/token",
            "authorization_endpoint": f"{url}/authorize",
        })  # fmt: skip

    def query_client(self, client_id: str) -> Client | None:
        return self.provider.clients.get(client_id)

    def save_token(self, token: Any, request: Any) -> None:
        """Its tokens speak for themselves."""

    def send_signal(self, name: str, *_: Any, **__: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, given: Any) -> OAuth2Request:
        if isinstance(given, OAuth2Request):
            return given
        request, data = given
        # Authlib refuses plain HTTP; on this machine nobody listens in between.
        made = _Request(request.method, str(request.url).replace("http://", "https://", 1), headers=request.headers)
        made.payload = BasicOAuth2Payload(data)
        return made

    def handle_response(self, *answer: Any) -> web.Response:
        status, body, headers = answer
        text = json.dumps(body) if isinstance(body, dict) else body
        return web.Response(status=status, text=text, headers=dict(headers))


class _Request(OAuth2Request):  # type: ignore[misc]
    @property
    def form(self) -> dict[str, str]:
        found: dict[str, str] = self.payload.data
        return found

    args = form


class _Tokens(JWTBearerTokenGenerator):  # type: ignore[misc]
    def __init__(self, provider: Provider) -> None:
        super().__init__(issuer="", alg=provider.alg)
        self._provider = provider

    def get_jwks(self) -> KeySet:
        self.issuer = self._provider.url
        return KeySet(self._provider.keys[-1:])

    def access_token_generator(self, **given: Any) -> Any:
        self.issuer = self._provider.url
        return super().access_token_generator(**given)

    def get_audiences(self, client: Any, *_: Any) -> list[str]:
        return [AUDIENCE, client.get_client_id()]

    def get_extra_claims(self, *given: Any) -> dict[str, Any]:
        _client, _grant_type, user, _scope = given
        return {} if user is None else {"name": user.id.title()}


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        self.server.provider.codes[code] = Code(
            request.user, request.payload.client_id, request.payload.scope, data["code_challenge"], data.get("nonce")
        )

    def query_authorization_code(self, code: str, client: Any) -> Code | None:
        found: Code | None = self.server.provider.codes.get(code)
        return found if found is not None and found.client_id == client.get_client_id() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        codes = self.server.provider.codes
        for code in [code for code, known in codes.items() if known is authorization_code]:
            del codes[code]

    def authenticate_user(self, authorization_code: Code) -> User:
        return authorization_code.user


class _IdTokens(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def resolve_client_private_key(self, client: Any) -> KeySet:
        return KeySet(self._provider.keys[-1:])

    def get_client_algorithm(self, client: Any) -> str:
        return self._provider.alg

    def get_client_claims(self, client: Any) -> dict[str, Any]:
        return {"iss": self._provider.url, "aud": [client.get_client_id()]}

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False

    def generate_user_info(self, user: User, scope: str) -> dict[str, str]:
        return {"sub": user.id, "name": user.id.title()}
