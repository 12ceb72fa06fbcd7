"""What a change would do that nobody expects of it. Pure: two summaries, and what is not delivered yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.operator.configuration_facts import Hazard, Summary


def find(running: Summary, wanted: Summary, undelivered: Mapping[str, int]) -> Iterator[Hazard]:
    """Yield what must be acknowledged by its code before `wanted` takes the place of `running`.

    `undelivered`: how many objects and messages wait for each peer, by name; those held count.
    """
    if wanted.state_dir != running.state_dir:
        total = sum(undelivered.values())
        yield Hazard(
            "state_dir",
            wanted.state_dir,
            f"The gateway would start with an empty queue in {wanted.state_dir}. What is in "
            f"{running.state_dir} stays there and is not delivered (now {total} undelivered), and the "
            "histories start anew.",
        )
    yield from _peers(running, wanted, undelivered)
    if running.listeners and not wanted.listeners:
        yield Hazard(
            "no_listener", "", "No listener would be left: no console could reach the gateway any more."
        )
    if wanted.operator_socket != running.operator_socket:
        yield Hazard(
            "operator_socket",
            wanted.operator_socket,
            f"Commands and the page reach the gateway through {running.operator_socket}. It would move to "
            f"{wanted.operator_socket}, and whoever does not know that cannot confirm the change.",
        )


def _peers(running: Summary, wanted: Summary, undelivered: Mapping[str, int]) -> Iterator[Hazard]:
    left = {peer.name: peer for peer in wanted.peers}
    for peer in running.peers:
        count = undelivered.get(peer.name, 0)
        if not count:
            continue
        kept = left.get(peer.name)
        if kept is None:
            words = f"{peer.name} would be removed, and {count} objects or messages still wait for it."
        elif peer.destination and not kept.destination:
            words = f"No route would lead to {peer.name} any more, and {count} objects still wait for it."
        else:
            continue
        yield Hazard(
            f"peer:{peer.name}",
            peer.name,
            f"{words} They would wait for ever: deliver or discard them first.",
        )
