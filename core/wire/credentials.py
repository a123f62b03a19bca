"""How a request says who asks. Which way follows from what the credentials hold; none, and the request says nothing."""

import base64
from collections.abc import Mapping


def basic(credentials: Mapping[str, str]) -> Mapping[str, str]:
    if "username" not in credentials:
        return {}
    pair = f"{credentials['username']}:{credentials.get('password', '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}


def signed(credentials: Mapping[str, str]) -> Mapping[str, str]:
    """Basic, bearer or API key, the first that is held. Gateways differ in which header holds the key, so it goes in both."""
    if "username" in credentials:
        return basic(credentials)
    if "token" in credentials:
        return {"Authorization": f"Bearer {credentials['token']}"}
    return {"apikey": credentials["api_key"], "X-API-Key": credentials["api_key"]} if "api_key" in credentials else {}
