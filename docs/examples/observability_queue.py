"""Records that a thread of its own writes, so that no call waits for a disk or a network."""

import logging
from logging.handlers import QueueHandler, QueueListener
from queue import Queue

from allowly_middleware.observability import JsonFormatter, LogObserver

written = logging.FileHandler("audit.jsonl", delay=True)
written.setFormatter(JsonFormatter())
queue: Queue[logging.LogRecord] = Queue(10_000)
listener = QueueListener(queue, written)
audit = logging.getLogger("mail.audit")
audit.setLevel(logging.INFO)
audit.addHandler(QueueHandler(queue))
observer = LogObserver(audit)
