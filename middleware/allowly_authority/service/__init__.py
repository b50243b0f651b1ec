"""What the authority does, free of HTTP: each request of the API as one transaction."""
