"""The pages, in the order of the menu. One file each; its templates are in templates/<name>/."""

from __future__ import annotations

from gateway.admin.page import Page
from gateway.admin.pages import (
    alerts,
    audit,
    certificates,
    configuration,
    front,
    home,
    install,
    link,
    logs,
    peers,
    queue,
    support,
    system,
)

PAGES: tuple[Page, ...] = (
    front.PAGE,
    home.PAGE,
    queue.PAGE,
    link.PAGE,
    peers.PAGE,
    alerts.PAGE,
    install.PAGE,
    certificates.PAGE,
    configuration.PAGE,
    logs.PAGE,
    audit.PAGE,
    system.PAGE,
    support.PAGE,
)
