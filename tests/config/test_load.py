"""From files to a Config, and every problem at once with its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.config import Config, ConfigErrors, Severity, load, load_apart
from gateway.errors import LocalError
from gateway.model import AETitle, Priority

MINIMAL = """\
[gateway]
name = "clinic"
ae_title = "CLINIC"
state_dir = "state"

[operator]
socket = "operator.sock"

[[listener]]
name = "console"
address = "127.0.0.1"
port = 11112

[[peer]]
name = "oncology"
ae_title = "ARIA"
host = "192.0.2.30"
port = 104

[[route]]
called = "ARIA"
to = ["oncology"]
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the main file, and files in conf.d by name; return the main file's path."""

    def write(main: str, **extra: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(main)
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        for name, text in extra.items():
            (tmp_path / "conf.d" / f"{name}.toml").write_text(text)
        return path

    return write


def problems_of(path: Path) -> list[str]:
    """Return the problems in `path`, without the folder."""
    with pytest.raises(ConfigErrors) as caught:
        load(path)
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def test_a_small_configuration_loads_with_defaults_and_without_warnings(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(MINIMAL)
    config = load(path)
    assert config.gateway.ae_title == AETitle("CLINIC")
    assert config.gateway.state_dir == tmp_path / "state"
    assert config.operator.socket == tmp_path / "operator.sock"
    assert config.listeners[0].allow is None
    assert config.routes[0].mode == "store"
    assert config.spool.retention_seconds == 7 * 86400
    assert config.warnings == ()
    assert config.sources == (path,)


def test_a_configuration_cannot_be_changed(write: Callable[..., Path]) -> None:
    config = load(write(MINIMAL))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.spool.quota_bytes = 1  # type: ignore[misc]  # this is the point


def test_values_arrive_typed(write: Callable[..., Path]) -> None:
    text = MINIMAL.replace("port = 11112", 'port = 11112\nallow = ["192.0.2.0/24", "::1"]').replace(
        'to = ["oncology"]',
        'to = ["oncology"]\ncalling = ["LINAC1"]\n'
        'priorities = { "CT Image Storage" = "image", "1.2.3" = "bulk" }',
    )
    config = load(
        write(text + '[spool]\nquota = "100 GB"\nretention = "2 d"\n[delivery]\nbusy_statuses = [0xA700]\n')
    )
    assert config.listeners[0].allow == (ip_network("192.0.2.0/24"), ip_network("::1"))
    assert config.routes[0].calling == (AETitle("LINAC1"),)
    assert config.routes[0].priorities == {
        "1.2.840.10008.5.1.4.1.1.2": Priority.IMAGE,
        "1.2.3": Priority.BULK,
    }
    assert config.spool.quota_bytes == 100_000_000_000
    assert config.spool.retention_seconds == 172_800
    assert config.delivery.busy_statuses == frozenset({0xA700})


def test_conf_d_merges_tables_adds_to_arrays_and_overrides_values(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write(
        MINIMAL,
        a_site='[gateway]\nname = "site"\nstate_dir = "here"\n'
        '[[peer]]\nname="pacs"\nae_title="P"\nhost="localhost"\nport=104',
        b_more='[gateway]\nname = "last"\n[log]\nlevel = "debug"\n'
        '[[route]]\ncalled = "PACS"\nto = ["pacs", "oncology"]\n',
    )
    config = load(path)
    assert config.gateway.name == "last"
    assert config.gateway.ae_title == "CLINIC"
    assert config.gateway.state_dir == tmp_path / "conf.d" / "here"  # from the folder of its own file
    assert [peer.name for peer in config.peers] == ["oncology", "pacs"]
    assert [route.called for route in config.routes] == ["ARIA", "PACS"]
    assert config.log.level == "debug"
    assert config.sources == (path, tmp_path / "conf.d/a_site.toml", tmp_path / "conf.d/b_more.toml")


def test_a_problem_in_conf_d_names_that_file_and_its_line(write: Callable[..., Path]) -> None:
    path = write(MINIMAL, extra='\n[[peer]]\nname = "oncology"\nae_title = "X"\nhost = "h"\nport = 70000\n')
    assert problems_of(path) == [
        'conf.d/extra.toml:3: error: peer[oncology].name = "oncology": another peer has this name',
        "conf.d/extra.toml:6: error: peer[oncology].port = 70000: out of range"
        " (allowed: a whole number from 1 to 65535)",
    ]


def test_files_that_do_not_fit_together_are_told(write: Callable[..., Path]) -> None:
    path = write(MINIMAL, extra='gateway = "x"\n[peer]\nname = "p"\n')
    told = problems_of(path)
    assert any("conf.d/extra.toml:1" in line and "an earlier file has a table here" in line for line in told)
    assert any("conf.d/extra.toml:2" in line and "an earlier file has a list here" in line for line in told)


def test_every_problem_is_told_at_once(write: Callable[..., Path]) -> None:
    golden = Path(__file__).parent / "golden"
    told = problems_of(write((golden / "problems.toml").read_text()))
    assert told == (golden / "problems.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "[[listener]]",
            "[listener]",
            "listener = a table: there may be several (allowed: [[listener]] tables)",
        ),
        ('to = ["oncology"]', 'to = "oncology"', "a list in brackets is wanted here"),
        ("[gateway]\n", "log = 3\n[gateway]\n", "log = 3: a table is wanted here"),
        (
            'name = "console"',
            'name = "console"\ntls = "x"',
            'listener[console].tls = "x": a table is wanted here',
        ),
        ('to = ["oncology"]', 'to = ["oncology", 3]', "route[ARIA].to[#2] = 3: not a text in quotes"),
        ("port = 104", "port = 104\ntls = { password = 'hunter2' }", "tls.password = (not shown)"),
        ("[gateway]", "[gatway]", 'gatway = a table: there is no such key here, did you mean "gateway"?'),
        (
            "port = 104",
            "",
            "peer[oncology].port: missing (allowed: host and port, or via for a peer beyond the link)",
        ),
    ],
)
def test_shapes_are_explained(write: Callable[..., Path], old: str, new: str, told: str) -> None:
    assert old in MINIMAL
    assert any(told in line for line in problems_of(write(MINIMAL.replace(old, new, 1))))


def test_no_secret_is_ever_told(write: Callable[..., Path]) -> None:
    hidden = "c0rrect-horse"
    text = MINIMAL.replace(
        "port = 104",
        f'port = 104\npassword = "{hidden}"\n'
        f'tls = {{ certificate = "c", key = """-----BEGIN X-----\n{hidden}""",'
        f' ca = "c", key_passphrase = "{hidden}" }}',
    )
    told = problems_of(write(text))
    assert len(told) >= 3
    assert hidden not in "\n".join(told)


def test_a_file_that_is_not_toml_names_the_line_and_hides_no_other_problem(
    write: Callable[..., Path],
) -> None:
    path = write(MINIMAL.replace("port = 104", "port = 99999"), broken="[gateway]\nname = \n")
    told = problems_of(path)
    assert told == [
        "conf.d/broken.toml:2: error: not TOML: invalid value",
        "gateway.toml:18: error: peer[oncology].port = 99999: out of range"
        " (allowed: a whole number from 1 to 65535)",
    ]


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    missing = tmp_path / "gateway.toml"
    assert problems_of(missing) == ["gateway.toml: error: cannot be read: No such file or directory"]
    missing.write_bytes(b"[gateway]\nname = '\xff'\n")
    assert problems_of(missing) == ["gateway.toml:2: error: not text in UTF-8"]
    missing.write_bytes(b"#" * ((1 << 20) + 1))
    assert problems_of(missing) == ["gateway.toml: error: larger than 1048576 bytes"]


def test_too_many_files_are_told(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.sources.MAX_FILES", 1)
    path = write(MINIMAL, a="", b="")
    assert problems_of(path) == ["conf.d: error: more than 1 files in conf.d"]


def test_warnings_do_not_keep_it_from_loading(write: Callable[..., Path]) -> None:
    config = load(write(MINIMAL.replace("127.0.0.1", "192.0.2.10")))
    (warning,) = config.warnings
    assert warning.severity is Severity.WARNING
    assert "everybody on this network may connect" in warning.message


def test_sources_and_warnings_are_no_keys(write: Callable[..., Path]) -> None:
    told = problems_of(write("warnings = []\nsources = []\n" + MINIMAL))
    assert len(told) == 2
    assert all("there is no such key here" in line for line in told)


class TestApart:
    """The same in a child process."""

    def test_it_returns_what_load_returns(self, write: Callable[..., Path]) -> None:
        path = write(MINIMAL.replace("127.0.0.1", "192.0.2.10"))
        apart: Config = load_apart(path)
        assert apart == load(path)
        assert apart.warnings
        assert isinstance(apart.gateway.ae_title, AETitle)

    def test_it_raises_what_load_raises(self, write: Callable[..., Path]) -> None:
        path = write(MINIMAL.replace("port = 104", "port = 0"))
        with pytest.raises(ConfigErrors) as apart:
            load_apart(path)
        with pytest.raises(ConfigErrors) as here:
            load(path)
        assert apart.value.problems == here.value.problems

    def test_a_child_that_dies_is_an_error(
        self, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        def dies(*_args: object, **_options: object) -> Config:
            raise RuntimeError("defect")

        monkeypatch.setattr("gateway.config.loader.load", dies)
        with pytest.raises(LocalError, match="died"):
            load_apart(write(MINIMAL))
        assert "RuntimeError: defect" in capfd.readouterr().err
