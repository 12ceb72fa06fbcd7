"""Who may use the page.

    permissions.py   role -> what it may do; User
    guard.py         every request passes here: who is it, may they, is the form ours
    access.py        builds all of this; what the shell of the page sees of it

    store.py         the page's own database (schema.py): users, sessions, what waits for the audit trail
    users.py         accounts: made, changed, removed; the last admin stays
    sessions.py      who is signed in where, and until when
    passwords.py     argon2id within bounds, and which passwords are good enough (common_passwords.py)
    lockout.py       PURE: how long to wait after wrong passwords; known_browser.py: who waits apart
    setup_code.py    the one-time code that makes the first admin (readable.py: how it looks)
    sign_in.py       what happens with a name and a password, or a code; no HTTP
    audit_trail.py   tells the gateway's audit trail, at once or later
    https.py         the certificate of the page (addresses.py: what stands in it)

    signing_in.py account.py people.py    the pages; safe_path.py: where signing in may lead

Only the pages and guard.py know HTTP.
"""
