"""What keeps secrets secret, sign-ins honest and history unchanged: the vault, passwords, sessions, the audit chain."""
