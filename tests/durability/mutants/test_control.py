"""Negative controls, the short form: the cheapest test of each mutant fails on it.

All tests of all mutants: `make torture ARGS="--only mutants"`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.durability.campaign import Tallies, Tally
from tests.durability.mutants.catalogue import CATALOGUE
from tests.durability.mutants.catching import Verdict, try_mutant
from tests.durability.mutants.control import Bench, complaint
from tests.durability.mutants.mutation import EXPLORED, Edit, Mutant, Stale
from tests.support import machine

pytestmark = [pytest.mark.fuse, pytest.mark.slow]


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One on which the mutants of this run are tried ahead, several at a time."""
    wanted = [
        item.callspec.params["mutant"]
        for item in request.session.items
        if item.module is request.module
        and "mutant" in getattr(getattr(item, "callspec", None), "params", ())
    ]
    with Bench() as bench:
        bench.begin((mutant, mutant.caught_by[0]) for mutant in wanted)
        yield bench


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", CATALOGUE, ids=lambda mutant: mutant.name)
def test_it_is_caught(mutant: Mutant, bench: Bench, tallies: Tallies) -> None:
    test = mutant.caught_by[0]
    wrong = complaint(mutant, test, bench.catch(mutant, test))
    assert not wrong, wrong
    tallies.add("mutants", Tally.of({"mutants caught": 1}))


@pytest.mark.timeout(300)
def test_the_unchanged_gateway_passes() -> None:
    """The short tests, all in one process, and the crash points of one history: run as on the mutants."""
    tests = sorted({mutant.caught_by[0] for mutant in CATALOGUE})
    explored = [test for test in tests if test.startswith(EXPLORED)]
    catch = try_mutant(None, [test for test in tests if test not in explored] + explored[:1])
    assert catch.verdict is Verdict.PASSED, catch.words


def test_a_change_that_matters_to_nobody_is_not_caught() -> None:
    """The machinery itself does not make a test fail."""
    harmless = Mutant(
        "only-a-comment",
        "",
        (Edit("spool/store.py", "    def top_up(self) -> None:\n", "    def top_up(self) -> None:  # .\n"),),
        (),
    )
    assert try_mutant(harmless, ["tests/spool/test_store.py"]).verdict is Verdict.PASSED


def test_a_test_that_cannot_be_run_has_caught_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = Mutant("no-change", "", (), ())
    missing = try_mutant(harmless, ["tests/spool/test_store.py::test_that_is_not_there"])
    assert missing.verdict is Verdict.BROKEN
    # One that cannot even be imported, as a refactoring may leave it.
    broken = Mutant(
        "import-fails", "", (Edit("spool/store.py", "PER_DIRECTORY = 1000\n", "PER_FOLDER = 1000\n"),), ()
    )
    assert try_mutant(broken, ["tests/spool/test_store.py"]).verdict is Verdict.BROKEN


def test_what_is_skipped_has_caught_nothing() -> None:
    harmless = Mutant("no-change", "", (), ())
    only_here = "tests/support/test_long_link.py"
    if machine.missing_root() is None:
        pytest.skip("root is here: nothing is skipped")
    assert try_mutant(harmless, [only_here]).verdict is Verdict.BROKEN


def test_a_mutant_that_does_not_fit_is_not_run() -> None:
    stale = Mutant("out-of-date", "", (Edit("spool/store.py", "no such text", ""),), ())
    with pytest.raises(Stale):
        try_mutant(stale, ["tests/spool/test_store.py"])
    assert os.environ.get("GATEWAY_MUTANT_COPY") is None
