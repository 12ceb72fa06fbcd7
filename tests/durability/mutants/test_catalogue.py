"""The catalogue fits the sources, and leaves out no place where the spool syncs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.mutants.catalogue import CATALOGUE
from tests.durability.mutants.mutation import REPOSITORY, Edit, Mutant, Stale, apply

SPOOL = REPOSITORY / "gateway/spool"

_RULES = re.compile(
    r"\bos\.f(?:data)?sync\(|\.sync\(|\.sync_directory\(|PRAGMA synchronous|\bdurable=False|O_EXCL"
    r"|make_names_durable\(|wal_checkpoint|\.rename\(|\.replace\(self\._path"
)
"""What a line looks like on which something is made durable, is put in its place, or is said not to be."""

NO_RULE = {
    # Lines that need no mutant, and why.
    ("spool.py", "return await self._submit(work, durable=False)"): "a claim may be lost: queued again",
    ("spool.py", "await self._submit(self._journal.look_again, durable=False)"): "it changes nothing",
    (
        "spool.py",
        "self._journal.hand_in("
        "Request(self._journal.look_again, lambda _result, _error: None, durable=False))",
    ): "it changes nothing",
    (
        "commitment_methods.py",
        "partial(_look, look, destination, limit - len(found), after), durable=False",
    ): "what was looked at is looked at again",
    ("adoption.py", "shop.files.rename(path, target)"): "the sync of the directory after it has its mutant",
    ("files.py", "path.rename(other)"): "so it is for this",
    (
        "link_methods.py",
        "return await self._submit(partial(hub_news.taken, hub=hub), durable=False)",
    ): "it changes nothing",
    ("export.py", "files.sync(descriptor)"): "a copy for a person; the object stays where it is",
    (
        "files.py",
        "os.fdatasync(descriptor)",
    ): "after the zeros: the first commit would do it",
    ("recovery.py", "make_names_durable(files, directory, db)"): "what it does has its mutants",
    ("recovery.py", 'busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()'): "so has this",
    ("salvage/placing.py", "path.rename(folder / path.name)"): "the syncs after it have",
    (
        "salvage/rebuild.py",
        'db.execute("PRAGMA synchronous = OFF")  # it is worth nothing until it is complete, and synced then',
    ): "nothing of it counts before it is declared ready",
    ("salvage/rebuild.py", 'db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()'): "so does closing it",
    (
        "scrub_progress.py",
        "descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)",
    ): "how far a check has come: it begins anew when that is lost",
    ("recovery.py", 'db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()'): "an empty WAL to fill: time",
    ("journal.py", '_, wal, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()'): "room",
    ("journal.py", 'self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")'): "room: the WAL has it all",
}


@pytest.mark.parametrize("mutant", CATALOGUE, ids=lambda mutant: mutant.name)
def test_it_can_be_made(mutant: Mutant, tmp_path: Path) -> None:
    """Every text is there exactly once, and what comes of it can be compiled."""
    for edit in mutant.edits:
        target = tmp_path / edit.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / "gateway" / edit.file).read_bytes())
    apply(mutant, tmp_path)
    assert all(
        (tmp_path / edit.file).read_bytes() != (REPOSITORY / "gateway" / edit.file).read_bytes()
        for edit in mutant.edits
    )


def test_names_and_rules_are_told_apart() -> None:
    names = [mutant.name for mutant in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", name) for name in names)
    rules = [mutant.rule for mutant in CATALOGUE]
    assert len(set(rules)) == len(rules)


def test_every_one_names_what_catches_it() -> None:
    for mutant in CATALOGUE:
        assert mutant.caught_by, mutant.name
        for test in mutant.caught_by:
            assert (REPOSITORY / test.partition("::")[0]).is_file(), test


def test_a_text_that_is_not_there_exactly_once_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    for find in ("x = 1\n", "y = 1\n"):
        with pytest.raises(Stale):
            apply(Mutant("a-b", "", (Edit("a.py", find, ""),), ()), tmp_path)


def test_what_is_no_python_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("if x:\n    y()\n")
    with pytest.raises(Stale):
        apply(Mutant("a-b", "", (Edit("a.py", "    y()\n", ""),), ()), tmp_path)


def _places() -> Iterator[tuple[str, int, str]]:
    """Every line of the spool that makes something durable: file, line, text."""
    for path in sorted(SPOOL.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            code = line.partition("#")[0]
            if _RULES.search(code) and not code.lstrip().startswith(("def ", "import ", "from ", '"""')):
                yield str(path.relative_to(SPOOL)), number, line.strip()


def _touched(mutant: Mutant) -> Iterator[tuple[str, int]]:
    """The lines that a mutant changes: file, line."""
    for edit in mutant.edits:
        if not edit.file.startswith("spool/"):
            continue
        source = (REPOSITORY / "gateway" / edit.file).read_text(encoding="utf-8")
        first = source[: source.index(edit.find)].count("\n") + 1
        for line in range(first, first + edit.find.rstrip("\n").count("\n") + 1):
            yield edit.file.removeprefix("spool/"), line


def test_no_sync_of_the_spool_is_left_out() -> None:
    """A sync that somebody adds needs a mutant of its own, or a reason here why it has none."""
    touched = {place for mutant in CATALOGUE for place in _touched(mutant)}
    missing = [
        f"{file}:{line}: {text}"
        for file, line, text in _places()
        if (file, line) not in touched and (file, text) not in NO_RULE
    ]
    assert missing == []


def test_every_reason_is_about_a_line_that_is_there() -> None:
    assert set(NO_RULE) <= {(file, text) for file, _, text in _places()}
