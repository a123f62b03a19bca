"""Core banking: the customer's account, debited before a biller is paid and given back where the biller is proven unpaid. Said and read here, never sent."""
