"""What the gateways of the demo are told: one that goes to the centre itself, a site's and a hub's."""

from __future__ import annotations

from pathlib import Path

from gateway.demo import centre, console
from gateway.demo.pki import Endpoint

DESTINATION = "oncology"
SITE = "clinic"  # as its certificate and the hub have it

# Only the waits differ from a real one: a person is watching.
_GATEWAY = """\
# Written by `dicom-gateway demo`.
[gateway]
name = "{name}"
ae_title = "{title}"
state_dir = "state"

[operator]
socket = "{socket}"

[delivery.link_backoff]
base = "200 ms"
ceiling = "1 s"

[delivery.object_backoff]
base = "200 ms"
ceiling = "1 s"

"""

_CONSOLE = """\
[[listener]]
name = "console"
address = "127.0.0.1"
port = 0

"""

_PAGE = """\
[admin]
address = "{address}"
port = {port}
state_dir = "page"

"""

_ROUTE = """\
[[route]]
called = "{centre}"
to = ["{destination}"]

"""


def _tls(tls: Endpoint) -> str:
    return f'{{ certificate = "{tls.certificate}", key = "{tls.key}", ca = "{tls.ca}" }}'


def _route() -> str:
    return _ROUTE.format(centre=centre.AE_TITLE, destination=DESTINATION)


def _centre(port: int, tls: Endpoint) -> str:
    return f"""\
[[peer]]
name = "{DESTINATION}"
ae_title = "{centre.AE_TITLE}"
host = "127.0.0.1"
port = {port}
tls = {_tls(tls)}

"""


def direct(socket: Path, *, port: int, tls: Endpoint, page: tuple[str, int]) -> str:
    """Return the configuration of a gateway that finds the centre on `port`."""
    return (
        _GATEWAY.format(name="demo", title="GATEWAY", socket=socket)
        + _CONSOLE
        + _centre(port, tls)
        + _route()
        + _PAGE.format(address=page[0], port=page[1])
    )


def site(socket: Path, *, hub: str, tls: Endpoint, page: tuple[str, int]) -> str:
    """Return the configuration of a site's gateway that finds its hub at `hub`, host and port."""
    return (
        _GATEWAY.format(name=SITE, title="GATEWAY", socket=socket)
        + _CONSOLE
        + f"""\
[link]
hub = "{hub}"
tls = {_tls(tls)}

[[peer]]
name = "{DESTINATION}"
ae_title = "{centre.AE_TITLE}"
via = "hub"

"""
        + _route()
        + _PAGE.format(address=page[0], port=page[1])
    )


def hub(socket: Path, *, listen: str, port: int, tls: Endpoint) -> str:
    """Return the configuration of a hub that takes the site at `listen` and finds the centre on `port`."""
    return (
        _GATEWAY.format(name="hub", title="HUB", socket=socket)
        + f"""\
[link]
listen = "{listen}"
tls = {_tls(tls)}

[[site]]
name = "{SITE}"
calls = ["{centre.AE_TITLE}"]
calling = ["{console.AE_TITLE}"]

"""
        + _centre(port, tls)
        + _route()
    )
