"""A day at the bank: many payments to seven billers while calls go wrong, a worker dies and the mail server is away; then people close it at their browsers.

plan       how many payments, and what is to go wrong with which of them
bank       the world: billers, workers, the console as a program of its own, its people, and whoever is told of what happens
office     a biller's office, which sends the statement of its day, with the mistakes that offices make
people     somebody at a browser, who does what the console says comes next
day        the day itself, from the first payment to the last signature
reckoning  whether console, ledgers, closes and letters tell the same, and the table of figures
"""
