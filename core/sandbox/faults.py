"""The table of faults: does it act, what does it say, how do the bytes travel. For every operation; one that moves no money differs only in its reply."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from core.sandbox import delivery
from core.sandbox.delivery import Delivery, gzipped
from core.sandbox.messages import Reply, reason
from core.sandbox.sign_in import SIGN_IN
from core.sandbox.words import DUPLICATE, PENDING, SUCCESS, UNLISTED, Acts, Answer

Says = Callable[[Answer], Answer]
Writes = Callable[[Reply], Reply]


def as_it_is(answer: Answer) -> Answer:
    return answer


def as_written(reply: Reply) -> Reply:
    return reply


@dataclass(frozen=True, slots=True)
class Fault:
    """`says` changes the answer, `writes` the reply made of it, `travels` sends that.

    silent    no HTTP reply goes out that anybody could read a status from.
    timed_by  the pace that a `seconds` of the control port stands for.
    drawn     chance may draw it. The others are had by name only: they are account behaviours, and no accident of a wire.
    """

    acts: Acts = Acts.AT_ONCE
    says: Says = as_it_is
    writes: Writes = as_written
    travels: Delivery = delivery.whole
    silent: bool = False
    timed_by: str | None = None
    drawn: bool = True


def page(status: int) -> Writes:
    """A page of some web server between us, where a reply should be."""
    body = f"<html><head><title>{reason(status)}</title></head><body><center><h1>{status} {reason(status)}</h1></center><hr></body></html>\n".encode()
    reply = Reply(status, body, "text/html")
    return lambda _: reply


def sign_in(_: Reply) -> Reply:
    return SIGN_IN


def redirect(_: Reply) -> Reply:
    return Reply(302, b"", "text/html", (("Location", "http://127.0.0.2:1/"),))


def corrupt_gzip(reply: Reply) -> Reply:
    """The header says gzip and the middle is spoilt."""
    good = gzipped(reply)
    middle = len(good.body) // 2
    return replace(good, body=good.body[:middle] + bytes(byte ^ 0xFF for byte in good.body[middle : middle + 8]) + good.body[middle + 8 :])


def wrong_charset(reply: Reply) -> Reply:
    """Declared us-ascii, begun as such, and gone on in UTF-16."""
    kind = reply.content_type.partition(";")[0]
    xml = kind == "text/xml"
    declared = reply.body.find(b"?>\n") + 3 if xml and b"?>\n" in reply.body else 0
    begins = b'<?xml version="1.0" encoding="us-ascii"?>\n' if xml else reply.body[:1]
    rest = reply.body[declared if xml else 1 :].decode("utf-8", "replace").encode("utf-16-be")
    return replace(reply, body=begins + rest, content_type=f"{kind}; charset=us-ascii")


def nul_bytes(reply: Reply) -> Reply:
    """Between elements, or before a member's value."""
    return replace(reply, body=reply.body.replace(b"><", b">\0<").replace(b'":', b'":\0'))


def another_reference(answer: Answer) -> Answer:
    """Somebody else's reference; the account, where the answer has no reference."""
    name = "reference" if "reference" in answer.said else "account"
    right = answer.said.get(name, "")
    return answer.but(**{name: right[:-1] + ("0" if right[-1] != "0" else "1")}) if right else answer


def another_amount(answer: Answer) -> Answer:
    """A kwacha more, in whatever the answer says of money: an amount, what is due, a balance, the price of a bundle."""
    if answer.bundles:
        return replace(answer, bundles=tuple(replace(bundle, price=bundle.price + 1) for bundle in answer.bundles))
    name = "amount" if "amount" in answer.said else "balance"
    right = answer.said.get(name)
    return answer.but(**{name: f"{Decimal(right) + 1:.2f}"}) if right else answer


def twice(answer: Answer) -> Answer:
    return replace(answer, copies=2)


def pending(answer: Answer) -> Answer:
    return answer.but(status=PENDING) if answer.said.get("status") == SUCCESS else answer


def unlisted(answer: Answer) -> Answer:
    return answer.as_fault(UNLISTED, "Something went wrong.")


def duplicate(answer: Answer) -> Answer:
    return answer if answer.fault else answer.as_fault(DUPLICATE, "The reference was used before.")


FAITHFUL = Fault()

FAULTS: Mapping[str, Fault] = {
    # Silence. To know the operation the request is read before it is closed upon; the client cannot tell.
    "close_on_accept": Fault(Acts.NEVER, travels=delivery.nothing, silent=True),
    "act_then_reset": Fault(travels=delivery.reset, silent=True),
    "act_then_close": Fault(travels=delivery.nothing, silent=True),
    "act_then_hang": Fault(travels=delivery.hang, silent=True, timed_by="hang_seconds"),
    "hang_without_acting": Fault(Acts.NEVER, travels=delivery.hang, silent=True, timed_by="hang_seconds"),
    "act_late": Fault(Acts.LATER, travels=delivery.hang, silent=True, timed_by="late_seconds"),
    # A valid reply, delivered badly.
    "drip": Fault(travels=delivery.drip, timed_by="drip_seconds"),
    "truncated_status_line": Fault(travels=delivery.truncated_status_line, silent=True),
    "short_body": Fault(travels=delivery.short_body),
    "endless_chunks": Fault(travels=delivery.endless_chunks),
    "oversized": Fault(travels=delivery.oversized),
    # An error of a server between us.
    "act_then_500": Fault(writes=page(500)),
    "502_after": Fault(writes=page(502)),
    "503_after": Fault(writes=page(503)),
    "504_after": Fault(writes=page(504)),
    "500_without_acting": Fault(Acts.NEVER, writes=page(500)),
    "html_page_200": Fault(Acts.NEVER, writes=page(200)),
    "duplicate_409": Fault(Acts.NEVER, writes=page(409)),
    "status_429": Fault(Acts.NEVER, writes=page(429)),
    "status_401": Fault(Acts.NEVER, writes=sign_in),
    "redirect": Fault(Acts.NEVER, writes=redirect),
    # An answer that must not be believed.
    "fault_unknown_code": Fault(Acts.NEVER, says=unlisted),
    "wrong_reference": Fault(says=another_reference),
    "wrong_amount": Fault(says=another_amount),
    "success_twice": Fault(says=twice),
    "accepted_then_done": Fault(Acts.WHEN_ASKED, says=pending),
    # An answer that cannot be read.
    "gzip_valid": Fault(writes=gzipped),
    "gzip_corrupt": Fault(writes=corrupt_gzip),
    "gzip_bomb": Fault(travels=delivery.gzip_bomb),
    "wrong_charset": Fault(writes=wrong_charset),
    "nul_bytes": Fault(writes=nul_bytes),
    # Account behaviours.
    "slow": Fault(travels=delivery.slowly, timed_by="slow_seconds", drawn=False),
    "accepted_forever": Fault(Acts.ACCEPTS_FOREVER, says=pending, drawn=False),
    "act_then_duplicate": Fault(says=duplicate, drawn=False),
}

DRAWN = tuple(name for name, fault in FAULTS.items() if fault.drawn)
BY_NAME_ONLY = tuple(name for name, fault in FAULTS.items() if not fault.drawn)
