"""Far associations that exist in memory only, and the peer that they lead to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.association.errors import AssociationLost, ConnectFailed
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept
from gateway.errors import LocalError
from gateway.relay.profile import Profile, context_id

FIND, MOVE, ECHO = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def profile(
    *classes: str, peer: str = "oncology", calling: str = "LINAC1", personal: bool = False
) -> Profile:
    """What a console asks for that wants `classes`, FIND when there are none."""
    contexts = tuple((uid, (IMPLICIT,)) for uid in classes or (FIND,))
    return Profile(peer, calling, contexts, personal=personal)


def answer(to: Profile, *, accepted: bool = True, syntax: str = IMPLICIT) -> AssociateAccept:
    """What a peer answers that accepts all, or nothing."""
    contexts = tuple(
        AcceptedContext(context_id(index), uid, syntax, 0 if accepted else 3)
        for index, (uid, _) in enumerate(to.contexts)
    )
    return AssociateAccept("CENTRE", to.calling_ae, contexts)


@dataclass(eq=False)
class FakeFar:
    """One association with a `FakePeer`."""

    centre: FakePeer
    profile: Profile
    answer: AssociateAccept
    number: int
    usable: bool = True
    end: str = ""  # how it ended: "released", "aborted", "by peer"
    echoes: int = 0
    on_gone: Callable[[], None] | None = None

    async def echo(self) -> float:
        if not self.centre.verifies:
            raise LocalError("no Verification")
        self.echoes += 1
        if self.centre.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(self.centre.rtt)
        if not self.usable:
            raise AssociationLost("released by the peer")
        if self.centre.down:
            self._over("lost")
            raise AssociationLost("the connection broke")
        return self.centre.rtt

    async def release(self) -> None:
        assert self.usable
        self.usable = False
        if self.centre.deaf:
            await asyncio.Event().wait()
        await asyncio.sleep(self.centre.rtt)
        self._over("released")

    def abort(self) -> None:
        self._over("aborted")

    def peer_ends(self) -> None:
        self._over("by peer")

    def _over(self, end: str) -> None:
        self.end = self.end or end
        if self.usable:
            self.usable = False
            if self.on_gone is not None:
                self.on_gone()


@dataclass(eq=False)
class FakePeer:
    """The far end: how it behaves, and everything that was opened with it."""

    rtt: float = 0.6
    down: bool = False
    silent: bool = False  # does not answer C-ECHO
    deaf: bool = False  # does not answer A-RELEASE-RQ
    verifies: bool = True
    refuses: Exception | None = None
    syntax: str = IMPLICIT
    accepts: bool = True
    fars: list[FakeFar] = field(default_factory=list)
    dials: list[float] = field(default_factory=list)  # moments

    async def open(self, wanted: Profile) -> FakeFar:
        """An opener for `Warm`: four round trips."""
        self.dials.append(asyncio.get_running_loop().time())
        await asyncio.sleep(4 * self.rtt)
        if self.down:
            raise ConnectFailed("tcp", "no answer")
        if self.refuses is not None:
            raise self.refuses
        far = FakeFar(
            self,
            wanted,
            answer(wanted, accepted=self.accepts, syntax=self.syntax),
            len(self.fars),
        )
        self.fars.append(far)
        return far

    @property
    def open_ones(self) -> list[FakeFar]:
        return [far for far in self.fars if far.usable]
