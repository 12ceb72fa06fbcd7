"""The negative controls: every rule of the spool that keeps what was acknowledged, each taken away once.

A proof that passes on a gateway without one of these rules would prove nothing about that rule.
"""

from __future__ import annotations

from tests.durability.mutants.of_confirmation import OF_CONFIRMATION
from tests.durability.mutants.of_files import OF_FILES
from tests.durability.mutants.of_journal import OF_JOURNAL
from tests.durability.mutants.of_recovery import OF_RECOVERY
from tests.durability.mutants.of_state_files import OF_STATE_FILES

CATALOGUE = (*OF_FILES, *OF_JOURNAL, *OF_RECOVERY, *OF_STATE_FILES, *OF_CONFIRMATION)
