"""Models of the API's bodies: `requests` as the authority reads them, `replies` as the client does."""
