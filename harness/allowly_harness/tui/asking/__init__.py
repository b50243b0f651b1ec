"""Questions on the full screen: their queue, the cards, the keys that answer them, and how a person is called."""
