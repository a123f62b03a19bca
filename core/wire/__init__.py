"""Speaking to billers: what is said (contract), how it is dressed (soap), how it travels (line), what is kept of it (transcript)."""
