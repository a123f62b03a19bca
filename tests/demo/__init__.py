"""The demonstration: ninety days of business that never was."""
