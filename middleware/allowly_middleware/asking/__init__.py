"""Asking for a confirmation through the client itself, for hosts that know nothing of approvals.

From the protocol of 2026-07-28 on a server may answer a call with a form, and gets the call again with
what a person filled in. Everything here is free of any server framework, and used only where the server's
author has turned it on.
"""
