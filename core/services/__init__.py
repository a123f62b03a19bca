"""Verbs with an actor and a permission. A service owns the unit of work and the order of things."""

# Whoever calls a service is refused on the record.
from core.services import denials as denials
