"""Mail is handed to the server that was meant: at the address that was checked, under the name that its certificate proves."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from core.wire.destination import LinePolicy
from core.wire.mail import MailServer, Security, opened
from core.wire.notice import TOLD, OutOfReach
from tests.notifications.receivers import MailHost
from tests.wire.conftest import Certificates

CHECKED, INSIDE = "127.0.0.1", "127.0.0.2"
NAME = "mail.example.mw"


@contextmanager
def listening(host: MailHost, address: str, **more: Any) -> Iterator[None]:
    controller = Controller(host, hostname=address, port=host.port, **more)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def send(server: MailServer, policy: LinePolicy) -> bool:
    with opened(server, policy) as post:
        return post.send("0198", "ops@bank.example.mw", "A test", "Nothing happened.").taken


def test_a_name_that_moves_inside_after_it_was_checked_is_spoken_to_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    meant, inside, asked, really = MailHost(), MailHost(), [], socket.getaddrinfo
    inside.port = meant.port
    answers = iter([CHECKED, INSIDE, INSIDE])

    def resolve(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        try:
            ip_address(host)
        except ValueError:
            asked.append(host)
            return really(next(answers), port, *more, **named)
        return really(host, port, *more, **named)

    policy = LinePolicy(allowed_hosts=[NAME], allowed_networks=[f"{CHECKED}/32"])
    with listening(meant, CHECKED), listening(inside, INSIDE):
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        server = MailServer(NAME, meant.port, Security.NONE, "billers@bank.example.mw")
        assert send(server, policy)
        assert (asked, len(meant.letters), inside.letters) == ([NAME], 1, [])
        with pytest.raises(OutOfReach, match="may not be called"):
            send(server, policy)
    assert (len(meant.letters), inside.letters) == (1, [])


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_server_proves_by_certificate_that_it_has_the_name(security: Security, certificates: Certificates) -> None:
    policy = LinePolicy(allowed_hosts=["localhost"], allowed_networks=["127.0.0.0/8", "::1/128"], ca_bundle=certificates.ca)
    for kind, is_believed in (("good", True), ("wrong host", False), ("address only", False), ("self-signed", False)):
        host, context = MailHost(), certificates.server(kind)
        more: dict[str, ssl.SSLContext] = {"ssl_context": context} if security is Security.TLS else {"tls_context": context}
        with listening(host, CHECKED, **more):
            server = MailServer("localhost", host.port, security, "billers@bank.example.mw")
            if is_believed:
                assert send(server, policy)
            else:
                with pytest.raises(OutOfReach) as refused:
                    send(server, policy)
                assert str(refused.value) == TOLD["tls_failed"]
        assert len(host.letters) == is_believed
