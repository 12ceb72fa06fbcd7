"""Accounts: names, the rule of the last admin, and who can come back after a loss."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admin.access import users as module
from gateway.admin.access.permissions import Role
from gateway.admin.access.store import Store, StoreFailure
from gateway.admin.access.users import Account, Refusal, Refused, Users, clean_name, key_of


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path / "state")
    yield store
    store.close()


@pytest.fixture
def ended() -> list[int]:
    return []


@pytest.fixture
def users(store: Store, ended: list[int]) -> Users:
    return Users(store, changed=ended.append, clock=lambda: 1000.0)


async def admin(users: Users, name: str = "Anna") -> Account:
    return await users.make_admin(name, "hash of anna", used_code=b"code")


async def clinic(users: Users, name: str = "Ben", start_until: float | None = None) -> Account:
    return await users.add(name, Role.CLINIC, "hash of ben", by="Anna", start_until=start_until)


async def refused(reason: Refusal, change: object) -> None:
    with pytest.raises(Refused) as raised:
        await change  # type: ignore[misc]
    assert raised.value.reason is reason


async def test_the_first_admin_ends_set_up(users: Users, store: Store) -> None:
    assert not users.has_admin()
    assert store.first_start
    anna = await admin(users)
    assert (anna.role, anna.must_change, anna.created_at) == (Role.ADMIN, False, 1000.0)
    assert users.has_admin()
    assert not store.first_start
    assert store.meta(module.USED_CODE) == b"code"


async def test_a_set_up_code_makes_an_admin_of_anybody_and_ends_their_sessions(
    users: Users, ended: list[int]
) -> None:
    await admin(users)
    ben = await clinic(users, start_until=5.0)
    await users.disable(ben.number, True)
    again = await users.make_admin("BEN", "another hash", used_code=b"two")
    assert (again.number, again.name, again.role, again.disabled) == (ben.number, "Ben", Role.ADMIN, False)
    assert "another hash" in (again.password,)
    assert not again.must_change
    assert ended.count(ben.number) == 2


async def test_names_are_the_same_whatever_the_case_and_the_keyboard(users: Users) -> None:
    zoe = await clinic(users, "Zoë")
    assert users.find("ZOE\u0308") == zoe
    assert users.find("zoe") is None
    await refused(Refusal.NAME_TAKEN, clinic(users, "zoë"))


@pytest.mark.parametrize(
    "name",
    ["", "a", "x" * 41, "a\nb", "<b>anna</b>", "a  b", " ", "-anna", "an\u202ena", "a/b", "a\x00b", 'a"b'],
)
async def test_strange_names_are_refused(users: Users, name: str) -> None:
    await refused(Refusal.BAD_NAME, clinic(users, name))


@pytest.mark.parametrize("name", ["Zoë", "J. O'Brien", "maria-jose", "李小龙", "anna@clinic.example", "k2"])
def test_names_of_people_are_fine(name: str) -> None:
    assert clean_name(f" {name} ") == name


@given(st.text(max_size=200))
def test_every_name_that_is_kept_can_be_found_again(name: str) -> None:
    try:
        kept = clean_name(name)
    except Refused:
        return
    assert kept.isprintable()
    assert (
        key_of(kept) == key_of(name) == key_of(kept.upper().lower()) or kept.upper().lower() != kept.lower()
    )


async def test_users_are_bounded(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 2)
    await admin(users)
    await clinic(users)
    await refused(Refusal.TOO_MANY, clinic(users, "Carl"))


async def test_the_last_admin_stays(users: Users) -> None:
    anna = await admin(users)
    carla = await users.add("Carla", Role.ADMIN, "h", by="Anna", start_until=5000.0)  # has never signed in
    for change in (
        users.remove(anna.number),
        users.disable(anna.number, True),
        users.change_role(anna.number, Role.ENGINEER),
        users.reset(anna.number, "start", 5000.0),
    ):
        await refused(Refusal.LAST_ADMIN, change)
    assert users.get(anna.number) == anna
    await users.set_password(carla.number, "own")  # now there are two
    await users.change_role(anna.number, Role.ENGINEER)
    await refused(Refusal.LAST_ADMIN, users.remove(carla.number))


async def test_an_admin_who_cannot_sign_in_may_go(users: Users) -> None:
    await admin(users)
    carla = await users.add("Carla", Role.ADMIN, "h", by="Anna", start_until=5000.0)
    await users.remove(carla.number)
    assert users.find("Carla") is None


async def test_every_change_ends_the_sessions_in_the_same_transaction(
    users: Users, store: Store, ended: list[int]
) -> None:
    await admin(users)
    ben = await clinic(users)
    changes = (
        lambda: users.change_role(ben.number, Role.VIEWER),
        lambda: users.disable(ben.number, False),
        lambda: users.set_password(ben.number, "new"),
        lambda: users.reset(ben.number, "start", 9.0),
        lambda: users.remove(ben.number),
    )
    for change in changes:
        await store.write(
            lambda db: db.execute("INSERT INTO sessions VALUES (x'01', 'a', ?, 1, 1, '', '')", (ben.number,))
        )
        ended.clear()
        await change()
        assert store.read(lambda db: db.execute("SELECT count(*) FROM sessions").fetchone()) == (0,)
        assert ended == [ben.number]


async def test_what_is_gone_is_said(users: Users) -> None:
    await refused(Refusal.GONE, users.remove(77))
    await refused(Refusal.GONE, users.change_role(77, Role.ADMIN))
    await refused(Refusal.GONE, users.set_password(77, "x"))


async def test_a_number_is_never_given_twice(users: Users) -> None:
    await admin(users)
    ben = await clinic(users)
    await users.remove(ben.number)
    assert (await clinic(users, "Carl")).number > ben.number


async def test_a_rehash_does_not_undo_a_change_of_the_password(users: Users) -> None:
    ben = await clinic(users)
    await users.set_password(ben.number, "chosen meanwhile")
    assert "chosen meanwhile" in ((await users.rehash(ben, "hash of the old one")).password,)
    fresh = users.find("ben")
    assert fresh is not None
    assert "better" in ((await users.rehash(fresh, "better")).password,)


async def test_a_failed_change_ends_nobodys_session(
    users: Users, store: Store, ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = await clinic(users)

    async def full(work: object) -> None:
        raise StoreFailure("the disk is full")

    monkeypatch.setattr(store, "write", full)
    with pytest.raises(StoreFailure):
        await users.set_password(ben.number, "new")
    assert ended == []


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(st.tuples(st.sampled_from("radcs"), st.integers(1, 4), st.sampled_from(Role)), max_size=25)
)
async def test_whatever_is_done_an_admin_remains(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int, Role]]
) -> None:
    store = Store.open(tmp_path_factory.mktemp("state"))
    users = Users(store)
    await admin(users)
    for name in ("Ben", "Carla", "Dora"):
        await users.add(name, Role.ADMIN, "h", by="Anna", start_until=None)
    for what, number, role in moves:
        try:
            if what == "r":
                await users.remove(number)
            elif what == "a":
                await users.change_role(number, role)
            elif what == "d":
                await users.disable(number, True)
            elif what == "c":
                await users.disable(number, False)
            else:
                await users.reset(number, "start", 10.0)
        except Refused:
            pass
        assert users.has_admin()
    store.close()
