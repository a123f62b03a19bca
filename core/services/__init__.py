"""Verbs with an actor and a permission. A service owns the unit of work and the order of things."""
