"""The rules of a payment: what the database refuses, what an answer means, and what services do with it. No biller and no worker process here."""
