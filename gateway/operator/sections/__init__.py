"""The parts of the operator API that stand by themselves: one file each.

A section's file has everything of it that leaves the daemon: the facts (frozen dataclasses), the port (what
it needs of the daemon, as a Protocol), its route table, and the class that answers. app.py builds the
sections; the rooms behind the ports know nothing of HTTP.
"""

from __future__ import annotations

from gateway.operator.routes import ROUTES, Route
from gateway.operator.section import Section
from gateway.operator.sections.audit import AuditSection
from gateway.operator.sections.certificates import CertificatesSection
from gateway.operator.sections.configuration import ConfigurationSection
from gateway.operator.sections.logs import LogsSection
from gateway.operator.sections.path_test import PathTestSection
from gateway.operator.sections.peers import PeersSection
from gateway.operator.sections.queue import QueueSection
from gateway.operator.sections.records import RecordsSection
from gateway.operator.sections.store_check import StoreCheckSection
from gateway.operator.sections.trends import TrendsSection

SECTIONS: tuple[type[Section], ...] = (
    AuditSection,
    CertificatesSection,
    ConfigurationSection,
    LogsSection,
    PathTestSection,
    TrendsSection,
    PeersSection,
    QueueSection,
    RecordsSection,
    StoreCheckSection,
)

ALL_ROUTES: tuple[Route, ...] = (*ROUTES, *(route for section in SECTIONS for route in section.routes))
"""Every operation there is."""
