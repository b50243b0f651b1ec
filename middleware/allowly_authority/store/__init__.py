"""Where the authority keeps what must outlive it: one SQLite database, one transaction per change."""
