"""Forms from JSON Schema, without a screen: fields, typed text, values, problems."""
