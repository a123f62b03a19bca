"""The HTTP API under `/api/billers`: what the bank's other systems ask, by the same services and rights as the pages.

It is for programs: a request is opened by a token (`Authorization: Bearer`) and by nothing else. The cookie of somebody's session does not open it, so that no
other page can have it used by their browser; it opens the page that describes the API, which only reads. In the order a request meets them:

way_in       who asks, what they accept, what they sent, and what they are told when it goes wrong
reading      JSON that says each thing once
shapes       what is said and answered, as values
asking       the list's filter and the place in it
waiting      a question or a payment under way: how long an answer is waited for
once         a key, and the one thing done under it
transactions, paying, configurations, bank, news      the routes
description  the description of all of it, and the page that shows it
"""
