"""Limits that several processes of one server share through Redis."""

import os

from allowly_middleware.limits import Limits, RedisStore, SlidingWindow, TokenBucket, for_everyone
from allowly_middleware.pipeline import Pipeline

store = RedisStore.from_url(os.environ["REDIS_URL"], prefix="{mail:limits}:")
limits = Limits(
    [
        SlidingWindow(30, 60, name="calls of one subject"),
        TokenBucket(1000, 60, burst=200, key=for_everyone, name="calls of everybody"),
    ],
    store=store,
)
pipeline = Pipeline("mail", limits=limits)
