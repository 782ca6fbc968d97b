"""The algorithm of new password hashes."""

from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher

MAX_AT_ONCE = 2  # in a process; others wait


class Argon2(Argon2PasswordHasher):
    """Argon2id with parameters that OWASP recommends: 46 MiB, one pass.

    Django's 100 MiB would let a few sign-ins at once fill a small machine. With less than 32 MiB
    the allocator of glibc would keep the memory of each thread.
    """

    time_cost = 1
    memory_cost = 47_104  # KiB
    parallelism = 1

    room = BoundedSemaphore(MAX_AT_ONCE)

    def encode(self, *args: Any, **options: Any) -> str:
        with self.room:
            return super().encode(*args, **options)

    def verify(self, *args: Any, **options: Any) -> bool:
        with self.room:
            return super().verify(*args, **options)
