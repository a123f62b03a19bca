"""Billers, in layer order: each asks those below it, and nobody reaches back.

cli           the `billers` command
commands      what scripts call it for: look up, pay, take files away; what an exit code means
launch        starts and stops everything: embedded database, sandbox, worker, console
ui            what pages share: guard, shell, words, forms
api           the routes beside the pages: session, health; the HTTP API of programs
worker        claim, send, conclude, for as long as it runs
jobs          the program beside the worker: what comes by the clock, and may be done twice
services      verbs with an actor and a permission; they own the unit of work
repositories  questions, one class an aggregate; every select
documents     what is handed on: receipts and the till's day on paper, workbooks, reports in three formats
adapters      the billers and nothing else
banking       core banking: the customer's account, debited before the biller is paid
security      vault, audit chain, passwords, sessions
wire          contract, dialects (SOAP, ESB, REST), what is believed, transcript, and the line: the only socket
models        the tables, and a configuration's version as values
db            engine and unit of work
settings      the environment
access, money, clock, durability, errors, garbage, ids, logs, states      the words: small, pure, depend on nothing

sandbox       stands apart: the biller we test against, with its own ledger
"""
