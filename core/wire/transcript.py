"""What is kept of a conversation: all of it that a person may read, and nothing that opens a door."""

import base64
import html
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

from core.wire.contract import Terms

MASK = "***"

# Text kept of one body. A page of evidence is wanted, not a copy of an attack.
LONGEST_BODY = 64 * 1024

ALWAYS_MASKED = frozenset(
    {
        "apikey", "api-key", "api_key", "x-api-key", "authorization", "proxy-authorization", "cookie", "set-cookie", "credentials",
        "password", "passwd", "passcode", "pin", "secret", "client_secret", "token", "access_token", "refresh_token",
    }
)  # fmt: skip

# Who we are is no secret, and a short user name would blot out half of a transcript.
NOT_SECRET = frozenset({"username", "user", "sender_msisdn", "sender_user_id"})

# However a field's name begins that ends like this, it is one.
NAME_ENDINGS = ("password", "secret")

# A shorter secret occurs everywhere by chance; it is masked by its element's name only.
SHORTEST_SECRET = 4

# A vended token is cash. It has an element of its own, and services like to repeat it in a sentence for the customer.
_VENDED = re.compile(r"(token[^0-9]{0,40})([0-9]{4}(?:[ -]?[0-9]{4}){4})(?![0-9])", re.IGNORECASE)
_USERINFO = re.compile(r"(://)[^/@\s]+@")
# No answer sells more; bounds the passes over a hostile body.
MOST_VENDED = 8

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Transcript:
    """Masked text of what was said and, if anything came, of what was answered."""

    request: str
    response: str | None = None

    def __str__(self) -> str:
        return self.request if self.response is None else f"{self.request}\n\n{self.response}"


class Masker:
    """Blots out named fields and known secret values, in whatever text."""

    def __init__(self, terms: Terms, masked: Collection[str] = ()) -> None:
        self._names = frozenset(name.casefold() for name in masked) | ALWAYS_MASKED
        # A text in which none of these occurs has no named field to blot out.
        self._signs = (*self._names, *NAME_ENDINGS)
        self._secrets = _spellings(terms.credentials)

    def message(self, first_line: str, headers: Iterable[tuple[str, str]], body: bytes) -> str:
        """A whole message as text. Never raises: a transcript must not stand between an answer and its reader."""
        try:
            pairs = list(headers)
            head = [self.text(first_line), *(self._header(name, value) for name, value in pairs)]
            content_type = next((value for name, value in pairs if name.casefold() == "content-type"), "")
            return "\n".join(head) + ("\n\n" + self._body(body, content_type) if body else "")
        except Exception as error:  # noqa: BLE001 - see above; the type says enough to find the defect
            return f"[transcript failed: {type(error).__name__}]"

    def text(self, text: str) -> str:
        if self._may_name_a_secret(text):
            text = _without_tokens(text)
            for pattern, replacement in _patterns(self._names):
                text = pattern.sub(replacement, text)
        if "@" in text:
            text = _USERINFO.sub(rf"\g<1>{MASK}@", text)
        for secret in self._secrets:
            text = secret.sub(MASK, text) if isinstance(secret, re.Pattern) else text.replace(secret, MASK)
        # PostgreSQL's text has no NUL.
        return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")

    def _may_name_a_secret(self, text: str) -> bool:
        """False where the patterns could match nothing. Letters beyond ASCII have several lower cases: there the patterns themselves are asked."""
        lower = text.lower()
        return not text.isascii() or any(sign in lower for sign in self._signs)

    def _header(self, name: str, value: str) -> str:
        return f"{name}: {MASK if name.casefold() in self._names else self.text(value)}"

    def _body(self, body: bytes, content_type: str) -> str:
        text = _decoded(body, content_type)
        if text is None:
            return f"[{len(body)} bytes that are not text, beginning {body[:16].hex(' ')}]"
        # Masked before it is cut, or a secret across the border would survive by half.
        text = self.text(text)
        return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}\n[cut: {len(text)} characters in all]"


def _without_tokens(text: str) -> str:
    """Each vended token goes wherever it is repeated, in one piece or in groups."""
    sold = {re.sub("[ -]", "", found) for _, found in _VENDED.findall(text)}
    text = _VENDED.sub(rf"\g<1>{MASK}", text)
    for token in sorted(sold)[:MOST_VENDED]:
        text = re.sub("[ -]?".join(token), MASK, text)
    return text


def _decoded(body: bytes, content_type: str) -> str | None:
    charset = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9._-]+)", content_type)
    encodings = [encoding for bom, encoding in _BOMS if body.startswith(bom)][:1] or ([charset[1]] if charset else []) + ["utf-8"]
    for encoding in encodings:
        try:
            text = body.decode(encoding)
        except (LookupError, ValueError):
            continue
        # UTF-16 taken for UTF-8 is "readable" too, with a NUL between any two letters, and no name would be recognised in it.
        if "\x00" not in text:
            return text
    return None


def _spellings(credentials: Mapping[str, str]) -> tuple[re.Pattern[str] | str, ...]:
    """Each secret as it may appear: bare, escaped for XML or JSON, in a query, in base64, in a Basic header. Longest first."""
    found: set[str] = set()
    for key, value in credentials.items():
        if key.casefold() in NOT_SECRET or len(value) < SHORTEST_SECRET:
            continue
        found |= {value, html.escape(value), html.escape(value, quote=False), json.dumps(value)[1:-1], quote(value, safe=""), quote(value), quote_plus(value)}
        for before in ("", *(f"{other}:" for other in credentials.values())):
            found |= {
                base64.b64encode((before + value).encode()).decode().rstrip("="),
                base64.urlsafe_b64encode((before + value).encode()).decode().rstrip("="),
            }
    # Percent-encoding may be written in either case.
    return tuple(re.compile(re.escape(one), re.IGNORECASE) if "%" in one else one for one in sorted(found, key=len, reverse=True))


@lru_cache(maxsize=64)
def _patterns(names: frozenset[str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """By shape and not by parsing: a garbled body must be masked as surely as a good one. Where an end is missing, all the rest goes."""
    name = "(?:" + "|".join(re.escape(one) for one in sorted(names, key=len, reverse=True)) + f"|[A-Za-z0-9_.-]*(?:{'|'.join(NAME_ENDINGS)}))"
    prefix = r"(?:[A-Za-z_][A-Za-z0-9_.-]*:)?"
    element = rf"((?:<|&lt;){prefix}{name}(?:\s[^<>]*?)?(?<!/)(?:>|&gt;)).*?(?=(?:</|&lt;/){prefix}{name}\s*(?:>|&gt;)|\Z)"
    attribute = rf"(\s{prefix}{name}\s*=\s*)(?:\"[^\"]*\"?|'[^']*'?)"
    key = rf"(\\?[\"']{name}\\?[\"']\s*:\s*)(?:\\?\"(?:\\.|[^\"\\])*\"?|'[^']*'?|[\[{{].*|[^,}}\]\s]+)"
    parameter = rf"((?:[?&;]|&amp;|^){name}=)[^&\s\"'<>]*"
    flags = re.IGNORECASE | re.DOTALL
    return (
        (re.compile(element, flags), rf"\g<1>{MASK}"),
        (re.compile(attribute, flags), rf'\g<1>"{MASK}"'),
        (re.compile(key, flags), rf'\g<1>"{MASK}"'),
        (re.compile(parameter, flags | re.MULTILINE), rf"\g<1>{MASK}"),
    )
