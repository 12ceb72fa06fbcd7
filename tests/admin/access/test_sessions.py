"""Sessions: they end when they should, at once, and survive what they should."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.admin.access.permissions import Role
from gateway.admin.access.sessions import MAX_PER_USER, Changed, Session, Sessions, csrf_of, digest_of
from gateway.admin.access.store import DATABASE, Store, StoreFailure
from gateway.admin.access.users import Account, Users

IDLE, LONGEST = 600.0, 3600.0


class Clock:
    def __init__(self) -> None:
        self.steady = 50.0
        self.wall = 1_000_000.0

    def on(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


class Room:
    """A store with users and sessions, which can be closed and opened again."""

    def __init__(self, folder: Path, most: int = 30) -> None:
        self.folder = folder
        self.clock = Clock()
        self.most = most
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.folder)
        self.sessions = Sessions(
            self.store,
            idle=IDLE,
            longest=LONGEST,
            most=self.most,
            clock=lambda: self.clock.steady,
            wall=lambda: self.clock.wall,
        )
        self.users = Users(self.store, changed=self.sessions.drop_user)

    def restart(self) -> None:
        self.store.close()
        self.clock.steady = 3.0  # another boot, another beginning
        self.open()

    async def user(self, name: str = "Ben") -> Account:
        return self.users.find(name) or await self.users.add(
            name, Role.CLINIC, "hash", by="Anna", start_until=None
        )

    async def sign_in(self, name: str = "Ben") -> tuple[str, Session]:
        return await self.sessions.begin(await self.user(name), address="192.0.2.9", browser="Firefox")

    def rows(self) -> int:
        return int(self.store.read(lambda db: db.execute("SELECT count(*) FROM sessions").fetchone()[0]))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    room = Room(tmp_path / "state")
    yield room
    room.store.close()


async def test_a_token_finds_its_session_and_nothing_else_does(room: Room) -> None:
    token, session = await room.sign_in()
    assert room.sessions.find(token) is session
    assert session.user.name == "Ben"
    for wrong in ("", token[:-1], token + "x", session.digest.hex(), session.id, "\udcff"):
        assert room.sessions.find(wrong) is None


async def test_the_token_is_nowhere_on_the_disk(room: Room) -> None:
    token, _ = await room.sign_in()
    assert len(token) >= 43  # 256 bits in base64
    room.store.close()
    for path in room.folder.iterdir():
        assert token.encode() not in path.read_bytes(), path
    assert digest_of(token) in (room.folder / DATABASE).read_bytes()
    room.open()


async def test_each_sign_in_gets_another_token(room: Room) -> None:
    tokens = {(await room.sign_in())[0] for _ in range(5)}
    assert len(tokens) == 5


async def test_who_does_nothing_is_signed_out(room: Room) -> None:
    token, session = await room.sign_in()
    room.clock.on(IDLE - 1)
    assert room.sessions.find(token)
    room.clock.on(IDLE - 1)
    assert room.sessions.find(token, active=False)  # the page refreshed itself
    room.clock.on(2)
    assert room.sessions.find(token) is None
    assert session.ended


async def test_everybody_is_signed_out_in_the_end(room: Room) -> None:
    token, _ = await room.sign_in()
    for _ in range(int(LONGEST / 300)):
        room.clock.on(300)
        assert room.sessions.find(token)
    room.clock.on(1)
    assert room.sessions.find(token) is None


async def test_asking_whether_it_holds_does_not_prolong_it(room: Room) -> None:
    _, session = await room.sign_in()
    room.clock.on(IDLE)
    assert room.sessions.holds(session)
    room.clock.on(1)
    assert not room.sessions.holds(session)


async def test_setting_the_clock_neither_ends_nor_prolongs(room: Room) -> None:
    token, _ = await room.sign_in()
    room.clock.wall += 10**9
    assert room.sessions.find(token)
    room.clock.wall -= 2 * 10**9
    room.clock.steady += IDLE + 1
    assert room.sessions.find(token) is None


async def test_a_restart_signs_nobody_out(room: Room) -> None:
    token, _ = await room.sign_in()
    room.clock.on(120)
    session = room.sessions.find(token)
    assert session
    await room.sessions.note(session)
    room.clock.on(IDLE - 10)
    room.restart()
    found = room.sessions.find(token)
    assert found
    assert (found.user.name, found.user.role, found.id) == ("Ben", Role.CLINIC, session.id)
    assert found.seen_at - found.started_at == 120 + IDLE - 10


@pytest.mark.parametrize("seconds", [IDLE + 1, -1.0, LONGEST + 1])
async def test_a_restart_wakes_no_session_that_should_have_ended(room: Room, seconds: float) -> None:
    token, _ = await room.sign_in()
    room.clock.wall += seconds  # -1: the clock is behind what is noted
    room.restart()
    assert room.sessions.find(token) is None
    await room.sessions.sweep()
    assert room.rows() == 0


async def test_use_is_noted_once_a_minute(room: Room) -> None:
    token, session = await room.sign_in()
    written = []
    room.clock.on(30)
    room.sessions.find(token)
    await room.sessions.note(session)
    written.append(room.store.read(lambda db: db.execute("SELECT seen_at FROM sessions").fetchone()[0]))
    room.clock.on(31)
    room.sessions.find(token)
    await room.sessions.note(session)
    written.append(room.store.read(lambda db: db.execute("SELECT seen_at FROM sessions").fetchone()[0]))
    assert written == [1_000_000.0, 1_000_061.0]


async def test_signing_out_holds_over_a_restart(room: Room) -> None:
    token, session = await room.sign_in()
    await room.sessions.end(session)
    assert room.sessions.find(token) is None
    room.restart()
    assert room.sessions.find(token) is None


CHANGES: dict[str, Callable[[Users, int], object]] = {
    "role": lambda users, number: users.change_role(number, Role.VIEWER),
    "password": lambda users, number: users.set_password(number, "other"),
    "reset": lambda users, number: users.reset(number, "start", 9.0),
    "disabled": lambda users, number: users.disable(number, True),
    "removed": lambda users, number: users.remove(number),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_of_the_user_ends_every_session(
    room: Room, change: Callable[[Users, int], object]
) -> None:
    first, _ = await room.sign_in()
    second, session = await room.sign_in()
    other, _ = await room.sign_in("Carla")
    await change(room.users, session.number)  # type: ignore[misc]
    assert room.sessions.find(first) is None
    assert room.sessions.find(second) is None
    assert room.sessions.find(other)
    room.restart()
    assert room.sessions.find(first) is None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_no_session_begins_with_a_password_that_is_no_longer_one(
    room: Room, change: Callable[[Users, int], object]
) -> None:
    checked = await room.user()
    await change(room.users, checked.number)  # type: ignore[misc]  # while argon2 was at work
    with pytest.raises(Changed):
        await room.sessions.begin(checked, address="", browser="")
    assert len(room.sessions) == 0
    assert room.rows() == 0


async def test_sessions_of_one_user_are_bounded(room: Room) -> None:
    other, _ = await room.sign_in("Carla")
    tokens = []
    for _ in range(MAX_PER_USER + 3):
        room.clock.on(1)
        tokens.append((await room.sign_in())[0])
    assert [bool(room.sessions.find(token)) for token in tokens] == [False] * 3 + [True] * MAX_PER_USER
    assert room.sessions.find(other)
    assert room.rows() == MAX_PER_USER + 1


async def test_sessions_of_everybody_are_bounded(tmp_path: Path) -> None:
    room = Room(tmp_path / "state", most=4)
    tokens = []
    for number in range(6):
        room.clock.on(1)
        tokens.append((await room.sign_in(f"user{number}"))[0])
    assert [bool(room.sessions.find(token)) for token in tokens] == [False] * 2 + [True] * 4
    assert room.rows() == len(room.sessions) == 4
    room.store.close()


async def test_a_full_disk_keeps_nobody_out(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    ben = await room.user()

    async def full(work: object) -> None:
        raise StoreFailure("the disk is full")

    monkeypatch.setattr(room.store, "write", full)
    token, session = await room.sessions.begin(ben, address="", browser="")
    assert room.sessions.find(token) is session
    room.clock.on(100)
    room.sessions.find(token)
    await room.sessions.note(session)
    with pytest.raises(StoreFailure):
        await room.sessions.end(session)
    assert room.sessions.find(token) is None  # said, and done as far as it can be


async def test_own_sessions_are_listed_the_latest_first(room: Room) -> None:
    _, first = await room.sign_in()
    room.clock.on(10)
    _, second = await room.sign_in()
    await room.sign_in("Carla")
    assert room.sessions.of(first.number) == [second, first]
    room.clock.on(IDLE - 5)
    assert room.sessions.of(first.number) == [second]


async def test_what_ended_leaves_the_disk_with_the_sweep(room: Room) -> None:
    await room.sign_in()
    room.clock.on(IDLE + 1)
    token, _ = await room.sign_in()
    await room.sessions.sweep()
    assert room.rows() == 1
    assert room.sessions.find(token)


async def test_the_form_word_belongs_to_the_token() -> None:
    assert csrf_of("a") == csrf_of("a") != csrf_of("b")
    assert len(csrf_of("a")) == 43
