"""Two families of error, kept apart everywhere: what we did wrong, and what the peer did wrong.

A third family classifies why a delivery did not happen, because the courier acts on the class alone.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of every error this product raises on purpose. Its text is fit to show to an engineer."""


class LocalError(GatewayError):
    """Our side is at fault or short of something: misuse of an interface, disk, configuration."""


class PeerError(GatewayError):
    """The other side broke the protocol or went away. Never a reason to stop the process."""


class NoRoom(LocalError):
    """The spool refuses an object because a mark would be passed (answered as 0xA700)."""


class SpoolFailure(LocalError):
    """The object could not be made durable (I/O error). It was abandoned; nothing was acknowledged."""


class DeliveryFailure(GatewayError):
    """A delivery did not happen. `reason` is plain words for a person; `status` the DIMSE status, if any.

    `cause` is the stable class of the failure (delivery/classification.py), empty when nobody classified it.
    `detail` is what the peer said of it: kept in the journal, never logged, since peers quote patient data.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, link: bool = False, cause: str = "", detail: str = ""
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.cause = cause
        self.detail = detail
        self.link = link  # True: the destination as a whole failed, not this object


class TransientFailure(DeliveryFailure):
    """Worth trying again by itself."""


class PermanentFailure(DeliveryFailure):
    """Trying again by itself cannot help; a person has to decide."""


class Conflict(DeliveryFailure):
    """The same SOP Instance UID exists with other content; a person has to decide."""


def known(error: BaseException) -> GatewayError | None:
    """Return the failure that `error` is, also when a group of tasks has wrapped it; None: it is a defect.

    Of several the first that was met. With something unexpected among them it is a defect all the same.
    """
    if isinstance(error, GatewayError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = [known(one) for one in error.exceptions]
    return None if None in found else found[0]
