"""How many payments a second, and what bounds it: real workers, a real database with fsync on, a biller that takes its time. `make bench`."""
