"""`dicom-gateway status`: one sentence first, then the tables."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from gateway.cli import watching
from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.options import Duration, connect, json_option, socket_options
from gateway.cli.output import Cell, Column, print_json, say, table
from gateway.operator import codec, facts
from gateway.operator.client import DaemonUnreachable, OperatorClient
from gateway.operator.site_facts import SiteFacts
from gateway.operator.verdict import label
from gateway.operator.words import count_of, duration, size

_LEVEL_STYLE = {"ok": "bold green", "waiting": "bold yellow", "attention": "bold red"}
_LINK_STYLE = {"online": "green", "degraded": "yellow", "offline": "red"}
_POLL = 0.25  # seconds between looks while waiting


@click.command(
    name="status",
    epilog="\b\nExamples:\n  dicom-gateway status\n  dicom-gateway status --watch"
    "\n  dicom-gateway status --check --max-wait 2h   # for Nagios, Icinga, Zabbix ...",
)
@socket_options
@json_option
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--interval", type=Duration(), default="2s", show_default=True, help="Time between looks of --watch."
)
@click.option("--check", is_flag=True, help="For monitoring: exit code 6 when a person must look.")
@click.option(
    "--max-wait",
    type=Duration(),
    default="1h",
    show_default=True,
    help="With --check: how old the oldest waiting object may be.",
)
@click.option("--wait", is_flag=True, help="Wait until the gateway answers.")
@click.option(
    "--wait-empty", is_flag=True, help="Wait until nothing waits to be delivered, here or at a hub."
)
@click.option(
    "--timeout",
    type=Duration(),
    default="60s",
    show_default=True,
    help="How long --wait and --wait-empty wait.",
)
@click.pass_context
def command(
    ctx: click.Context,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    watch: bool,
    interval: float,
    check: bool,
    max_wait: float,
    wait: bool,
    wait_empty: bool,
    timeout: float,
) -> None:
    """Say how things are: in one sentence, then destinations, spool and listeners in detail.

    With --check the exit code is 6 when an object or a procedure step is held, when the spool refuses
    objects, or when an object has waited for longer than --max-wait; 4 when no gateway answers.
    """
    with connect(socket, config) as client:
        data = _poll(client.status, lambda _: True, timeout if wait or wait_empty else 0.0, DaemonUnreachable)
        if wait_empty:
            data = _until_empty(client, data, timeout)
        if watch:
            watching.watch(client.status, lambda found: _show(found, as_json), interval, drawn=not as_json)
            return
        _show(data, as_json)
    if check:
        late = _late(codec.decode(facts.Status, data), max_wait)
        if not as_json:
            for sentence in late:
                say(sentence)
        if late or data["level"] == "attention":
            ctx.exit(ExitCode.ATTENTION)


def _until_empty(client: OperatorClient, data: codec.Json, patience: float) -> codec.Json:
    def empty(status: codec.Json) -> bool:
        known = codec.decode(facts.Status, status)
        under_way = any(d.waiting.total.count or d.at_hub for d in known.destinations)
        return not (known.steps.queued or under_way)

    if not empty(data):
        data = _poll(client.status, empty, patience)
    if not empty(data):
        raise Failure(f"after {duration(patience)} there is still something waiting")
    return data


def _poll(
    look: Callable[[], codec.Json],
    done: Callable[[codec.Json], bool],
    patience: float,
    tolerated: type[Exception] | tuple[()] = (),
) -> codec.Json:
    deadline = time.monotonic() + patience
    while True:
        last = time.monotonic() >= deadline
        try:
            data = look()
            if last or done(data):
                return data
        except tolerated:
            if last:
                raise
        time.sleep(_POLL)


def _late(status: facts.Status, max_wait: float) -> list[str]:
    sentences = []
    for destination in status.destinations:
        if destination.oldest_due_at is not None:  # what is held back for the line's sake is not late
            age = status.now - destination.oldest_due_at
            if age > max_wait:
                sentences.append(
                    f"The oldest object for {label(destination)} has waited for {duration(age)}."
                )
    return sentences


def _show(data: codec.Json, as_json: bool) -> None:
    if as_json:
        print_json(data)
        return
    status = codec.decode(facts.Status, data)
    say(status.headline, _LEVEL_STYLE.get(status.level, "bold"))
    for sentence in status.attention:
        if sentence not in status.headline:
            say(sentence, "red")
    say()
    _destinations(status)
    for sentence in [*_unverified(status), *_held_back(status)]:
        say(sentence)
    say()
    _sites(status)
    _spool(status.spool)
    _commitments(status.commitments)
    _steps(status.steps)
    _listeners(status)
    up = duration(status.now - status.started_at)
    say(f"{status.gateway} ({status.ae_title}), version {status.version}, running for {up}.")


def _destinations(status: facts.Status) -> None:
    columns = [
        Column("destination"),
        Column("link"),
        Column("for", right=True),
        Column("records", right=True),
        Column("images", right=True),
        Column("bulk", right=True),
        Column("oldest", right=True),
        Column("held", right=True),
        Column("delivered", right=True),
        Column("rate", right=True),
        Column("rtt", right=True),
        Column("loss", right=True),
        Column("done in", right=True),
        Column("next try", right=True),
        Column("why"),
    ]
    table(columns, [_destination(destination, status.now) for destination in status.destinations])


def _unverified(status: facts.Status) -> list[str]:
    """Accepted is not kept: say how much nobody has verified, and how long its bytes stay here."""
    return [
        f"Accepted, not verified: {count_of(one.unverified.count - one.at_hub, 'object')} at {label(one)}; "
        f"the bytes stay here {'until they are confirmed' if one.verified else 'for the retention time'}."
        for one in status.destinations
        if one.unverified.count > one.at_hub
    ]


def _held_back(status: facts.Status) -> list[str]:
    return [f"Held back for {label(one)}: {one.held_back}." for one in status.destinations if one.held_back]


def _sites(status: facts.Status) -> None:
    if not status.sites:
        return
    columns = [
        Column("site"),
        Column("link"),
        Column("for", right=True),
        Column("last contact", right=True),
        Column("waiting there", right=True),
        Column("oldest", right=True),
        Column("received", right=True),
        Column("rate", right=True),
        Column("rtt", right=True),
        Column("loss", right=True),
        Column("why"),
    ]
    table(columns, [_site(one, status.now) for one in status.sites])
    say()


def _site(one: SiteFacts, now: float) -> list[Cell | str]:
    waiting = "-"
    if one.waiting_objects:
        waiting = f"{one.waiting_objects} ({size(one.waiting_bytes or 0)})"
    received = f"{one.received_objects} ({size(one.received_bytes)})" if one.received_objects else "-"
    return [
        one.name,
        Cell("connected", "green") if one.connected else Cell("away", "red"),
        _age(one.since, now),
        _age(one.last_contact_at, now),
        waiting,
        _age(one.oldest_waiting_at, now),
        received,
        f"{size(one.bytes_per_second)}/s" if one.bytes_per_second else "-",
        "-" if one.rtt_seconds is None else duration(one.rtt_seconds),
        "-" if one.loss is None else f"{one.loss:.1%}",
        one.reason,
    ]


def _destination(one: facts.DestinationFacts, now: float) -> list[Cell | str]:
    link = "paused" if one.paused else one.link
    speed = one.throughput if one.throughput is not None else one.bytes_per_second
    rate = f"{size(speed)}/s" if speed else "-"
    return [
        label(one),
        Cell(link, _LINK_STYLE.get(link, "")),
        _age(one.link_since, now),
        _amount(one.waiting.record),
        _amount(one.waiting.image),
        _amount(one.waiting.bulk),
        _age(one.oldest_waiting_at, now),
        Cell(str(one.held.count or "-"), "red" if one.held.count else ""),
        str(one.delivered.count),
        rate,
        "-" if one.rtt_seconds is None else duration(one.rtt_seconds),
        "-" if one.loss is None else f"{one.loss:.1%}",
        "-" if one.eta_seconds is None else duration(one.eta_seconds),
        "-" if one.next_try_at is None else f"in {duration(one.next_try_at - now)}",
        one.link_reason,
    ]


def _amount(amount: facts.Amount) -> str:
    return f"{amount.count} ({size(amount.bytes)})" if amount.count else "-"


def _age(at: float | None, now: float) -> str:
    return "-" if at is None else duration(now - at)


def _spool(spool: facts.SpoolFacts) -> None:
    say(
        f"Spool: {count_of(spool.objects, 'object')} kept ({size(spool.bytes)}), "
        f"{size(spool.free_bytes)} free, "
        f"{size(min(spool.reserve_bytes, spool.free_bytes))} of it for treatment records only."
    )


def _commitments(totals: facts.CommitmentTotals) -> None:
    if totals != facts.CommitmentTotals():
        say(
            f"Storage commitment: {count_of(totals.open, 'request')} of consoles open, "
            f"{count_of(totals.reporting, 'result')} to be reported, "
            f"{count_of(totals.asked, 'question')} to destinations not answered yet."
        )


def _steps(totals: facts.StepTotals) -> None:
    if totals != facts.StepTotals():
        say(f"Procedure steps: {count_of(totals.queued, 'message')} waiting, {totals.held} held.")


def _listeners(status: facts.Status) -> None:
    for listener in status.listeners:
        tls = " with TLS" if listener.tls else ""
        say(
            f"Listener {listener.name}: {listener.address} port {listener.port}{tls}, "
            f"{count_of(listener.associations, 'association')}."
        )
