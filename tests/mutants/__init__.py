"""Twelve ways to lose a bank's money, put back on purpose: each must be noticed by a test, or the tests prove nothing."""
