"""Whether an address is this machine's: only there may a client speak without TLS."""

from __future__ import annotations

from ..errors import ConfigError


def is_local(address: str, what: str) -> bool:
    """Whether it is this machine's, by plain HTTP. Raises ConfigError where plain HTTP would leave the machine; `what`
    names the address to the user."""
    scheme, _, rest = address.partition("://")
    if scheme == "https":
        return False
    host = rest.partition("/")[0].rpartition("@")[2]
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    is_number = host.startswith("127.") and host.replace(".", "").isdigit()
    if scheme != "http" or not (host in ("localhost", "[::1]") or is_number or host.endswith(".localhost")):
        raise ConfigError(f"the {what} {address} has no TLS and is not this machine's: use https://")
    return True
