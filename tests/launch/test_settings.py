"""A deployment's lists and addresses: what cannot be read as meant stops the start, with the variable's name and how it is written."""

import pytest

from core.errors import Misconfigured
from core.settings import settings
from tests.world import SetEnvironment

HOSTS = ("billers_public_hosts", "billers_allowed_hosts", "billers_notification_hosts")
NETWORKS = ("billers_allowed_networks", "billers_notification_networks")


def complaint(set_environment: SetEnvironment, name: str, text: str) -> str:
    set_environment(**{name: text})
    with pytest.raises(Misconfigured) as refused:
        settings()
    return refused.value.sentence


@pytest.mark.parametrize("name", [*HOSTS, *NETWORKS, "t24_endpoints"])
@pytest.mark.parametrize("text", ["mail.example.mw", "7", '"mail.example.mw"', '["mail.example.mw"', "null"])
def test_what_is_no_list_is_told_with_how_one_is_written(set_environment: SetEnvironment, name: str, text: str) -> None:
    told = complaint(set_environment, name, text)
    assert f"{name.upper()}: It cannot be read. Write it as JSON, as in " in told


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("host", ["https://mail.example.mw", "mail.example.mw/path", "mail.example.mw ", "*", "", "mail.example.mw:port"])
def test_what_is_no_host_is_told_by_its_own_name(set_environment: SetEnvironment, name: str, host: str) -> None:
    told = complaint(set_environment, name, f'["good.example.mw", "{host}"]')
    assert f"{name.upper()}: {host!r} is no" in told
    assert "without https://" in told


@pytest.mark.parametrize("name", HOSTS[1:])
def test_hosts_have_a_port_where_only_that_one_is_meant(set_environment: SetEnvironment, name: str) -> None:
    set_environment(**{name: '["mail.example.mw", "mail.example.mw:2525", "10.0.0.7", "::1", "[::1]:2525"]'})
    assert getattr(settings(), name) == ("mail.example.mw", "mail.example.mw:2525", "10.0.0.7", "::1", "[::1]:2525")


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_no_network_is_told(set_environment: SetEnvironment, name: str) -> None:
    # The second has bits beyond what it says its length is: which network is meant, nobody knows.
    for network in ("mail.example.mw", "10.0.0.1/8", "10.0.0.0/33", ""):
        assert f"{name.upper()}: {network!r} is no network" in complaint(set_environment, name, f'["10.20.0.0/16", "{network}"]')
    set_environment(**{name: '["10.20.0.0/16", "fd00::/8"]'})
    assert getattr(settings(), name) == ("10.20.0.0/16", "fd00::/8")
