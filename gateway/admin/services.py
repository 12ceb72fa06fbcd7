"""What app.py built, for the pages to use: one typed attribute each."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admin.access_port import Access
from gateway.admin.alerts.service import Alerts
from gateway.admin.diagnosis import Diagnosis
from gateway.admin.exports.jobs import Exports
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.installing.room import Installing
from gateway.admin.language import Languages
from gateway.admin.live import Live
from gateway.admin.page import Page
from gateway.admin.settings import AdminSettings
from gateway.admin.statics import Statics
from gateway.admin.templating import Templates


@dataclass(frozen=True, slots=True)
class Services:
    """One of each for the whole process."""

    settings: AdminSettings
    gateway: GatewayClient  # speaks in nobody's name; a page uses Visit.gateway
    access: Access
    live: Live
    alerts: Alerts
    diagnosis: Diagnosis
    exports: Exports
    installing: Installing
    languages: Languages
    statics: Statics
    templates: Templates
    pages: tuple[Page, ...]
