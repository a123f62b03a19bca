"""Operators, workers, billers and the clock, step by step in an order that Hypothesis thinks of; each step is held to what the statuses promise."""
