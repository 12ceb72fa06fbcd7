"""What the page is set to, as one frozen value made from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway.config import Config
from gateway.config.alerting import Alerts


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """Times are seconds, sizes are bytes."""

    gateway_name: str
    ae_title: str
    socket: Path  # of the operator API
    state_dir: Path  # the page's own folder, not the gateway's
    config_file: Path  # the gateway.toml this process was started with
    address: str = "0.0.0.0"  # noqa: S104 - meant: consoles and laptops of the clinic open the page
    port: int = 8443
    certificate: Path | None = None
    key: Path | None = None
    session_idle: float = 30 * 60.0
    session_max: float = 12 * 3600.0
    max_sessions: int = 64
    language: str = ""  # when the browser names none of ours
    max_upload: int = 64 * 2**20
    max_connections: int = 64
    max_per_address: int = 24
    max_browsers: int = 16  # that are told what happens, as it happens
    answer_timeout: float = 120.0  # for the gateway to answer
    alerts: Alerts = field(default_factory=Alerts)


def admin_settings(config: Config, config_file: Path) -> AdminSettings:
    """Return the settings of the page that `config` describes."""
    admin = config.admin
    return AdminSettings(
        gateway_name=config.gateway.name,
        ae_title=str(config.gateway.ae_title),
        socket=config.operator.socket,
        state_dir=admin.state_dir,
        config_file=config_file,
        address=admin.address,
        port=admin.port,
        certificate=admin.certificate,
        key=admin.key,
        session_idle=admin.session_idle,
        session_max=admin.session_max,
        max_sessions=admin.max_sessions,
        language=admin.language,
        max_upload=admin.max_upload,
        max_connections=admin.max_connections,
        max_per_address=admin.max_per_address,
        max_browsers=admin.max_browsers,
        alerts=config.alerts,
    )
