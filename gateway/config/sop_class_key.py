"""SOP classes as keys: written by name or by UID, held as UID."""

from __future__ import annotations

from gateway.config.kinds import Kind, as_text
from gateway.model import valid_uid


class SopClass(Kind[str]):
    """A SOP class by UID, by name ("CT Image Storage") or by keyword ("CTImageStorage")."""

    allowed = 'a SOP class by name or UID, like "CT Image Storage" or "1.2.840.10008.5.1.4.1.1.2"'

    def parse(self, raw: object) -> str:
        text = as_text(raw)
        if valid_uid(text):
            return text
        known = _uids_by_name()
        uid = known.get(_plain(text))
        if uid is None:
            import difflib  # for who mistypes only

            close = difflib.get_close_matches(_plain(text), known, n=1, cutoff=0.8)
            hint = f', did you mean "{_names()[known[close[0]]]}"?' if close else ""
            raise ValueError(f"no SOP class of this name{hint}")
        return uid


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _names() -> dict[str, str]:
    # Imported on use: most configurations name no SOP class, and the dictionary is large.
    from pydicom._uid_dict import UID_dictionary

    return {uid: entry[0] for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class"}


def _uids_by_name() -> dict[str, str]:
    from pydicom._uid_dict import UID_dictionary

    by_name: dict[str, str] = {}
    for uid, (name, kind, _, _, keyword) in UID_dictionary.items():
        if kind == "SOP Class":
            by_name[_plain(name.removesuffix(" (Retired)"))] = uid
            by_name.setdefault(_plain(keyword), uid)
    return by_name
