"""The parts of the main screen. Each draws one thing, says what was done with it, and knows no other."""
