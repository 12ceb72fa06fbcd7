"""Mutants of what a start decides, and of the rebuild of a damaged journal."""

from __future__ import annotations

from tests.durability.mutants.mutation import Edit, Mutant

_RECOVERY = "spool/recovery.py"
_PLACING = "spool/salvage/placing.py"
_CUT = "tests/durability/test_rebuild_cuts.py::test_a_rebuild_survives_a_power_cut_at_each_point"
_REBUILT = (f"{_CUT}[no-wal]",)
_REBUILT_WITH_A_WAL = (f"{_CUT}[a-wal]",)
_RESUMED = (f"{_CUT}[interrupted]",)
_START = "tests/spool/test_start_checks.py"

OF_RECOVERY = (
    Mutant(
        "decided-before-it-is-written-back",
        "what the WAL shows is written back, durably, before a start decides anything by it",
        (Edit(_RECOVERY, "        _write_back(db, closed=not tail_is_gone)\n", ""),),
        ("tests/durability/test_killed_then_cut.py::test_what_a_start_removes_is_gone_for_sure",),
    ),
    Mutant(
        "rebuilt-journal-not-synced",
        "a rebuilt journal is synced before it is called ready",
        (Edit(_PLACING, "        files.sync(descriptor)\n", "        pass\n"),),
        _REBUILT,
    ),
    Mutant(
        "ready-before-it-is-durable",
        "the name that says that a rebuild is complete is durable before the old journal is moved",
        (
            Edit(
                _PLACING,
                "    (directory / BUILDING).rename(directory / READY)\n    files.sync_directory(directory)\n",
                "    (directory / BUILDING).rename(directory / READY)\n",
            ),
        ),
        _REBUILT,
    ),
    Mutant(
        "old-journal-moved-without-a-sync",
        "the old journal is in its folder, durably, before the new one gets its name",
        (
            Edit(
                _PLACING,
                "    files.sync_directory(folder)\n    files.sync_directory(path.parent)\n",
                "",
            ),
        ),
        _RESUMED,
    ),
    Mutant(
        "new-journal-beside-the-old-wal",
        "the old WAL is out of the way before the new journal gets its name",
        (
            Edit(
                _PLACING,
                '    for ending in ("", *_BESIDE):\n        old =',
                '    for ending in ("",):\n        old =',
            ),
        ),
        _REBUILT_WITH_A_WAL,
    ),
    Mutant(
        "name-of-the-rebuilt-journal-not-synced",
        "the new journal's name is durable before the rebuild is said to be done",
        (
            Edit(
                _PLACING,
                "    (directory / READY).rename(directory / _JOURNAL)\n    files.sync_directory(directory)\n",
                "    (directory / READY).rename(directory / _JOURNAL)\n",
            ),
        ),
        _RESUMED,
    ),
    Mutant(
        "folder-for-the-old-journal-not-synced",
        "the folder for what is set aside is durable before anything is moved into it",
        (
            Edit(
                _PLACING,
                "    files.make_directory(directory / name)\n    files.sync_directory(directory)\n",
                "    files.make_directory(directory / name)\n",
            ),
        ),
        _RESUMED,
    ),
    Mutant(
        "running-not-said",
        "the journal says that there is a WAL, and how long it is, before the first object",
        (Edit(_RECOVERY, "        tail.mark_running(db, directory / JOURNAL)\n", ""),),
        (f"{_START}::test_a_wal_that_is_gone_or_cut_removes_no_object",),
    ),
    Mutant(
        "running-said-in-the-wal-alone",
        "the database itself says that there is a WAL: who loses the WAL would lose that, too",
        (Edit("spool/salvage/tail.py", '    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()\n', ""),),
        (f"{_START}::test_a_wal_that_is_gone_or_cut_removes_no_object",),
    ),
    Mutant(
        "closed-not-said",
        "the journal says that it is closed before its WAL is cut",
        (Edit("spool/journal.py", "        tail.mark_closed(self._db)\n", ""),),
        (f"{_START}::test_a_spool_that_was_closed_needs_no_wal",),
    ),
    Mutant(
        "files-without-rows-removed-with-the-wal-gone",
        "while a part of the WAL is missing, a file without a row is held for a person, not removed",
        (Edit(_RECOVERY, "        tail_is_gone = wal < wanted\n", "        tail_is_gone = False\n"),),
        (f"{_START}::test_a_wal_that_is_gone_or_cut_removes_no_object",),
    ),
    Mutant(
        "end-of-a-damaged-journal-dropped",
        "whole objects behind a damaged frame of the WAL are taken up again",
        (Edit(_RECOVERY, "        if stranded is not None:\n", "        if False:\n"),),
        (f"{_START}::test_objects_behind_a_damaged_frame_are_taken_up_again",),
    ),
    Mutant(
        "files-of-a-copied-spool-removed",
        "in a spool copied while it was in use, a file without a row is held for a person, not removed",
        (Edit(_RECOVERY, "keep_files = moved and wanted > 0\n", "keep_files = False\n"),),
        ("tests/spool/test_home.py::test_files_that_the_copy_of_the_journal_does_not_name_are_kept",),
    ),
    Mutant(
        "no-start-on-a-full-disk",
        "the ballast is given up when others have filled the disk, so that delivering goes on",
        (Edit("spool/opening.py", "        if not ballast.drop():\n", "        if True:\n"),),
        ("tests/spool/test_ballast.py::test_a_start_on_a_full_disk",),
    ),
)
