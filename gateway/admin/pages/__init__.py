"""The pages, in the order of the menu. One file each; its templates are in templates/<name>/."""

from __future__ import annotations

from gateway.admin.page import Page
from gateway.admin.pages import alerts, front

PAGES: tuple[Page, ...] = (front.PAGE, alerts.PAGE)
