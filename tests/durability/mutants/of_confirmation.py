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
                "            delivery.destination in keep or waiting == WAIT_AT_HUB\n",
                "            waiting == WAIT_AT_HUB\n",
            ),
        ),
        ("tests/spool/test_retention.py::test_what_is_to_be_verified_stays_until_it_is_confirmed",),
    ),
    Mutant(
        "bytes-go-while-only-the-hub-has-them",
        "the bytes of an object stay until the centre behind a hub has it",
        (
            Edit(
                "spool/retention.py",
                "            delivery.destination in keep or waiting == WAIT_AT_HUB\n",
                "            delivery.destination in keep\n",
            ),
        ),
        ("tests/spool/test_hub_news.py::test_bytes_stay_until_the_destination_has_them",),
    ),
    Mutant(
        "a-hub-takes-other-bytes",
        "a hub gives its receipt for the bytes that were offered, and for no others",
        (
            Edit(
                "link/objects/receiver.py",
                "            if one.digest() != one.offer.digest:\n",
                "            if False:\n",
            ),
        ),
        ("tests/link/objects/test_receiver.py::test_a_content_that_stays_wrong_is_never_kept",),
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
