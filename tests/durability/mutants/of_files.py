"""Mutants of what is done with files and directories: object files, their names, the spool's own names."""

from __future__ import annotations

from tests.durability.mutants.mutation import Edit, Mutant, explored

_OBJECT_FILE = "spool/object_file.py"
_STORE = "spool/store.py"
_FILES = "spool/files.py"
_RECOVERY = "spool/recovery.py"
_LOCKING = "spool/locking.py"
_SYNC = "            self._shop.files.sync(descriptor)\n"
_SYNC_ROOT = "            self._files.sync_directory(self._root)\n"

OF_FILES = (
    Mutant(
        "object-file-not-synced",
        "an object file is synced before its row is committed",
        (Edit(_OBJECT_FILE, _SYNC, ""),),
        ("tests/spool/test_object_file.py::test_written_then_synced_then_committed", explored("file")),
    ),
    Mutant(
        "object-file-synced-after-its-row",
        "the sync of the file comes before the commit of the row, not after it",
        (
            Edit(
                _OBJECT_FILE,
                "import hashlib\nimport threading\n",
                "import hashlib\nimport os\nimport threading\n",
            ),
            Edit(
                _OBJECT_FILE,
                _SYNC,
                "            threading.Timer(1, os.fdatasync, [os.dup(descriptor)]).start()\n",
            ),
        ),
        ("tests/spool/test_object_file.py::test_written_then_synced_then_committed", explored("file")),
    ),
    Mutant(
        "object-file-written-after-its-sync",
        "nothing is written to an object file after its sync",
        (
            Edit(
                _OBJECT_FILE,
                "            for chunk in chunks:\n                self._write(descriptor, chunk)\n"
                "            if not ending:\n",
                "            if not ending:\n                for chunk in chunks:\n"
                "                    self._write(descriptor, chunk)\n",
            ),
            Edit(
                _OBJECT_FILE,
                _SYNC,
                _SYNC + "            for chunk in chunks:\n                self._write(descriptor, chunk)\n",
            ),
        ),
        ("tests/spool/test_object_file.py::test_written_then_synced_then_committed", explored("file")),
    ),
    Mutant(
        "failed-sync-tried-again",
        "a sync that failed is never tried again on the same file: it would say that all is well",
        (
            Edit(
                _OBJECT_FILE,
                _SYNC,
                "            try:\n                self._shop.files.sync(descriptor)\n"
                "            except OSError:\n                self._shop.files.sync(descriptor)\n",
            ),
        ),
        ("tests/spool/test_intake.py::test_a_failed_sync_is_never_repeated",),
    ),
    Mutant(
        "failed-sync-ignored",
        "a sync that failed ends the object with a failure",
        (
            Edit(
                _OBJECT_FILE,
                _SYNC,
                "            with contextlib.suppress(OSError):\n    " + _SYNC,
            ),
        ),
        ("tests/spool/test_intake.py::test_a_failed_sync_is_never_repeated",),
    ),
    Mutant(
        "file-of-a-failed-object-used-again",
        "a file is used for one object only, also when that object failed",
        (
            Edit(
                _OBJECT_FILE,
                "            self._shop.files.close(descriptor)\n        with contextlib.suppress(OSError):\n"
                "            self._shop.store.remove(number)\n",
                "            self._shop.files.close(descriptor)\n"
                "        self._shop.store._spares.appendleft(number)\n",
            ),
        ),
        ("tests/spool/test_object_file.py::test_the_file_of_an_object_that_failed_is_not_used_for_another",),
    ),
    Mutant(
        "short-write-taken-for-whole",
        "what a short write left over is written",
        (Edit(_OBJECT_FILE, "            view = view[count:]\n", "            view = view[len(view) :]\n"),),
        ("tests/spool/test_intake.py::test_short_writes_are_continued",),
    ),
    Mutant(
        "row-before-the-hash-is-whole",
        "the row waits for the digest of everything that was written",
        (
            Edit(
                _OBJECT_FILE,
                "            hashed.wait()  # the disk and a core have worked side by side\n",
                "",
            ),
        ),
        ("tests/spool/test_hash_beside_sync.py::test_a_hash_that_is_slower_than_the_disk_is_waited_for",),
    ),
    Mutant(
        "names-of-spares-not-synced",
        "the directory is synced after spares were made in it",
        (Edit(_STORE, "                self._files.sync_directory(folder)\n", ""),),
        ("tests/spool/test_store.py::test_names_are_durable_before_a_file_is_used", explored("file")),
    ),
    Mutant(
        "spare-offered-before-its-name-is-durable",
        "a spare is offered after the sync of its directory, not before it",
        (
            Edit(
                _STORE,
                "                self._files.sync_directory(folder)\n",
                "                self._spares.extend(made)\n"
                "                self._files.sync_directory(folder)\n",
            ),
            Edit(_STORE, "        self._spares.extend(numbers)\n", ""),
        ),
        ("tests/spool/test_store.py::test_a_file_whose_name_may_not_be_durable_is_never_used",),
    ),
    Mutant(
        "name-of-a-new-directory-not-synced",
        "objects/ is synced after a directory was made in it",
        (Edit(_STORE, _SYNC_ROOT, ""),),
        ("tests/spool/test_store.py::test_names_are_durable_before_a_file_is_used", explored("killed-files")),
    ),
    Mutant(
        "new-directory-trusted-before-its-sync",
        "a directory counts as durable after the sync of objects/, not before it",
        (
            Edit(
                _STORE,
                "                self._make_folder(folder)\n                self._ready = {directory}\n",
                "                self._ready = {directory}\n                self._make_folder(folder)\n",
            ),
        ),
        ("tests/spool/test_store.py::test_a_directory_whose_name_was_not_synced_is_made_anew",),
    ),
    Mutant(
        "failed-sync-of-a-directory-tried-again",
        "a directory whose name could not be synced is made anew: a second sync would say that all is well",
        (
            Edit(
                _STORE,
                "                self._files.remove_directory(folder)\n            raise\n",
                "                pass\n            raise\n",
            ),
        ),
        ("tests/spool/test_store.py::test_a_directory_whose_name_was_not_synced_is_made_anew",),
    ),
    Mutant(
        "directory-found-is-trusted",
        "a directory that is there already, from a run that ended in between, is synced all the same",
        (
            Edit(
                _STORE,
                "                self._files.make_directory(folder)\n" + _SYNC_ROOT,
                "                self._files.make_directory(folder)\n    " + _SYNC_ROOT,
            ),
        ),
        ("tests/spool/test_store.py::test_a_directory_that_a_crash_left_is_synced_all_the_same",),
    ),
    Mutant(
        "spare-used-twice",
        "a spare is for one object",
        (Edit(_STORE, "self._spares.popleft()\n            except", "self._spares[0]\n            except"),),
        ("tests/spool/test_store.py::test_spares_cost_one_directory_sync_for_all",),
    ),
    Mutant(
        "numbers-of-files-begin-anew",
        "a new file gets a number above that of every file that is there",
        (Edit(_RECOVERY, "store.number_from(found.last_file + 1)", "store.number_from(0)"),),
        ("tests/spool/test_recovery.py",),
    ),
    Mutant(
        "numbers-of-missing-files-given-again",
        "a new file gets a number above that of every row, also where the file is missing",
        (Edit(_RECOVERY, "        found.last_file = max(found.last_file, rows[-1][0])\n", ""),),
        ("tests/spool/test_recovery.py::test_a_missing_object_that_is_sent_again_is_delivered",),
    ),
    Mutant(
        "file-made-over-another",
        "a new file is made only where there is none (O_EXCL)",
        (
            Edit(
                _FILES,
                "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600",
                "os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600",
            ),
        ),
        ("tests/spool/test_files.py::test_a_file_is_never_made_over_another",),
    ),
    Mutant(
        "lost-spare-made-anew",
        "a spare whose name is gone is not made again in passing: that name would not be durable",
        (
            Edit(
                _FILES,
                "return os.open(path, os.O_WRONLY | os.O_CLOEXEC)",
                "return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)",
            ),
        ),
        ("tests/spool/test_files.py::test_a_file_that_is_gone_is_not_made_in_passing",),
    ),
    Mutant(
        "sync-does-nothing",
        "syncing a file reaches the disk (fdatasync)",
        (
            Edit(
                _FILES,
                'after it failed."""\n        os.fdatasync(descriptor)\n',
                'after it failed."""\n        del descriptor\n',
            ),
        ),
        ("tests/spool/test_files.py::test_syncs_reach_the_kernel", explored("file")),
    ),
    Mutant(
        "directory-sync-does-nothing",
        "syncing a directory reaches the disk (fsync)",
        (Edit(_FILES, "            os.fsync(descriptor)\n", "            pass\n"),),
        ("tests/spool/test_files.py::test_syncs_reach_the_kernel", explored("killed-files")),
    ),
    Mutant(
        "name-of-the-spool-not-synced",
        "the directory above the spool is synced when the spool is made",
        (
            Edit(
                _LOCKING,
                "    try:\n        files.sync_directory(directory.parent)\n    except OSError:\n",
                "    try:\n        pass\n    except OSError:\n",
            ),
        ),
        (
            "tests/spool/test_locking.py::test_its_name_is_durable_even_when_an_earlier_start_made_it",
            explored("first-start"),
        ),
    ),
    Mutant(
        "name-of-a-found-spool-not-synced",
        "the directory above the spool is synced at each start: who made the spool may have ended before",
        (
            Edit(
                _LOCKING,
                "            files.sync_directory(directory.parent)\n        return\n",
                "            pass\n        return\n",
            ),
        ),
        (
            "tests/spool/test_locking.py::test_its_name_is_durable_even_when_an_earlier_start_made_it",
            explored("killed-new"),
        ),
    ),
    Mutant(
        "failed-sync-of-the-spools-name-tried-again",
        "a spool whose name could not be synced is made anew at the next start",
        (Edit(_LOCKING, "            files.remove_directory(directory)\n", "            pass\n"),),
        ("tests/spool/test_locking.py::test_a_name_that_was_not_synced_is_made_anew_by_the_next_start",),
    ),
    Mutant(
        "name-of-the-state-folder-not-synced",
        "the folders above the state directory are synced at each start",
        (Edit("state_folder.py", "        os.fsync(descriptor)\n", "        pass\n"),),
        ("tests/test_state_folder.py",),
    ),
    Mutant(
        "two-processes-at-once",
        "one process has the spool open",
        (Edit(_FILES, "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB"),),
        ("tests/spool/test_files.py::test_a_lock_is_for_one",),
    ),
    Mutant(
        "size-not-looked-at",
        "a file that does not have its size any more is not offered for delivery",
        (
            Edit(
                "spool/reader.py",
                "    if size != where.data_offset + where.object.size:\n",
                "    if size < 0:\n",
            ),
        ),
        ("tests/spool/test_reader.py",),
    ),
    Mutant(
        "name-of-an-adopted-file-not-synced",
        "an object that gathered outside has a durable name among the objects before its row is committed",
        (Edit("spool/adoption.py", "        shop.files.sync_directory(target.parent)\n", ""),),
        ("tests/spool/test_adoption.py::test_its_name_is_durable_before_its_row",),
    ),
    Mutant(
        "gathered-bytes-not-synced",
        "what came from a site in pieces is synced before it becomes an object of the hub",
        (Edit("link/objects/partials.py", "        await self._partials.run(self._file.sync)\n", ""),),
        ("tests/link/objects/test_partials.py::test_it_is_synced_now_and_then_and_before_it_is_kept",),
    ),
)
