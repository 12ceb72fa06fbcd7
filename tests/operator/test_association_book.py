from __future__ import annotations

from gateway.notices import AssociationClosed, AssociationOpened, Notices
from gateway.operator.association_book import AssociationBook


def opened(name: str, *, inbound: bool = True) -> AssociationOpened:
    return AssociationOpened(name, inbound, "192.0.2.20", "LINAC1", "ARIA", "", 3, 0)


def closed(name: str) -> AssociationClosed:
    return AssociationClosed(name, True, "192.0.2.20", "LINAC1", "ARIA", "released", "", 1, 0, 1, 1, 1.0)


def test_it_holds_what_is_open() -> None:
    notices = Notices()
    book = AssociationBook(notices, lambda: 5.0)
    for name in ("a", "b"):
        notices.publish(opened(name))
    notices.publish(closed("a"))
    notices.publish(closed("never opened"))
    ((only),) = book.all()
    assert (only.id, only.since, only.calling_ae) == ("b", 5.0, "LINAC1")
    book.close()
    notices.publish(opened("c"))
    assert len(book.all()) == 1
