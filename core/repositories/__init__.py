"""Questions about one aggregate each. Every select lives here."""
