"""From answers to answers: which changes the text of a configuration needs.

Only what is answered otherwise than before is written. So comments, sections that the wizard does not know,
and keys that somebody set by hand stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.admin.installing.answers import Answers, Centre, Console, Tls
from gateway.config.editing import Edit, Value, edited


def candidate(texts: Mapping[str, str], before: Answers, after: Answers, main: str) -> dict[str, str]:
    """Return the files with everything written that `after` says otherwise than `before`. NotEditable."""
    return edited(texts, edits(before, after), main=main)


def edits(before: Answers, after: Answers) -> Iterator[Edit]:
    """Yield the changes, those to what is there first, then what is new, then what goes."""
    named = _changed(
        {"name": before.gateway, "ae_title": before.ae_title},
        {"name": after.gateway, "ae_title": after.ae_title},
    )
    if named:
        yield Edit("gateway", named)
    yield from _listener(before, after)
    yield from _centres(before, after)
    yield from _consoles(before, after)
    yield from _routes(before, after)


def _listener(before: Answers, after: Answers) -> Iterator[Edit]:
    if not after.address:
        return
    there = bool(before.address)
    old = _listening(before) if there else {}
    new = _listening(after)
    if changed := _changed(old, new) if there else _given(new):
        yield Edit("listener", changed, name=after.listener)


def _listening(answers: Answers) -> dict[str, Value]:
    return {"address": answers.address, "port": answers.port, "allow": list(answers.allow) or None}


def _centres(before: Answers, after: Answers) -> Iterator[Edit]:
    for centre in after.centres:
        old = before.centre(centre.name)
        if old is None:
            yield Edit("peer", _given(_peer(centre)), name=centre.name)
        elif changed := _changed(_peer(old), _peer(centre)):
            yield Edit("peer", changed, name=centre.name)
    for old in before.centres:
        if after.centre(old.name) is None and all(old.name != console.name for console in after.consoles):
            yield Edit("peer", {}, name=old.name, remove=True)


def _peer(centre: Centre) -> dict[str, Value]:
    return {
        "ae_title": centre.ae_title,
        "host": centre.host,
        "port": centre.port,
        "calling_ae": centre.calling_ae or None,
        "commitment": centre.commitment if centre.commitment != "on-request" else None,
        "tls": _tls(centre.tls),
    }


def _tls(tls: Tls | None) -> Value:
    if tls is None:
        return None
    return {
        "certificate": tls.certificate,
        "key": tls.key,
        "ca": tls.ca,
        "server_name": tls.server_name or None,
    }


def _consoles(before: Answers, after: Answers) -> Iterator[Edit]:
    """Consoles that something is sent down to are peers; the others are titles in the routes only."""
    old = {console.name: console for console in before.consoles if console.host}
    new = {console.name: console for console in after.consoles if console.host}
    for name, console in new.items():
        if name not in old:
            yield Edit("peer", _dialled(console), name=name)
        elif changed := _changed(_dialled(old[name]), _dialled(console)):
            yield Edit("peer", changed, name=name)
    for name in old:
        if name not in new and after.centre(name) is None:
            yield Edit("peer", {}, name=name, remove=True)


def _dialled(console: Console) -> dict[str, Value]:
    return {"ae_title": console.ae_title, "host": console.host, "port": console.port}


def _routes(before: Answers, after: Answers) -> Iterator[Edit]:
    down_before, down_after = _down(before), _down(after)
    old, new = before.called(), after.called()
    for called in (*old, *down_before):
        if called not in new and called not in down_after:
            yield Edit("route", {}, name=called, remove=True)
    callers = _callers(after)
    told = after.callers != "as-is" and (before.callers == "as-is" or callers != _callers(before))
    for called, to in new.items():
        if called not in old:
            # Whoever the new route is for, it is not for everybody when others are for some.
            listed = list(after.titles()) if after.callers != "everybody" and after.titles() else None
            yield Edit("route", _given({"to": list(to), "calling": listed}), name=called)
            continue
        values: dict[str, Value] = {} if set(to) == set(old[called]) else {"to": list(to)}
        if told:
            values["calling"] = list(callers) if callers is not None else None
        if values:
            yield Edit("route", values, name=called)
    for called, name in down_after.items():
        if down_before.get(called) != name:
            yield Edit("route", {"to": [name], "mode": "relay"}, name=called)


def _down(answers: Answers) -> dict[str, str]:
    return {one.ae_title: one.name for one in answers.consoles if one.down and one.host}


def _callers(answers: Answers) -> tuple[str, ...] | None:
    """Return who may send, sorted; None: everybody, or nobody is named yet."""
    return tuple(sorted(answers.titles())) or None if answers.callers == "listed" else None


def _given(values: Mapping[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in values.items() if value is not None}


def _changed(old: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in new.items() if value != old.get(key)}
