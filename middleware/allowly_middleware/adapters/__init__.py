"""One thin module per server framework: it turns a request into facts, and a verdict into a result."""
