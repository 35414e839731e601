"""What a vendor answered, as obstore's errors tell it: they have no fields, so it is in the text.

`Generic S3 error: Error performing GET https://... in 2ms - Server returned non-2xx status code: 503 Service
Unavailable: <body>`. The address is before it and has no blanks, so that no key is taken for a status.
Source: apache/arrow-rs-object-store, src/client/retry.rs, RequestError.
"""

from __future__ import annotations

import re

_STATUS = re.compile(r" Server returned non-2xx status code: (\d{3})\b")


def status_of(error: BaseException) -> int:
    """0 where there was no answer, or none of a fault."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def has_code(error: BaseException, code: str) -> bool:
    """Whether the answer's body, XML, has that code for the fault."""
    return f"<Code>{code}</Code>" in str(error)
