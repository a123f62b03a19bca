"""The billers we test against: a real HTTP server on loopback, in its own process, that shares no code with the console.

    python -m core.sandbox --port 8601 --control-port 8602 --dir DIR

    billers         the table of who is served, one module each: lwb_postpaid, bwb_postpaid, srwb_postpaid, srwb_prepaid, masm,
                    register_general, tnm_bundles, airtel_validation
    serving         what such a module tells: code, credentials, dialects, trade
    soap, esb,      how they speak: one module per dialect, pure (request → Ask, Answer → reply)
    erecharge, rest
    documents       XML and JSON as bytes
    sign_in         how a client shows who it is
    words           Ask and Answer, what dialects translate from and to
    trade           invoices, tokens, bundles, kinds of accounts
    accounts        seeds/sandbox.toml: which account numbers exist and how each behaves
    behaviours      the table behaviour → what looking up and paying do
    teller          what a biller does when asked: pay, accept, refuse, de-duplicate, reverse, invoice, tell
    book, journal   what it did, durable before the reply leaves
    statements      a day of a biller as its office would send it, from its own ledger
    replay          a biller that has no module: dialect and teller of its recordings
    recordings      reads them: which one a request is most like, and its reply with our values
    faults          the table fault → does it act, what it says, how the bytes travel
    delivery        how bytes travel: reset, drip, bomb, silence
    chance          which call gets which fault
    t24             the bank's core banking beside the billers: its dialect; with t24_accounts, t24_book (a ledger of its own) and t24_teller
    desk            one request to one biller, from bytes to bytes
    messages        HTTP/1.1, as little as is needed
    control         the port that sets faults and settings
    server          the two listening sockets

Another biller needs nothing here: its recordings are replayed. One that shall also misbehave by account number is a module beside `lwb_postpaid`, a line
in `billers`, and its accounts in seeds/sandbox.toml.
"""
