"""The full screen of an approver: what waits for them, opened and answered one by one."""
