"""The proof that no bill is paid twice and none is lost, whatever breaks: real workers, a real biller, a real database, and things that go wrong.

oracle          the judge: reads the biller's ledger and the database by itself
harness         the world: a database, a sandbox, workers that can be killed, and operators who pay
mortal_worker   a worker that kills itself at a chosen point
campaign        many payments, random faults, many deaths, one judgement
"""
