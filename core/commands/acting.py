"""In whose name a command acts that is a person's to give: its API token's owner, with the rights that the token has. Never as the machine's operator."""

from pathlib import Path

from core import db, logs
from core.access import Actor
from core.errors import BadInput, NotAllowed
from core.services import api_tokens
from core.settings import Part, api_token, settings

WITHOUT_ONE = "This is done in a person's name. Put their API token into BILLERS_TOKEN, or into a file that --token-file names; they make one under My account."
OPENS_NOTHING = "This token opens nothing: it was revoked, its time is over, or its owner may not sign in any more. Make a new one under My account."


def whose(token_file: Path | None) -> Actor:
    """Who the token acts as. From here on this process asks the database as the console does: it may do no more than the console could.

    Raises `BadInput` without a token, `NotAllowed` for one that opens nothing.
    """
    db.act_as(Part.WEB)
    # What goes well is in the answer: a script's standard error is for what does not.
    logs.configure("WARNING", settings().billers_log_format)
    token = _in_file(token_file) if token_file else api_token()
    if not token:
        raise BadInput(WITHOUT_ONE)
    actor = api_tokens.actor_of_token(token)
    if actor is None:
        raise NotAllowed(OPENS_NOTHING)
    return actor


def _in_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"{path} cannot be read. Check its name, and that this user may read it.") from None
