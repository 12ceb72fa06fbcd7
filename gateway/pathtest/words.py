"""What a path test says about a failure, and what to do next: words for the person at the machine."""

from __future__ import annotations

from typing import Final

from gateway.dicom.negotiation import ContextResult
from gateway.dicom.sop_classes import name as class_name
from gateway.model import AETitle, Peer
from gateway.pathtest.steps import StepName

_WHY: Final = {
    ContextResult.USER_REJECTION: "its application refuses it",
    ContextResult.NO_REASON: "it gives no reason",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "it does not support this class",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "it supports the class, but not in little endian",
}


def refusal_words(abstract_syntax: str, result: int) -> str:
    """Say why a presentation context was refused (PS3.8 Table 9-18)."""
    why = _WHY.get(ContextResult(result)) if result in {each.value for each in ContextResult} else None
    return f"{class_name(abstract_syntax)}: {why or f'with the unknown result {result}'}"


def advice(step: StepName, cause: str, peer: Peer, ours: AETitle) -> str:
    """Say what to do about a step that did not go well. `ours` is the title that the peer sees."""
    if cause == "silence" and step in ("echo", "store", "commitment-request"):
        return "The peer stopped answering. Look at its log for this moment, and at the link."
    return {
        "name": f"Check the host of peer {peer.name} in the configuration, and this machine's DNS.",
        "tcp": f"Look at the link to {peer.via}: the status says why it is down."
        if peer.via
        else f"Check that the peer runs, and that firewalls on the way let TCP port {peer.port} through.",
        "tls": "Check certificates, authorities and clocks on both sides.",
        "association": _association(cause, peer, ours),
        "echo": "The peer associates but does not verify; ask its administrator.",
        "store": _store(cause, peer),
        "commitment-request": "Ask the peer's administrator whether it offers storage commitment to "
        f'{ours}; if not, set commitment = "query" or "never" for peer {peer.name}.',
        "commitment-result": "The peer has to know host and port of this gateway under the AE title "
        f"{ours}: most send the result on an association of their own.",
    }[step]


def _association(cause: str, peer: Peer, ours: AETitle) -> str:
    if cause == "contexts":
        return f"Ask the peer's administrator to accept what is refused, from the AE title {ours}."
    return f"Ask the peer's administrator: does it know our AE title {ours}, and is its own {peer.ae_title}?"


def _store(cause: str, peer: Peer) -> str:
    if cause == "context":
        return f"If this class is to be sent there, ask the administrator of {peer.ae_title} to accept it."
    return f"Ask the administrator of {peer.ae_title}: its log says what it did not like about the object."
