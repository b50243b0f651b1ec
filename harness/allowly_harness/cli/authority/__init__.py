"""`allowly-harness authority`: a server of the authorization API, and what its operator does with it."""
