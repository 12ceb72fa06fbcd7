"""The command line of the generator."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.synthetic.__main__ import main


def test_writes_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path), "--patients", "2", "--kind", "beams-record", "--kind", "plan"]
    assert main(arguments) == 0
    assert len(list(tmp_path.glob("*.dcm"))) == 4
    assert capsys.readouterr().out.startswith("4 files, 0.1 MB")


def test_sizes_and_seed_are_obeyed(tmp_path: Path) -> None:
    sizes = ["--cbct-slices", "2", "--ct-slices", "1", "--matrix", "16", "--segments", "1"]
    main(["--out", str(tmp_path), "--no-planning", "--seed", "9", *sizes])
    assert len(list(tmp_path.glob("cbct-*"))) == 2
    assert not list(tmp_path.glob("ct-*"))


def test_unknown_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--kind", "mri"])
    assert "invalid choice" in capsys.readouterr().err
