"""The configuration as frozen values: the sections that say who talks to whom, and the whole.

A field's annotation carries its kind (what is allowed) and its Doc (what it means); the default is the
field's. The reference and the problems are made from these. Limits and timeouts are in limits.py, logging,
metrics and the operator socket in operations.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from gateway.config.administration import Admin
from gateway.config.alerting import Alerts
from gateway.config.auditing import Audit
from gateway.config.budgeting import DataBudget
from gateway.config.dicomweb import DicomWeb
from gateway.config.kinds import (
    HOST,
    NAME,
    Address,
    Choice,
    Doc,
    Duration,
    FileName,
    Flag,
    IPNetwork,
    Network,
    PriorityName,
    Title,
    Whole,
)
from gateway.config.limits import Delivery, Limits, Spool, Timeouts
from gateway.config.linking import Link, Site
from gateway.config.operations import Log, Metrics, Operator
from gateway.config.problems import Problem
from gateway.config.relaying import Commitment, ProcedureSteps, Relay
from gateway.config.scrubbing import Scrub
from gateway.config.section import Section
from gateway.config.shaping import Traffic
from gateway.config.sop_class_key import SopClass
from gateway.model import AETitle, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway(Section):
    """Who this gateway is, and where it keeps what it must not lose."""

    name: Annotated[str, NAME, Doc("Name of this gateway in logs, metrics and on the status page.")]
    ae_title: Annotated[
        AETitle, Title(), Doc("Our own AE title: a C-ECHO to it is answered here, and we call peers with it.")
    ]
    state_dir: Annotated[
        Path,
        FileName(),
        Doc("Folder for the spool. It must be on a disk that keeps its promises about fsync."),
    ] = Path("/var/lib/dicom-gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls(Section):
    """TLS on a listener. Both sides show a certificate; whoever connects must chain to `ca`."""

    certificate: Annotated[Path, FileName(), Doc("Our certificate in PEM, followed by its intermediates.")]
    key: Annotated[Path, FileName(), Doc("Private key of the certificate in PEM, without a passphrase.")]
    ca: Annotated[Path, FileName(), Doc("Certificates of the authorities we trust for the other side, PEM.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTls(ListenerTls):
    """TLS towards a peer. Both sides show a certificate; the peer's must chain to `ca`."""

    server_name: Annotated[
        str | None, HOST, Doc("Name the peer's certificate must carry, when it is not the peer's `host`.")
    ] = None
    check_name: Annotated[
        bool,
        Flag(),
        Doc("Whether the peer's certificate must carry its name. Switch off only for a `ca` of its own."),
    ] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener(Section):
    """An address on which we accept associations."""

    name: Annotated[str, NAME, Doc("Name of the listener in logs and metrics, and for socket activation.")]
    address: Annotated[str, Address(), Doc("Address to listen on.")] = "0.0.0.0"  # noqa: S104 - meant
    port: Annotated[
        int, Whole(0, 65535), Doc("TCP port; 104 and 11112 are usual, 2762 with TLS. 0 takes any free one.")
    ]
    allow: Annotated[
        tuple[Annotated[IPNetwork, Network()], ...] | None,
        Doc("Networks that may connect. Without it, everybody who can reach the address may."),
    ] = None
    tls: Annotated[ListenerTls | None, Doc("TLS on this listener. Without it, plain DICOM.")] = None
    plain_on_public: Annotated[
        bool,
        Flag(),
        Doc("Accept plain DICOM although the address is neither private nor loopback (or is every address)."),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer(Section):
    """A system we send to."""

    name: Annotated[str, NAME, Doc("Name of the peer: routes, commands, logs and metrics call it this.")]
    ae_title: Annotated[AETitle, Title(), Doc("Its AE title: what we call.")]
    host: Annotated[
        str | None, HOST, Doc("Its host name or address. Required, unless the peer is reached by `via`.")
    ] = None
    port: Annotated[int | None, Whole(1, 65535), Doc("Its TCP port. Required with `host`.")] = None
    via: Annotated[
        str | None,
        NAME,
        Doc('Reached over the link instead: "hub" at a site, the name of a [[site]] at a hub.'),
    ] = None
    tls: Annotated[PeerTls | None, Doc("TLS towards the peer. Without it, plain DICOM.")] = None
    plain_on_public: Annotated[
        bool, Flag(), Doc("Send plain DICOM although `host` is an address that is not private.")
    ] = False
    calling_ae: Annotated[
        AETitle | None, Title(), Doc("Our AE title towards this peer, when it is not the gateway's.")
    ] = None
    max_associations: Annotated[
        int,
        Whole(1, 32),
        Doc(
            "How many associations we open to it at the same time, at most: as many as it bears on a long "
            "link, four on a short one."
        ),
    ] = 8
    commitment: Annotated[
        Literal["on-request", "always", "query", "never"],
        Choice("on-request", "always", "query", "never"),
        Doc(
            "Storage commitment: asked when a console asks; asked for every object; not offered by the peer, "
            "every object is looked up with C-FIND instead; or not at all. With always and query the bytes "
            "of an object stay here until it is confirmed."
        ),
    ] = "on-request"
    compare: Annotated[
        Literal["auto", "attributes", "object", "never"],
        Choice("auto", "attributes", "object", "never"),
        Doc(
            "What has to agree before an object that the peer commits, or that is found there, is confirmed: "
            "treatment records fetched back with C-GET, other objects by attributes in the answer to C-FIND, "
            "as far as the peer offers it; attributes always; every object fetched back; or nothing, its SOP "
            "Instance UID is enough."
        ),
    ] = "auto"
    compress: Annotated[
        bool,
        Flag(),
        Doc(
            "Send images as JPEG-LS Lossless where it accepts that: shorter, and not a bit of them lost. Its "
            "copy is then in another transfer syntax than the one we were sent."
        ),
    ] = False
    dicomweb: Annotated[
        DicomWeb | None, Doc("Its DICOMweb server, where objects for it are stored instead (STOW-RS).")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Section):
    """What happens to what is sent to one called AE title."""

    called: Annotated[AETitle, Title(), Doc("The AE title the console calls.")]
    to: Annotated[
        tuple[Annotated[str, NAME], ...],
        Doc("Peers that get the objects, each tracked on its own. What is relayed goes to the first one."),
    ]
    mode: Annotated[
        Literal["store", "relay"],
        Choice("store", "relay"),
        Doc(
            "Objects: store, acknowledged when durable here and delivered later; or relay, acknowledged when "
            "the peer has acknowledged. Everything but objects is relayed in either mode."
        ),
    ] = "store"
    calling: Annotated[
        tuple[Annotated[AETitle, Title()], ...] | None,
        Doc("AE titles that may send here. Without it, every one. First matching route wins."),
    ] = None
    priorities: Annotated[
        dict[Annotated[str, SopClass()], Annotated[Priority, PriorityName()]],
        Doc('Priority of a SOP class on this route, by name or UID, as in { "CT Image Storage" = "image" }.'),
    ] = field(default_factory=dict)
    calling_upstream: Annotated[
        Literal["caller", "gateway"],
        Choice("caller", "gateway"),
        Doc("Whose AE title the peer sees on relayed associations; a peer's `calling_ae` comes before both."),
    ] = "caller"
    mpps: Annotated[
        Literal["relay", "queue"],
        Choice("relay", "queue"),
        Doc("Performed procedure steps: relay, or queue, taken durably here and passed on in order."),
    ] = "relay"
    ups_guard: Annotated[
        float,
        Duration(0, 3600),
        Doc("How long a UPS set to COMPLETED waits for the caller's records to be delivered; 0: no guard."),
    ] = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Section):
    """A whole, checked configuration. In TOML, the sections of which there are many have singular names."""

    gateway: Gateway
    listeners: tuple[Listener, ...] = ()
    peers: tuple[Peer, ...] = ()
    routes: tuple[Route, ...] = ()
    link: Annotated[
        Link | None, Doc("The link to a hub, or of a hub. Without it, every peer is dialled.")
    ] = None
    sites: tuple[Site, ...] = ()
    spool: Spool = field(default_factory=Spool)
    scrub: Scrub = field(default_factory=Scrub)
    delivery: Delivery = field(default_factory=Delivery)
    relay: Relay = field(default_factory=Relay)
    commitment: Commitment = field(default_factory=Commitment)
    procedure_steps: ProcedureSteps = field(default_factory=ProcedureSteps)
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    audit: Audit = field(default_factory=Audit)
    traffic: Traffic = field(default_factory=Traffic)
    data_budget: DataBudget = field(default_factory=DataBudget)
    operator: Operator = field(default_factory=Operator)
    admin: Admin = field(default_factory=Admin)
    alerts: Alerts = field(default_factory=Alerts)
    sources: tuple[Path, ...] = field(init=False, default=())  # the files it was read from, in that order
    warnings: tuple[Problem, ...] = field(init=False, default=())  # worth a look, not in the way
