"""Who can open the page: said in the terminal before it is served to more than this machine."""

import ipaddress
import socket

__all__ = ["is_this_machine", "who_can_open"]

_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not chosen
_NAMES = ("localhost",)
_OUTSIDE = ("192.0.2.1", 9)  # an address for documentation: nothing is sent there


def is_this_machine(host: str) -> bool:
    """Whether an address to serve on is one that nobody else can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _NAMES


def who_can_open(host: str, port: int, base_path: str = "") -> str:
    """What it means to serve on an address that others can reach.

    Args:
        host: the address.
        port: the port.
        base_path: path under which a proxy serves the page.
    """
    address = _own_address() if host in _ANY else host
    shown = f"[{address}]" if ":" in address else address
    path = base_path.strip("/")
    return (
        f"gradinv: everybody who can reach this machine can open the page, without a password, at "
        f"http://{shown}:{port}/{path + '/' if path else ''}\n"
        "gradinv: photos that they choose come to this machine, stay in its memory for their tab, and are not stored.\n"
        "gradinv: browsers give the camera to https pages only; put a proxy with a certificate in front (see README).\n"
    )


def _own_address() -> str:
    """The address by which the local network knows this machine, as far as it can tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_OUTSIDE)
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
