"""Every attack that is tried on the console, by name, and the file that tries it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attack:
    """`file` stands in this directory. `recorded`: the refusal has to leave a line in the audit record or the log, and a test names it."""

    title: str
    file: str
    recorded: bool = False


ATTACKS: Mapping[str, Attack] = {
    "xxe": Attack("XML external entities", "test_xml.py"),
    "entity-bomb": Attack("XML entities that unfold to gigabytes", "test_xml.py"),
    "size-bomb": Attack("answers that are too long, too deep, or packed", "test_xml.py"),
    "xml-injection": Attack("elements smuggled into a request by an account number", "test_xml.py"),
    "ssrf-spellings": Attack("SSRF, the inside written in twenty ways", "test_ssrf.py"),
    "ssrf-rebinding": Attack("SSRF by a name that answers differently the second time", "test_ssrf.py"),
    "ssrf-redirect": Attack("SSRF by a biller's redirect", "test_ssrf.py"),
    "credential-exfiltration": Attack("credentials sent to a stranger by a changed base URL", "test_configuration.py", recorded=True),
    "html-injection": Attack("HTML in a name, in a browser", "test_screen.py"),
    "markdown-injection": Attack("markdown in a name, in a browser", "test_screen.py"),
    "latex-injection": Attack("LaTeX in a name, in a browser", "test_screen.py"),
    "plotly-injection": Attack("markup in a chart's labels, in a browser", "test_screen.py"),
    "csv-formulas": Attack("formulas in an exported file", "test_audit.py"),
    "sql-injection": Attack("SQL in what is searched for", "test_audit.py"),
    "like-injection": Attack("wildcards in what is searched for", "test_audit.py"),
    "redos": Attack("a pattern of accounts that never ends", "test_configuration.py"),
    "header-injection": Attack("lines smuggled into headers", "test_door.py"),
    "json-duplicate-keys": Attack("a key of a JSON object said twice", "test_configuration.py"),
    "json-unknown-keys": Attack("a key of a JSON object that nobody knows", "test_configuration.py"),
    "mass-assignment": Attack("fields written that the form does not have", "test_configuration.py"),
    "idor": Attack("somebody else's record by `?id=`", "test_people.py", recorded=True),
    "role-change": Attack("a right kept by an open page after it was taken away", "test_proof.py", recorded=True),
    "session-fixation": Attack("a session that an attacker chose", "test_proof.py"),
    "session-replay": Attack("a cookie replayed after signing out, in an open websocket", "test_proof.py"),
    "open-page": Attack("the page that somebody has open who was disabled, in a browser", "test_proof.py"),
    "page-bypass": Attack("a page without the front door, on a fresh server", "test_proof.py"),
    "brute-force": Attack("passwords tried until one fits", "test_people.py", recorded=True),
    "time-enumeration": Attack("who exists, told by the time an answer takes", "test_people.py"),
    "ciphertext-swap": Attack("a sealed secret moved to another row", "test_vault.py"),
    "log-injection": Attack("lines forged in the log", "test_logs.py", recorded=True),
    "upload-bomb": Attack("uploads that fill memory and disk", "test_door.py"),
    "websocket-origin": Attack("a websocket opened by another site's page", "test_door.py"),
    "anonymous-websockets": Attack("websockets of nobody, held open by the hundred", "test_door.py"),
    "flood": Attack("requests without end from one address", "test_door.py"),
    "foreign-host": Attack("the console under another name (DNS rebinding of a browser)", "test_door.py"),
    "frame": Attack("the console in another site's frame, in a browser", "test_frame.py"),
}
