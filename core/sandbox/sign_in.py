"""How a client shows who it is. Which way a biller wants follows from the credentials it was given in seeds/sandbox.toml."""

import base64
import binascii
import hmac
from collections.abc import Mapping

from core.sandbox.messages import TEXT, Refused, Reply, Request

Credentials = Mapping[str, str]

SIGN_IN = Reply(401, b"Sign in.\n", TEXT, (("WWW-Authenticate", 'Basic realm="billers"'),))


def by_header(request: Request, credentials: Credentials) -> None:
    """A bearer token, an API key in both of its headers, or HTTP Basic. Raises Refused where it is missing or wrong."""
    if "token" in credentials:
        proven = _same(_after("bearer", request), credentials["token"])
    elif "api_key" in credentials:
        proven = all(_same(request.headers.get(name, ""), credentials["api_key"]) for name in ("apikey", "x-api-key"))
    else:
        proven = _same(_basic(request), f"{credentials['username']}:{credentials['password']}")
    _must(proven)


def by_query(request: Request, credentials: Credentials) -> None:
    """An API key in the query string. Raises Refused."""
    _must(_same(request.query.get("apikey", ""), credentials["api_key"]))


def by_fields(fields: Mapping[str, str], credentials: Credentials, names: Mapping[str, str]) -> None:
    """Credentials that stand in the message itself: `names` maps its fields to ours. Raises Refused."""
    _must(all(_same(fields.get(name, ""), credentials[ours]) for name, ours in names.items()))


def _must(proven: bool) -> None:
    if not proven:
        raise Refused(SIGN_IN)


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())


def _after(scheme: str, request: Request) -> str:
    given, _, rest = request.headers.get("authorization", "").partition(" ")
    return rest.strip() if given.lower() == scheme else ""


def _basic(request: Request) -> str:
    try:
        return base64.b64decode(_after("basic", request), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
