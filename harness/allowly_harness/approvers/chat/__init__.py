"""Asking line by line: the chat approver and its parts."""

from allowly_harness.approvers.chat.approver import ChatApprover, describe_pending

__all__ = ["ChatApprover", "describe_pending"]
