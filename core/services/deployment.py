"""What this deployment allows, from its settings and never from a panel: a person who configures a biller cannot widen it."""

from core.settings import settings
from core.wire.destination import LinePolicy


def line_policy() -> LinePolicy:
    """What the line may call: the deployment's allow-lists, and the sandbox's loopback in sandbox mode."""
    chosen = settings()
    loopback = ("127.0.0.0/8", "::1/128") if chosen.billers_sandbox else ()
    hosts = ("127.0.0.1", "localhost") if chosen.billers_sandbox else ()
    return LinePolicy(
        allowed_hosts=frozenset({*chosen.billers_allowed_hosts, *hosts}),
        allowed_networks=(*chosen.billers_allowed_networks, *loopback),
        ca_bundle=chosen.billers_ca_bundle,
    )
