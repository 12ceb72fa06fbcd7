from __future__ import annotations

import sys
import time

import pytest

from gateway.dicom.negotiation import AcceptedContext, ProposedContext
from gateway.notices import (
    AssociationClosed,
    AssociationNegotiated,
    AssociationOpened,
    AssociationRefused,
    ConnectionRefused,
    DialFailed,
    Notices,
    ObjectRefused,
    ObjectStored,
    RelayRefused,
)
from gateway.operator.contact_book import BookLimits, ContactBook, code_of

RECORD, CT, PRIVATE = (
    "1.2.840.10008.5.1.4.1.1.481.4",
    "1.2.840.10008.5.1.4.1.1.2",
    "1.3.46.670589.11.0.0.12.1",
)
IMPLICIT, EXPLICIT, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
def book(notices: Notices, clock: Clock) -> ContactBook:
    return ContactBook(notices, ["oncology"], clock, BookLimits(callers=8, strangers=6, per_address=3))


def negotiated(
    name: str = "a1",
    calling: str = "LINAC1",
    address: str = "192.0.2.20",
    *,
    contexts: tuple[tuple[str, str, int], ...] = ((RECORD, IMPLICIT, 0),),
    peer: str = "",
) -> AssociationNegotiated:
    numbered = list(enumerate(contexts))
    return AssociationNegotiated(
        name,
        inbound=not peer,
        listener="" if peer else "console",
        peer=peer,
        address=address,
        calling_ae=calling,
        called_ae="ARIA",
        proposed=tuple(ProposedContext(2 * i + 1, uid, (syntax,)) for i, (uid, syntax, _) in numbered),
        answered=tuple(
            AcceptedContext(2 * i + 1, uid, syntax, result) for i, (uid, syntax, result) in numbered
        ),
        max_pdu_length=16384,
        async_window=(1, 1),
        implementation_class_uid="1.2.276.0.7230010.3.0.3.6.7",
        implementation_version="OFFIS_DCMTK_367",
    )


def opened(name: str = "a1", *, tls: str = "") -> AssociationOpened:
    return AssociationOpened(name, True, "192.0.2.20", "LINAC1", "ARIA", tls, 1, 0)


def closed(name: str = "a1") -> AssociationClosed:
    return AssociationClosed(name, True, "192.0.2.20", "LINAC1", "ARIA", "released", "", 1, 0, 1, 1, 1.0)


def rejected(
    calling: str,
    address: str,
    *,
    diagnostic: int = 7,
    association: str = "r1",
    result: int = 1,
    source: int = 1,
) -> AssociationRefused:
    return AssociationRefused(
        association, True, address, calling, "NOBODY", result, source, diagnostic, "no route"
    )


def stored(calling: str = "LINAC1", address: str = "192.0.2.20") -> ObjectStored:
    return ObjectStored("a1", address, calling, "ARIA", 1, RECORD, IMPLICIT, "record", 500, 0.1, "new")


def test_a_console_with_what_it_did(notices: Notices, clock: Clock, book: ContactBook) -> None:
    notices.publish(negotiated())
    notices.publish(opened(tls="TLSv1.3 X"))
    clock.now += 10
    notices.publish(stored())
    notices.publish(ObjectRefused("a1", "192.0.2.20", "LINAC1", "ARIA", CT, 9, 0xA700, "full"))
    (caller,) = book.callers()
    assert (caller.calling_ae, caller.address, caller.listener) == ("LINAC1", "192.0.2.20", "console")
    assert (caller.objects, caller.bytes, caller.object_failures) == (1, 500, 1)
    assert (caller.first_at, caller.last_at) == (1000.0, 1010.0)
    assert (caller.associations, caller.open, caller.known) == (1, 1, True)
    assert caller.tls == "TLSv1.3 X"
    assert caller.terms is not None
    assert caller.terms.implementation_version == "OFFIS_DCMTK_367"
    clock.now += 5
    notices.publish(closed())
    assert (caller.open, caller.last_at) == (0, 1015.0)
    assert book.caller(caller.number) is caller
    assert book.caller(99) is None


def test_contexts_are_kept_by_class_over_associations(notices: Notices, book: ContactBook) -> None:
    notices.publish(
        negotiated(
            contexts=(
                (RECORD, IMPLICIT, 0),
                (RECORD, EXPLICIT, 0),
                (CT, JPEG, 4),
                (CT, IMPLICIT, 0),
                (PRIVATE, JPEG, 3),
            )
        )
    )
    notices.publish(negotiated("a2", contexts=((RECORD, IMPLICIT, 2),)))
    (caller,) = book.callers()
    assert caller.answers[RECORD].accepted == ()  # the latest answer is the one that counts
    assert caller.answers[RECORD].refused == ((2, IMPLICIT),)
    assert (caller.answers[CT].accepted, caller.answers[CT].refused) == ((IMPLICIT,), ((4, JPEG),))
    assert caller.answers[PRIVATE].refused == ((3, JPEG),)


def test_a_refused_caller_appears_with_the_reason(notices: Notices, book: ContactBook) -> None:
    notices.publish(rejected("STRANGER", "192.0.2.66"))
    notices.publish(ConnectionRefused("console", "203.0.113.5", "not in the allow list", "allow-list"))
    notices.publish(ConnectionRefused("wan", "203.0.113.6", "the peer said nothing"))
    by_address = {caller.address: caller for caller in book.callers()}
    stranger = by_address["192.0.2.66"]
    assert (stranger.calling_ae, stranger.known, stranger.refusals) == ("STRANGER", False, 1)
    assert stranger.last_refusal is not None
    assert (stranger.last_refusal.code, stranger.last_refusal.called_ae) == ("called-title", "NOBODY")
    turned_away = by_address["203.0.113.5"].last_refusal
    assert turned_away is not None
    assert turned_away.code == "allow-list"
    silent = by_address["203.0.113.6"].last_refusal
    assert silent is not None
    assert silent.code == "no-association"


def test_who_is_let_in_later_is_no_stranger_any_more(notices: Notices, book: ContactBook) -> None:
    notices.publish(rejected("LINAC1", "192.0.2.20", diagnostic=3))
    notices.publish(negotiated())
    (caller,) = book.callers()
    assert (caller.known, caller.refusals) == (True, 1)


def test_what_the_centre_rejected_is_not_told_as_our_own_opinion(notices: Notices, book: ContactBook) -> None:
    notices.publish(RelayRefused("r1", "192.0.2.20", "LINAC1", "ARIA", "oncology", "title not known", 0.5))
    notices.publish(rejected("LINAC1", "192.0.2.20", association="r1"))
    (caller,) = book.callers()
    assert caller.last_refusal is not None
    assert caller.last_refusal.code == "centre-rejected"
    assert caller.last_refusal.words == "oncology: title not known"


def test_a_relay_that_failed_is_kept_with_its_caller(notices: Notices, book: ContactBook) -> None:
    notices.publish(negotiated())
    notices.publish(RelayRefused("a1", "192.0.2.20", "LINAC1", "ARIA", "oncology", "x" * 900, 0.5))
    (caller,) = book.callers()
    assert caller.last_relay_refusal == (1000.0, "oncology", "x" * 200)


def test_a_peer_with_contacts_and_failures(notices: Notices, clock: Clock, book: ContactBook) -> None:
    assert book.peer("oncology") is None
    notices.publish(DialFailed("oncology", "tcp", "nothing listens"))
    notices.publish(DialFailed("unheard-of", "tcp", "nothing listens"))
    entry = book.peer("oncology")
    assert entry is not None
    assert (entry.failures, entry.last_failure, entry.last_success_at) == (
        1,
        (1000.0, "tcp", "nothing listens"),
        None,
    )
    assert book.peer("unheard-of") is None
    clock.now += 1
    notices.publish(negotiated("f1", peer="oncology", contexts=((RECORD, IMPLICIT, 3),)))
    assert (entry.failures, entry.last_success_at, entry.open) == (0, 1001.0, 1)
    assert entry.answers[RECORD].refused == ((3, IMPLICIT),)
    notices.publish(negotiated("f2", peer="unheard-of"))
    assert book.callers() == ()
    clock.now += 1
    notices.publish(closed("f1"))
    assert (entry.open, entry.last_success_at) == (0, 1002.0)


def test_a_scanner_fills_nothing_and_pushes_no_console_out(
    notices: Notices, clock: Clock, book: ContactBook
) -> None:
    notices.publish(negotiated())
    notices.publish(stored())
    for number in range(500):
        clock.now += 1
        notices.publish(rejected(f"SCAN{number}", "203.0.113.9"))  # many titles at one address
        notices.publish(ConnectionRefused("console", f"198.51.100.{number % 250}", "x", "allow-list"))
        notices.publish(
            negotiated(f"s{number}", f"IN{number}", "203.0.113.10")
        )  # let in, whatever it is called
    callers = book.callers()
    assert len(callers) <= 8 + 6
    assert "LINAC1" in {caller.calling_ae for caller in callers}
    assert sum(caller.address == "203.0.113.10" for caller in callers) <= 3
    assert "IN499" in {caller.calling_ae for caller in callers}  # the newest is there all the same


def test_many_addresses_push_out_those_that_sent_nothing_first(notices: Notices, book: ContactBook) -> None:
    notices.publish(negotiated())
    notices.publish(stored())
    notices.publish(closed())
    for number in range(50):
        notices.publish(negotiated(f"s{number}", "ANY", f"203.0.113.{number}"))
        notices.publish(closed(f"s{number}"))
    callers = book.callers()
    assert len(callers) == 8
    assert {"LINAC1"} < {caller.calling_ae for caller in callers}


def test_what_is_kept_of_one_caller_is_bounded(notices: Notices, clock: Clock) -> None:
    book = ContactBook(notices, [], clock, BookLimits(classes=20, syntaxes=2, called=2, words=10))
    for number in range(40):
        notices.publish(
            negotiated(
                f"a{number}",
                contexts=tuple(
                    (f"1.2.3.{number}", f"1.2.840.10008.1.2.{n}", 4 if n % 2 else 0) for n in range(1, 9)
                ),
            )
        )
        notices.publish(rejected("LINAC1", "192.0.2.20"))
    (caller,) = book.callers()
    assert len(caller.answers) == 20
    assert list(caller.answers)[-1] == "1.2.3.39"
    answer = caller.answers["1.2.3.39"]
    assert (len(answer.accepted), len(answer.refused)) == (2, 2)
    assert len(caller.called) <= 2
    assert caller.last_refusal is not None
    assert len(caller.last_refusal.words) <= 10


def test_equal_uids_are_kept_once(notices: Notices, book: ContactBook) -> None:
    for number in range(3):
        fresh = "".join(["1.2.840.10008.5.1.4.1.1.", "481.4"])  # another object each time, as from the wire
        notices.publish(negotiated(f"a{number}", f"LINAC{number}", contexts=((fresh, IMPLICIT, 0),)))
    first, second, third = (next(iter(caller.answers)) for caller in book.callers())
    assert first is second is third


def test_condensing_a_full_negotiation_costs_next_to_nothing(notices: Notices, clock: Clock) -> None:
    book = ContactBook(notices, [], clock)
    contexts = tuple((f"1.2.840.10008.5.1.4.1.1.{n}", IMPLICIT, n % 3) for n in range(128))
    told = [negotiated(f"a{n}", contexts=contexts) for n in range(200)]
    begun = time.process_time()
    for notice in told:
        notices.publish(notice)
    assert (time.process_time() - begun) / len(told) < 0.002  # an association costs several milliseconds
    assert sys.getsizeof(book.callers()[0].answers) < 100_000


def test_closing_ends_it(notices: Notices, book: ContactBook) -> None:
    book.close()
    notices.publish(negotiated())
    assert book.callers() == ()


def test_codes() -> None:
    assert code_of(1, 1, 3) == "calling-title"
    assert code_of(2, 3, 2) == "too-many"
    assert code_of(2, 3, 1) == "centre-unreachable"
    assert code_of(9, 9, 9) == "rejected"
