"""Mutants of the journal: what is committed how, in which order, and what recovery makes of it."""

from __future__ import annotations

from tests.durability.mutants.mutation import Edit, Mutant, explored

_JOURNAL = "spool/journal.py"
_RECOVERY = "spool/recovery.py"
_SCHEMA = "spool/schema.py"
_TRANSACTION = "spool/transaction.py"
_COMMIT = '            arrivals.follow(tx)\n            db.execute("COMMIT")\n'

OF_JOURNAL = (
    Mutant(
        "commits-not-synced",
        "a commit returns after the sync of the WAL (synchronous FULL)",
        (
            Edit(
                _SCHEMA,
                'db.execute("PRAGMA synchronous = FULL")',
                'db.execute("PRAGMA synchronous = NORMAL")',
            ),
        ),
        (explored("small"),),
    ),
    Mutant(
        "put-after-a-claim-not-synced",
        "the level is raised to FULL again after a claim has lowered it",
        (
            Edit(
                _JOURNAL, "        if full is not self._synced:\n", "        if self._synced and not full:\n"
            ),
        ),
        (
            "tests/spool/test_journal.py::test_a_claim_does_not_wait_for_the_disk_and_a_put_does",
            explored("deliver"),
        ),
    ),
    Mutant(
        "one-claim-keeps-the-batch-from-being-synced",
        "a transaction with anything in it that must be durable is synced",
        (
            Edit(
                _JOURNAL,
                "any(request.durable for request in requests)",
                "all(request.durable for request in requests)",
            ),
        ),
        ("tests/spool/test_journal.py::test_one_claim_does_not_keep_what_waits_with_it_from_being_synced",),
    ),
    Mutant(
        "claims-without-any-sync",
        "a claim leaves out the sync of its commit, not those that keep WAL and database in order (NORMAL)",
        (Edit(_JOURNAL, '"PRAGMA synchronous = NORMAL"', '"PRAGMA synchronous = OFF"'),),
        (
            "tests/spool/test_journal.py::test_a_claim_does_not_wait_for_the_disk_and_a_put_does",
            explored("checkpoints"),
        ),
    ),
    Mutant(
        "answered-before-the-commit",
        "whoever waits is answered after the commit",
        (
            Edit(
                _JOURNAL,
                _COMMIT,
                "            arrivals.follow(tx)\n"
                "            self._around.deliver(Batch(results=batch.results))\n"
                '            batch.results = []\n            db.execute("COMMIT")\n',
            ),
        ),
        ("tests/spool/test_journal.py::test_a_failed_commit_fails_everyone_who_waits", explored("small")),
    ),
    Mutant(
        "files-removed-before-the-commit",
        "a file is removed after the commit that says so, not before it",
        (
            Edit(
                _JOURNAL,
                _COMMIT,
                "            arrivals.follow(tx)\n            for number in tx.doomed:\n"
                "                self._around._store.remove(number)  # type: ignore[attr-defined]\n"
                '            db.execute("COMMIT")\n',
            ),
        ),
        (explored("retention"),),
    ),
    Mutant(
        "file-removed-though-its-row-may-be-there",
        "after a commit that failed, a file is removed only when no row names it",
        (
            Edit(
                _JOURNAL,
                'if not self._db.execute("SELECT 1 FROM objects WHERE file = ?", (number,)).fetchone():',
                "if number is not None:",
            ),
        ),
        ("tests/spool/test_journal.py::test_a_commit_that_failed_but_reached_the_disk_keeps_its_bytes",),
    ),
    Mutant(
        "failed-database-used-on",
        "after a commit that failed the database is opened anew, so that the WAL is recovered",
        (
            Edit(
                _JOURNAL,
                "            if not full:\n                self._reopen()\n            elif self._db",
                "            if self._db",
            ),
        ),
        ("tests/spool/test_journal.py::test_readers_do_not_keep_a_failed_database_open",),
    ),
    Mutant(
        "names-not-synced-after-opening-anew",
        "the names of journal and WAL are made durable again when the database was opened anew",
        (Edit(_JOURNAL, "        make_names_durable(self._files, self._directory, self._db)\n", ""),),
        ("tests/spool/test_journal.py::test_names_are_durable_again_when_the_database_was_opened_anew",),
    ),
    Mutant(
        "names-of-the-journal-not-synced",
        "the spool directory is synced before the first object",
        (Edit(_RECOVERY, "    files.sync_directory(directory)\n", ""),),
        (
            "tests/spool/test_recovery.py::test_names_of_the_journal_are_durable_before_it_is_used",
            explored("first-start"),
        ),
    ),
    Mutant(
        "zeros-before-the-cut-is-durable",
        "that the WAL was cut is durable before zeros are written into it",
        (
            Edit(
                "spool/files.py",
                "            os.fdatasync(descriptor)\n            zeros = ",
                "            zeros = ",
            ),
        ),
        ("tests/spool/test_wal_ready.py::test_that_the_wal_is_empty_is_durable_before_the_first_zero",),
    ),
    Mutant(
        "wal-with-contents-overwritten",
        "only an empty WAL is filled with zeros",
        (
            Edit(
                "spool/files.py", "            if os.fstat(descriptor).st_size:\n                return\n", ""
            ),
        ),
        ("tests/spool/test_wal_ready.py::test_a_wal_with_contents_is_left_alone",),
    ),
    Mutant(
        "migration-in-pieces",
        "each step of a migration is one transaction",
        (
            Edit(_SCHEMA, 'f"BEGIN IMMEDIATE; {migrations[step]}; ', 'f"{migrations[step]}; '),
            Edit(_SCHEMA, '{step + 1}; COMMIT;"', '{step + 1};"'),
        ),
        (
            "tests/spool/test_schema.py::test_a_step_that_fails_leaves_the_version_before_it",
            explored("migration"),
        ),
    ),
    Mutant(
        "recovery-in-pieces",
        "what recovery says of a missing object is one transaction",
        (
            Edit(
                _RECOVERY,
                '    tx.write("BEGIN IMMEDIATE")\n    try:\n        yield\n    except BaseException:\n'
                '        tx.write("ROLLBACK")\n        raise\n    tx.write("COMMIT")\n',
                "    yield\n",
            ),
        ),
        (
            "tests/spool/test_recovery.py::test_a_start_that_fails_while_it_says_what_is_missing_has_said_nothing",
        ),
    ),
    Mutant(
        "recovery-removes-files-that-rows-name",
        "recovery removes files that no row names, and no others",
        (Edit(_RECOVERY, "for number in sorted(present - named):", "for number in sorted(present):"),),
        ("tests/spool/test_recovery.py::test_everything_is_there_again",),
    ),
    Mutant(
        "sending-left-as-it-was",
        "what was being sent when the process ended is queued again",
        (Edit(_RECOVERY, "        requeued = _requeue(tx)\n", "        requeued = 0\n"),),
        ("tests/spool/test_recovery.py::test_sending_is_queued_again",),
    ),
    Mutant(
        "missing-file-not-held",
        "a row without its file is held, with an alarm",
        (
            Edit(
                _RECOVERY,
                "                for number in gone:\n",
                "                for number in gone[:0]:\n",
            ),
        ),
        ("tests/spool/test_recovery.py::test_a_missing_file_holds_what_was_not_delivered",),
    ),
    Mutant(
        "bytes-deleted-while-somebody-needs-them",
        "bytes stay until every delivery of the object is finished",
        (
            Edit(
                _TRANSACTION,
                "if any(one.state not in states.FINISHED for one in self.deliveries_of(object_number)):",
                "if not self.deliveries_of(object_number):",
            ),
        ),
        ("tests/spool/test_retention.py::test_bytes_stay_until_every_destination_has_them",),
    ),
    Mutant(
        "settlements-not-synced",
        "a settlement is durable when it returns",
        (
            Edit(
                "spool/spool.py",
                "partial(deliveries.settle, outcomes=tuple(outcomes)))",
                "partial(deliveries.settle, outcomes=tuple(outcomes)), durable=False)",
            ),
        ),
        (explored("deliver"),),
    ),
)
