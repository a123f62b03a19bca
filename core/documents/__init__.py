"""What is handed on: to a customer, with a till, to a manager; on paper, as a workbook, as text. Takes words and figures, knows layout, asks nobody anything."""
