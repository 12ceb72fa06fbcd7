"""Consoles and centres, as a browser gets them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gateway.admin import contacts, drawing
from gateway.admin.drawing import Node
from gateway.operator import facts as core
from gateway.operator.sections import peers as facts
from gateway.operator.sections.peers import NoSuchCaller, NoSuchPeer, PeersSection
from tests.support.admin_site import Document, Element, site
from tests.support.fake_control import FakeControl

HOSTILE = "<script>alert('x')</script>\"'&"


def context(name: str = "RT Beams Treatment Record Storage", **changes: object) -> facts.ContextFacts:
    plain = facts.ContextFacts(
        name=name, uid="1.2.3", accepted=("Explicit VR Little Endian",), refused=(), result=None, words="",
        role="scu", at=time.time() - 60,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


REFUSED = context(
    "Modality Worklist", accepted=(), refused=("Implicit VR Little Endian",), result="abstract-syntax"
)
TERMS = facts.TermsFacts(
    at=time.time() - 60, calling_ae="LINAC1", called_ae="ARIA", max_pdu_length=16384, operations_invoked=1,
    operations_performed=1, implementation_class_uid="1.2.276.0", implementation_version="OFFIS_DCMTK_367",
    tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
)  # fmt: skip


def caller(number: int = 1, **changes: object) -> facts.CallerFacts:
    plain = facts.CallerFacts(
        number=number, calling_ae=f"LINAC{number}", address=f"192.0.2.{number}", listener="console",
        called=("ARIA",), known=True, first_at=time.time() - 500, last_at=time.time() - 100, associations=3,
        open=1, objects=12, bytes=240_000, object_failures=0, refusals=0, last_refusal=None,
        relay_refused_at=None, relay_refused_peer="", relay_refused_words="", accepted=4, refused=(),
        refused_count=0,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def stranger(code: facts.RefusalCode, **changes: object) -> facts.CallerFacts:
    at = time.time() - 20
    return caller(
        9, **{
            "calling_ae": "NEWLINAC", "address": "203.0.113.9", "known": False, "associations": 0, "open": 0,
            "objects": 0, "refusals": 3, "last_at": at,
            "last_refusal": facts.RefusalFacts(at, code, "words of the log", "NOBODY"), **changes,
        },
    )  # fmt: skip


def peer(name: str = "oncology", **changes: object) -> facts.PeerFacts:
    plain = facts.PeerFacts(
        name=name, ae_title="ARIA", host="ois.example.org", port=2762, tls=True, certificate="/etc/us.pem",
        authorities="/etc/ca.pem", calling_ae="CLINIC07", destination=True, max_associations=4,
        commitment="on-request", reach="up", reason="", next_try_seconds=None, rtt_seconds=0.6,
        last_contact_at=time.time() - 30, last_failure_at=None, last_failure_phase="", last_failure="",
        failures=0, open=2, warm=1, accepted=3, refused=(), refused_count=0,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


DOOR = facts.DoorFacts("console", "192.0.2.10", 11112, ("192.0.2.0/24",), False, "", "", 3, 200, 50, 2, 180)
ROUTE = facts.RouteFacts("ARIA", None, ("oncology",), "store", "relay", "caller")


class Port:
    """What the test says."""

    def __init__(self) -> None:
        self.known = [caller()]
        self.centres = [peer()]
        self.doors: tuple[facts.DoorFacts, ...] = (DOOR,)
        self.ways: tuple[facts.RouteFacts, ...] = (ROUTE,)
        self.terms: facts.TermsFacts | None = TERMS
        self.contexts: tuple[facts.ContextFacts, ...] = (REFUSED, context())

    def peers(self) -> facts.Peers:
        return facts.Peers(time.time() - 3600, tuple(self.centres))

    def peer(self, name: str) -> facts.PeerDetails:
        for one in self.centres:
            if one.name == name:
                return facts.PeerDetails(one, self.terms, self.contexts)
        raise NoSuchPeer("no such peer")

    def callers(self) -> facts.Callers:
        return facts.Callers(time.time() - 3600, tuple(self.known))

    def caller(self, number: int) -> facts.CallerDetails:
        for one in self.known:
            if one.number == number:
                return facts.CallerDetails(one, self.terms, self.contexts)
        raise NoSuchCaller("no such caller")

    def routing(self) -> facts.Routes:
        return facts.Routes(("CLINIC07",), self.doors, self.ways)


@pytest.fixture
def port() -> Port:
    return Port()


async def shown(port: Port, path: str = "/peers", role: str = "engineer") -> Document:
    async with site(sections=[PeersSection(port)], role=role) as page:
        return await page.get(path)


def rows(document: Element, section: str) -> list[str]:
    return [row.text for row in document.find(f"#{section}").all("tbody tr")]


async def test_everything_is_on_one_page(port: Port) -> None:
    document = await shown(port)
    assert document.status == 200
    assert document.find("h1").text == "Consoles and centres"
    (console,) = rows(document, "consoles")
    assert "LINAC1" in console
    assert "1 association is open" in console
    assert "12" in console
    assert "oncology" in document.find("#centres").text
    assert "answered" in document.find("#centres").text
    (live,) = rows(document, "live")
    assert "LINAC1 → ARIA" in live
    assert "192.0.2.0/24" in document.find("#listeners").text
    assert rows(document, "routes")[0].startswith("every AE title ARIA oncology")
    live = document.find("#peers-now")
    assert live["hx-trigger"] == "sse:associations"
    for part in live["hx-select-oob"].split(","):
        assert document.find(part)  # each is there to be replaced
    assert document.find("#turned-away").text == ""


async def test_the_picture_names_everybody_once_for_each_size(port: Port) -> None:
    port.known.append(stranger("allow-list"))
    document = await shown(port)
    for size in ("wide", "tall"):
        (picture,) = document.all(f"svg.{size}")
        assert picture["role"] == "img"
        assert picture["aria-label"]
        names = [text.text for text in picture.all("text.name")]
        assert names == ["LINAC1", "NEWLINAC", "oncology", "clinic-07"]
    assert "style=" not in document.source  # the content security policy allows none


@pytest.mark.parametrize(
    ("code", "why", "todo"),
    [
        ("allow-list", "203.0.113.9 is not in the allow list of the listener console", "allow list"),
        ("called-title", "called the AE title NOBODY", "route"),
        ("calling-title", "NEWLINAC may not call NOBODY", "route"),
        ("tls", "(TLS) failed: words of the log", "certificates"),
        ("limit", "too many connections", "restart"),
        ("no-association", "words of the log", "port scanner"),
        ("too-many", "Too many associations", "again"),
        ("centre-unreachable", "centre could not be reached", "Test the centre"),
        ("centre-rejected", "centre itself turned it away: words of the log", "administrator"),
        ("application-context", "another application", "manufacturer"),
        ("protocol-version", "version", "manufacturer"),
        ("rejected", "turned away: words of the log", "log"),
    ],
)
async def test_who_was_turned_away_why_and_what_to_do(
    port: Port, code: facts.RefusalCode, why: str, todo: str
) -> None:
    port.known.append(stranger(code))
    (row,) = rows(await shown(port), "turned-away")
    assert "NEWLINAC" in row
    assert why in row
    assert todo in row


async def test_every_code_of_the_api_has_words_of_its_own() -> None:
    codes = set(facts.RefusalCode.__args__)  # type: ignore[attr-defined]  # a Literal
    assert codes - set(contacts._REFUSALS) == {"rejected", "refused-without-reason"}


async def test_empty_states(port: Port) -> None:
    port.known, port.centres, port.doors, port.ways = [], [], (), ()
    document = await shown(port)
    for section, words in (
        ("consoles", "No console has called yet"),
        ("centres", "No centre is configured"),
        ("listeners", "No listener is configured"),
        ("routes", "No route is configured"),
    ):
        assert words in document.find(f"#{section}").text


async def test_a_console_with_what_it_did_not_get(port: Port) -> None:
    port.known[0] = caller(refused=(REFUSED,), refused_count=1)
    document = await shown(port)
    assert "1 kind of object or service" in rows(document, "consoles")[0]
    details = await shown(port, "/peers/console/1")
    (refused,) = rows(details, "refused")
    assert refused.startswith("Modality Worklist This kind of object or service is not supported.")
    (accepted,) = rows(details, "accepted")
    assert "Explicit VR Little Endian sends or asks (SCU)" in accepted
    assert "OFFIS_DCMTK_367" in details.text
    assert "LINAC1 calls ARIA" in details.text
    assert "16.4" in details.text  # kB


async def test_a_console_that_was_turned_away_for_its_centre(port: Port) -> None:
    at = time.time() - 5
    port.known[0] = caller(
        open=0, last_at=at, refusals=1,
        last_refusal=facts.RefusalFacts(at, "centre-unreachable", "x", "ARIA"),
        relay_refused_at=at, relay_refused_peer="oncology", relay_refused_words="no answer within 10 s",
    )  # fmt: skip
    document = await shown(port)
    assert "turned away" in rows(document, "consoles")[0]
    details = await shown(port, "/peers/console/1")
    assert "Nothing is wrong with the console" in details.text
    assert "oncology could not be reached for it" in details.text
    assert "no answer within 10 s" in details.text


async def test_a_centre_that_is_down_says_where_the_way_ends(port: Port) -> None:
    port.centres[0] = peer(
        reach="down", reason="no answer within 10 s", next_try_seconds=7.0, failures=3,
        last_failure_at=time.time() - 9, last_failure_phase="tcp", last_failure="no answer within 10 s",
    )  # fmt: skip
    document = await shown(port)
    assert "does not answer" in document.find("#centres").text
    assert "no answer within 10 s" in document.find("#centres").text
    details = await shown(port, "/peers/centre/oncology")
    assert "It was not reached over the network." in details.text
    assert "at the earliest" in details.text
    assert rows(details, "refused")
    assert rows(details, "accepted")


async def test_a_test_is_told_step_by_step(port: Port) -> None:
    control = FakeControl()
    async with site(control=control, sections=[PeersSection(port)], role="engineer") as page:
        whole = await page.post("/peers/centre/oncology/test")
        assert "oncology answers" in whole.text
        control.echo_ok = False
        part = await page.post("/peers/centre/oncology/test", fragment=True)
        assert not part.all("html")
        steps = [step.text for step in part.all("ol.steps li")]
        assert steps[0].startswith("Look up its name passed")
        assert "Secure the connection (TLS) failed" in steps[2]
        assert "the peer's certificate has expired" in steps[2]
        assert "Compare certificates, authorities and clocks" in part.text


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("clinic", 403), ("engineer", 200), ("admin", 200)]
)
async def test_only_engineers_test(port: Port, role: str, status: int) -> None:
    async with site(sections=[PeersSection(port)], role=role) as page:
        document = await page.get("/peers")
        assert document.status == 200
        assert bool(document.all("#test-1")) == (status == 200)
        assert (await page.post("/peers/centre/oncology/test")).status == status


@pytest.mark.parametrize("path", ["/peers/console/99", "/peers/centre/nobody", "/peers/console/x"])
async def test_what_is_not_there(port: Port, path: str) -> None:
    assert (await shown(port, path)).status == 404


async def test_hostile_names_stay_text(port: Port) -> None:
    port.known = [
        caller(calling_ae=HOSTILE[:16], called=(HOSTILE,), listener=HOSTILE),
        stranger(
            "rejected",
            calling_ae=HOSTILE[:16],
            last_refusal=facts.RefusalFacts(1.0, "rejected", HOSTILE, HOSTILE),
        ),
    ]
    port.centres = [peer(HOSTILE, ae_title=HOSTILE, reach="down", reason=HOSTILE, last_failure=HOSTILE)]
    port.terms = replace(TERMS, implementation_version=HOSTILE, tls=HOSTILE)
    port.contexts = (context(HOSTILE), replace(REFUSED, name=HOSTILE, refused=(HOSTILE,)))
    control = FakeControl()
    control.associations = lambda: (  # type: ignore[method-assign]  # another answer
        core.AssociationFacts(
            "a", True, HOSTILE, HOSTILE, HOSTILE, HOSTILE, time.time(), HOSTILE, HOSTILE, 1, 2, 3
        ),
    )
    async with site(control=control, sections=[PeersSection(port)]) as page:
        plain = await page.get("/peers")
        for document in (plain, await page.get("/peers/console/1")):
            assert document.status == 200
            assert all("alert(" not in script.text for script in document.all("script"))
            assert "alert('x')" in document.text or "<script>" in document.text


async def test_the_page_without_a_gateway_says_so(port: Port) -> None:
    async with site(sections=[], serve_gateway=False) as page:
        document = await page.get("/peers")
        assert document.status == 502
        assert "does not answer" in document.text


# --- the picture ---------------------------------------------------------------------------------------

MIDDLE = Node("ok", "clinic-07", "CLINIC07")


@pytest.mark.parametrize("left", [0, 1, 3, 6])
@pytest.mark.parametrize("right", [0, 1, 6])
@pytest.mark.parametrize("draw", [drawing.wide, drawing.tall])
def test_boxes_neither_overlap_nor_leave_the_picture(draw: object, left: int, right: int) -> None:
    nodes = [Node("ok", "x" * 40, "y" * 80)]
    picture = draw(nodes * left, MIDDLE, nodes * right)  # type: ignore[operator]  # one of two functions
    boxes = [*picture.boxes, picture.gateway]
    assert len(boxes) == left + right + 1
    assert len(picture.lines) == left + right
    for box in boxes:
        assert box.x >= 0
        assert box.x + box.width <= picture.width
        assert box.y >= 0
        assert box.y + box.height <= picture.height
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = (
                one.x + one.width <= other.x
                or other.x + other.width <= one.x
                or one.y + one.height <= other.y
                or other.y + other.height <= one.y
            )
            assert apart, (one, other)


def test_names_are_cut_to_fit() -> None:
    assert drawing.cut("LINAC1", 18) == "LINAC1"
    assert drawing.cut("x" * 30, 18) == "x" * 17 + "…"


async def test_many_systems_are_counted_in_the_picture(port: Port) -> None:
    port.known = [caller(number) for number in range(1, 12)]
    document = await shown(port)
    (picture,) = document.all("svg.wide")
    names = [text.text for text in picture.all("text.name")]
    assert len(names) == drawing.MOST + 2
    assert "and 6 more" in names
    assert len(rows(document, "consoles")) == 11


def test_standing() -> None:
    now = 10_000_000.0
    refused = facts.RefusalFacts(now - 10, "limit", "", "")
    assert contacts.standing(caller(open=1), now) == "open"
    assert contacts.standing(caller(open=0, last_at=now - 10, last_refusal=refused), now) == "turned-away"
    assert contacts.standing(caller(open=0, last_at=now - 1, last_refusal=refused), now) == "seen"
    assert contacts.standing(caller(open=0, last_at=now - 1), now) == "seen"
    assert contacts.standing(caller(open=0, last_at=now - 2 * 86400), now) == "quiet"


def test_reach() -> None:
    assert contacts.reach(peer(reach="trial")) == "down"
    assert contacts.reach(peer(reach="unknown", last_contact_at=None)) == "unknown"
    assert (
        contacts.reach(peer(reach="unknown", last_contact_at=None, failures=1, last_failure_at=1.0)) == "down"
    )
    assert contacts.reach(peer(reach="unknown")) == "up"


@pytest.mark.parametrize(
    ("commitment", "compare", "words"),
    [
        ("never", "auto", ["nothing: what it accepts is not verified"]),
        ("on-request", "auto", ["whatever else it accepts is not verified", "treatment records as a whole"]),
        ("always", "attributes", ["asked for every object", "attributes of every object"]),
        ("query", "object", ["looked up there (C-FIND)", "every object as a whole"]),
        ("query", "never", ["an older object with the same UID would not be noticed"]),
    ],
)
async def test_a_centre_says_what_confirms_an_object_there(
    port: Port, commitment: str, compare: str, words: list[str]
) -> None:
    port.centres[0] = peer(commitment=commitment, compare=compare, queries="yes", gives_back="no")
    text = (await shown(port, "/peers/centre/oncology")).text
    for each in words:
        assert each in text
    offers = "queries (C-FIND): yes" in text and "giving objects back (C-GET): no" in text
    assert offers is (commitment != "never")
