"""The inbox as a web page: `/inbox`, for approvers without a terminal.

A page lives in a browser, where other pages try to act in its user's name. So it has routes of its own beside those of
the API: they take a session in the place of a key, and nothing that did not come from the page itself.
"""
