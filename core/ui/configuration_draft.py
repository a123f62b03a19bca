"""What an administrator has typed and not saved yet. It outlives reruns, tabs and other pages of this window; nothing of it is lost on a bad value."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from pydantic import ValidationError

from core.adapters import adapter_for
from core.errors import BadInput
from core.ids import new_id
from core.models.snapshot import Snapshot
from core.services import configuration_rules as rules
from core.services import core_banking, four_eyes
from core.services.configurations import Configuration
from core.services.deployment import line_policy


@dataclass
class Draft:
    """`shown` is the version it began from, 0 for a new configuration. `raw` is JSON that the form cannot show yet."""

    content: dict[str, Any]
    shown: int = 0
    config_id: uuid.UUID | None = None
    base: Mapping[str, Any] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    raw: str | None = None
    # Saving was tried: from then on what is missing is told of, too.
    tried: bool = False
    refusal: str | None = None
    # Why, for whoever decides about what takes two people.
    reason: str = ""
    # Part of each widget's key: content that did not come from the widgets draws them anew.
    serial: str = field(default_factory=lambda: new_id().hex)

    @property
    def is_new(self) -> bool:
        return self.config_id is None

    @property
    def is_changed(self) -> bool:
        return self.raw is not None or bool(self.credentials) or self.content != self.base

    def get(self, path: str) -> Any:
        value: Any = self.content
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def put(self, path: str, value: Any) -> None:
        *way, last = path.split(".")
        place = self.content
        for name in way:
            place = place.setdefault(name, {})
        if value is None and way and way[0] in ("endpoints", "features"):
            place.pop(last, None)
        else:
            place[last] = value

    @property
    def written(self) -> dict[str, Any]:
        """What would be saved. Raises `BadInput` where the JSON cannot even be read."""
        return self.content if self.raw is None else rules.read_json(self.raw)

    def takes_two(self, configuration: Configuration | None) -> dict[str, str]:
        """Of what was typed, the fields that a second person decides about, each with what it decides. None of a draft that nobody approved yet."""
        if configuration is None or not configuration.is_approved:
            return {}
        try:
            changed = [*rules.differences(self.base, rules.tidy(self.written))]
        except BadInput:
            return {}
        return four_eyes.takes_two([*changed, "authentication"] if self.credentials else changed)

    def complaints(self) -> dict[str, str]:
        """What is wrong, field by field; under no field's path (`json`) what keeps the JSON from being read."""
        try:
            content = self.written
        except BadInput as error:
            return {"json": error.sentence}
        found = {**rules.complaints(content, line_policy(), core_banking=core_banking.is_on()), **rules.credential_complaints(content, self.credentials)}
        if content.get("biller_type") != self.content["biller_type"]:
            found["biller_type"] = f"The biller cannot be changed here: it is {self.content['biller_type']}. Make another configuration for another biller."
        return found

    def take_json(self, text: str) -> None:
        """JSON that has the shape of a configuration becomes the form's content; any other stays as it was typed."""
        self.raw = text
        try:
            content = rules.read_json(text)
            shaped = Snapshot.model_validate(rules.tidy(content))
        except (BadInput, ValidationError):
            return
        if shaped.biller_type == self.content["biller_type"] and not any(
            "Remove it" in one for one in rules.complaints(content, line_policy(), core_banking=core_banking.is_on()).values()
        ):
            self.content, self.raw = shaped.model_dump(mode="json"), None
            self.serial = new_id().hex

    @property
    def moved(self) -> bool:
        """The host is another one than the stored credentials were saved for."""
        return not self.is_new and rules.origin_of(str(self.content.get("base_url", ""))) != rules.origin_of(str(self.base.get("base_url", "")))


def draft_of(configuration: Configuration) -> Draft:
    """The draft of this configuration in this window; a fresh one where there is none, or where it holds nothing and something newer was saved."""
    key = f"configuration-{configuration.id}"
    kept = st.session_state.get(key)
    if kept is None or (kept.shown != configuration.version and not kept.is_changed):
        st.session_state[key] = kept = _of(configuration)
    return kept


def drop(draft: Draft) -> None:
    st.session_state.pop(f"configuration-{draft.config_id or 'new'}", None)


def new_draft(biller_type: str) -> Draft:
    """What a new configuration of this biller begins with; another biller begins anew."""
    kept = st.session_state.get("configuration-new")
    if kept is None or kept.content["biller_type"] != biller_type:
        adapter = adapter_for(biller_type)
        snapshot = Snapshot(biller_type=biller_type, biller_name="", display_name="", base_url="", endpoints={}, dialect=adapter.dialects[0])
        content = snapshot.model_dump(mode="json")
        content[rules.RULES]["amount_max"] = "1000000.00"
        st.session_state["configuration-new"] = kept = Draft(content, base=_copy(content))
    return kept


def _of(configuration: Configuration) -> Draft:
    return Draft(configuration.content, configuration.version, configuration.id, base=configuration.content)


def _copy(content: dict[str, Any]) -> dict[str, Any]:
    return rules.read_json(rules.as_json(content))
