"""`dicom-gateway send`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.cli.direct import daemon_or_config
from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.options import json_option, socket_options
from gateway.cli.output import Cell, Column, console, hint, on_terminal, print_json, say, table
from gateway.operator import codec, facts
from gateway.operator.client import ApiProblem
from gateway.operator.control import NotAnObject
from gateway.operator.words import count_of, duration, size

_PIECE = 256 * 1024
_PREFIX_AT = 128

Send = Callable[[str, int, Iterable[bytes]], codec.Json]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class _Result:
    file: _File
    report: facts.SendReport | None  # None: it did not come to sending
    words: str

    @property
    def ok(self) -> bool:
        return self.report is not None and self.report.ok


@click.command(
    name="send",
    epilog="\b\nExamples:\n  dicom-gateway send oncology plan.dcm images/"
    "\n  dicom-gateway send oncology records/ --config gateway.toml   # works without a running gateway, too",
)
@click.argument("peer")
@click.argument("files", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@socket_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    peer: str,
    files: tuple[Path, ...],
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Send DICOM files, and all those in folders, straight to PEER (its name in the configuration).

    The files are passed on byte for byte, past the queue: what the peer refuses is reported, and not tried
    again. Through the running gateway; where none runs and --config is given, from here. Exit code 5 when the
    peer refused a file, 1 when a file could not be read.
    """
    found, skipped = _collect(files)
    if skipped:
        hint(f"Left out, because they are not DICOM: {count_of(skipped, 'file')}.")
    if not found:
        raise Failure("there is no DICOM file to send")
    started = time.monotonic()
    results = daemon_or_config(
        socket,
        config,
        lambda client: _send_all(peer, found, client.send, quiet=as_json),
        lambda direct: _send_all(peer, found, direct.send, quiet=as_json),
    )
    if as_json:
        print_json([_facts(result) for result in results])
    else:
        _summarise(peer, results, time.monotonic() - started)
    if any(result.report is None for result in results):
        ctx.exit(ExitCode.FAILURE)
    if not all(result.ok for result in results):
        ctx.exit(ExitCode.PEER)


def _collect(paths: Iterable[Path]) -> tuple[list[_File], int]:
    """Return the files to send in a stable order, and how many in folders were no DICOM files."""
    found = []
    skipped = 0
    for path in paths:
        if not path.is_dir():
            found.append(_File(path, path.stat().st_size))
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                inside = Path(folder, name)
                if _is_dicom(inside):
                    found.append(_File(inside, inside.stat().st_size))
                else:
                    skipped += 1
    return found, skipped


def _is_dicom(path: Path) -> bool:
    if not path.is_file():
        return False  # a socket, a pipe, a link to nowhere
    try:
        with path.open("rb") as file:
            return file.read(_PREFIX_AT + 4)[_PREFIX_AT:] == b"DICM"
    except OSError:
        return True  # reported when it is its turn


def _send_all(peer: str, files: list[_File], send: Send, *, quiet: bool) -> list[_Result]:
    results = []
    with _progress(files, quiet=quiet) as advance:
        for file in files:
            results.append(_send_one(peer, file, send, advance))
            if not quiet and not results[-1].ok:
                hint(f"{file.path}: {results[-1].words}")
    return results


def _send_one(peer: str, file: _File, send: Send, advance: Callable[[int], None]) -> _Result:
    try:
        report = codec.decode(facts.SendReport, send(peer, file.size, _pieces(file, advance)))
    except OSError as error:
        return _Result(file, None, f"cannot be read: {error.strerror}")
    except NotAnObject as error:
        return _Result(file, None, str(error))
    except ApiProblem as error:
        if error.details.status != 422:  # anything else would happen to every file
            raise
        return _Result(file, None, str(error))
    return _Result(file, report, report.words)


def _pieces(file: _File, advance: Callable[[int], None]) -> Iterator[bytes]:
    left = file.size
    with file.path.open("rb") as stream:
        while left:
            piece = stream.read(min(_PIECE, left))
            if not piece:
                raise OSError(0, "the file became shorter while it was read")
            left -= len(piece)
            yield piece
            advance(len(piece))


@contextmanager
def _progress(files: list[_File], *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with every amount of bytes that was passed on."""
    if quiet or not on_terminal():
        yield lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(), transient=True) as progress:
        task = progress.add_task("sending", total=sum(file.size for file in files))
        yield lambda amount: progress.advance(task, amount)


def _facts(result: _Result) -> codec.Json:
    return {
        "file": str(result.file.path),
        "ok": result.ok,
        "words": result.words,
        "report": codec.encode(result.report),
    }


def _summarise(peer: str, results: list[_Result], seconds: float) -> None:
    sent = [result for result in results if result.ok]
    failed = [result for result in results if not result.ok]
    amount = sum(result.file.size for result in sent)
    rate = f", {size(amount / seconds)}/s" if seconds > 0 else ""
    say(
        f"{peer} accepted {len(sent)} of {count_of(len(results), 'file')} "
        f"({size(amount)} in {duration(seconds)}{rate}).",
        "bold green" if not failed else "bold red",
    )
    kinds: dict[str, list[_Result]] = {}
    for result in sent:
        kinds.setdefault(result.report.sop_class if result.report else "", []).append(result)
    rows: list[list[Cell | str]] = [
        [Cell("accepted", "green"), kind, str(len(of)), size(sum(r.file.size for r in of))]
        for kind, of in sorted(kinds.items())
    ]
    reasons: dict[str, list[_Result]] = {}
    for result in failed:
        reasons.setdefault(result.words, []).append(result)
    rows += [
        [Cell("failed", "red"), words, str(len(of)), size(sum(r.file.size for r in of))]
        for words, of in sorted(reasons.items())
    ]
    table([Column(""), Column("what"), Column("files", right=True), Column("size", right=True)], rows)
