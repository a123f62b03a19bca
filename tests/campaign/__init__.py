"""The proof that no bill is paid twice and none is lost, whatever breaks: real workers, a real biller, a real database, and things that go wrong.

evidence        what the judge judges by: the ledgers as files, the rows by plain SQL
oracle          the judge: whether both tell the same
harness         the world: a database, a sandbox, workers that can be killed, and operators who pay
city            every biller of it, in every topology, with core banking
mortality       where a worker may die
mortal_worker   a worker that does
crowd           operators at their counters, as a process
nursery         where workers and operators are born in milliseconds
campaign        many payments, random faults, many deaths
figures         what a campaign must have had, and its table
"""
