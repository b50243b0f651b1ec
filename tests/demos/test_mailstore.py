"""The demo's mailboxes, under deliveries at once."""

import threading
from pathlib import Path

from allowly_demos.mailstore import MailStore


def test_the_first_deliveries_to_a_mailbox_all_arrive_when_they_come_at_once(tmp_path: Path) -> None:
    for round_ in range(30):
        store, start = MailStore(tmp_path / str(round_)), threading.Barrier(8)

        def deliver(number: int, store: MailStore = store, start: threading.Barrier = start) -> None:
            start.wait(timeout=10)
            store.deliver("ada@example.com", f"mail {number}", "Hello")

        threads = [threading.Thread(target=deliver, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)

        assert [mail.subject for mail in store.read("ada@example.com")] == [f"mail {number}" for number in range(8)]
