"""What this deployment allows, from its settings and never from a panel: a person who configures a biller cannot widen it."""

from urllib.parse import urlsplit

from core.settings import settings
from core.wire.destination import LinePolicy


def line_policy() -> LinePolicy:
    """What the line may call: the deployment's allow-lists, its core banking, and the sandbox's loopback in sandbox mode."""
    chosen = settings()
    bank = urlsplit(chosen.t24_api_url).hostname
    loopback = ("127.0.0.0/8", "::1/128") if chosen.billers_sandbox else ()
    hosts = ("127.0.0.1", "localhost") if chosen.billers_sandbox else ()
    return LinePolicy(
        allowed_hosts=frozenset({*chosen.billers_allowed_hosts, *hosts, *([bank] if bank else [])}),
        allowed_networks=(*chosen.billers_allowed_networks, *loopback),
        ca_bundle=chosen.billers_ca_bundle,
    )


def notification_policy() -> LinePolicy:
    """Where people may be told by: hosts of their own. What is allowed for a biller is not for a webhook, nor the other way."""
    chosen = settings()
    loopback = ("127.0.0.0/8", "::1/128") if chosen.billers_sandbox else ()
    hosts = ("127.0.0.1", "localhost") if chosen.billers_sandbox else ()
    return LinePolicy(
        allowed_hosts=frozenset({*chosen.billers_notification_hosts, *hosts}),
        allowed_networks=(*chosen.billers_notification_networks, *loopback),
        ca_bundle=chosen.billers_ca_bundle,
    )
