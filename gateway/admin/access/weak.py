"""Reading a new password from a form, with words for what is wrong with it."""

from __future__ import annotations

from gateway.admin.access.passwords import MAX_LENGTH, MIN_LENGTH, Weakness, normal, weakness
from gateway.admin.forms import Form, FormError
from gateway.admin.page import N_

_WORDS = {
    Weakness.SHORT: N_(
        "Please use at least %(least)s characters. A few words in a row are easy to remember."
    ),
    Weakness.LONG: N_("At most %(most)s characters are possible."),
    Weakness.COMMON: N_("This is one of the passwords that everybody tries first. Please choose another."),
    Weakness.NAME: N_("This is too close to a name that everybody knows. Please choose another."),
    Weakness.PATTERN: N_("This is a simple pattern that is quickly guessed. Please choose another."),
}


def new_password(form: Form, *names: str) -> str:
    """Return the password from the fields `password` and `again`. FormError when it is not good enough."""
    password = form.secret("password")
    found = weakness(password, names)
    if found is not None:
        values = {Weakness.SHORT: {"least": MIN_LENGTH}, Weakness.LONG: {"most": MAX_LENGTH}}.get(found, {})
        raise FormError("password", _WORDS[found], **values)
    if normal(form.secret("again")) != normal(password):
        raise FormError("again", N_("The two passwords are not the same."))
    return password
