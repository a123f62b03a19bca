"""What is handed on: to a customer, with a till, to a manager. Takes words and figures, knows layout, asks nobody anything."""
