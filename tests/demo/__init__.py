"""The demonstration: a year of business that never was."""
