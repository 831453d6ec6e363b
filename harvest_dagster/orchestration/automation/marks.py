"""What a sensor remembers of many sources, a few bytes for each: Dagster copies the cursor into every tick's row."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

# Of a thousand sources, one that was not noted is taken for one that was once in four million times.
_BYTES = 4


@dataclass(frozen=True)
class Marks:
    """Texts that were noted. They are recognized, and cannot be listed."""

    digests: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Marks":
        """These."""
        return cls(frozenset(map(_digest, texts)))

    @classmethod
    def read(cls, text: str | None) -> "Marks":
        """From a cursor; none where somebody set it to something else."""
        try:
            read = base64.b85decode(text or "")
        except ValueError:
            return cls()
        return cls(frozenset(read[start : start + _BYTES] for start in range(0, len(read), _BYTES)))

    def __str__(self) -> str:
        return base64.b85encode(b"".join(sorted(self.digests))).decode()

    def __contains__(self, text: str) -> bool:
        return _digest(text) in self.digests


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=_BYTES).digest()
