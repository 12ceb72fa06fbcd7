"""Mutants of what counts as proof that a centre has an object, and of when its bytes may go."""

from __future__ import annotations

from tests.durability.mutants.mutation import Edit, Mutant

_LIES = "tests/commitment/test_lies.py"

OF_CONFIRMATION = (
    Mutant(
        "a-uid-is-proof",
        "that a centre has an object under the UID proves nothing about its content",
        (Edit("commitment/judging.py", "    if not compare:\n", "    if True:\n"),),
        (f"{_LIES}::test_an_answer_with_an_older_object_holds_the_delivery",),
    ),
    Mutant(
        "a-commitment-is-proof",
        "what a centre commits to is compared before it counts, where it answers queries",
        (Edit("commitment/results.py", "                compare=self._compare,\n", ""),),
        (f"{_LIES}::test_a_centre_that_commits_an_older_object_is_found_out",),
    ),
    Mutant(
        "bytes-go-before-they-are-verified",
        "where everything is to be confirmed, bytes stay until it is",
        (
            Edit(
                "spool/retention.py",
                "        if delivery.state is DeliveryState.ACCEPTED and delivery.destination in keep:\n",
                "        if False:\n",
            ),
        ),
        ("tests/spool/test_retention.py::test_what_is_to_be_verified_stays_until_it_is_confirmed",),
    ),
    Mutant(
        "ages-by-the-wall-clock",
        "retention and history go by a clock that does not jump",
        (
            Edit(
                "spool/spool.py",
                "        now = self._age_clock() if now is None else now\n        total",
                "        now = self._wall_clock() if now is None else now\n        total",
            ),
        ),
        ("tests/spool/test_age_clock.py::test_a_jump_deletes_nothing_and_the_time_that_passes_does",),
    ),
)
