"""Paper: what is handed to a customer or kept with a till. Takes plain words, knows layout, asks nobody anything."""
