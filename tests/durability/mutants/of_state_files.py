"""Mutants of the small files beside the spool: pauses, configuration, the audit trail."""

from __future__ import annotations

from tests.durability.mutants.mutation import Edit, Mutant

_PAUSES = "delivery/pauses.py"
_DURABLE = "configuring/durable.py"
_AUDIT = "audit/segments.py"
_TESTS = "tests/durability/test_state_files.py::"
_PAUSE = (_TESTS + "test_a_pause_outlives_a_power_cut",)
_CONFIGURATION = (_TESTS + "test_a_configuration_is_the_old_or_the_new",)
_ENTRY = (_TESTS + "test_an_entry_of_the_audit_trail_is_there_once_it_is_written",)

OF_STATE_FILES = (
    Mutant(
        "pause-not-synced",
        "the file of pauses is synced before it takes the place of the old one",
        (Edit(_PAUSES, "            os.fsync(file.fileno())\n", ""),),
        _PAUSE,
    ),
    Mutant(
        "pause-overwritten-in-place",
        "the file of pauses is replaced, never written over",
        (
            Edit(_PAUSES, 'fresh = self._path.with_suffix(".new")', "fresh = self._path"),
            Edit(_PAUSES, "        fresh.replace(self._path)\n", ""),
        ),
        _PAUSE,
    ),
    Mutant(
        "name-of-a-pause-not-synced",
        "the state directory is synced after the file of pauses was replaced",
        (Edit(_PAUSES, "        _sync_names(self._path.parent)\n", ""),),
        _PAUSE,
    ),
    Mutant(
        "configuration-not-synced",
        "a configuration is synced before it takes the place of the old one",
        (Edit(_DURABLE, "        os.fsync(descriptor)\n    except", "        pass\n    except"),),
        _CONFIGURATION,
    ),
    Mutant(
        "name-of-a-configuration-not-synced",
        "the folder is synced after a configuration was replaced",
        (
            Edit(
                _DURABLE,
                "    fresh.replace(path)\n    sync_folder(path.parent)\n",
                "    fresh.replace(path)\n",
            ),
        ),
        _CONFIGURATION,
    ),
    Mutant(
        "end-of-a-configuration-not-synced",
        "the folder is synced after a configuration was removed",
        (Edit(_DURABLE, "        return\n    sync_folder(path.parent)\n", "        return\n"),),
        _CONFIGURATION,
    ),
    Mutant(
        "audit-entry-not-synced",
        "an entry of the audit trail is synced before it counts as written",
        (
            Edit(
                _AUDIT,
                "            os.fsync(fd)\n        except OSError:\n            self._give_up(fd)",
                "        except OSError:\n            self._give_up(fd)",
            ),
        ),
        _ENTRY,
    ),
    Mutant(
        "name-of-an-audit-file-not-synced",
        "the folder of the audit trail is synced after a file was made in it",
        (Edit(_AUDIT, "            _sync_names(self.folder)\n", ""),),
        _ENTRY,
    ),
    Mutant(
        "name-of-the-audit-trail-not-synced",
        "the directory above the audit trail is synced",
        (Edit(_AUDIT, "        _sync_names(self.folder.parent)\n", ""),),
        _ENTRY,
    ),
)
