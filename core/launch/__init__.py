"""How Billers is brought up on one machine: the embedded database, and the processes around it."""
