"""The local admin page: a process of its own that sees the daemon only through the operator API.

The way of a request::

    serve.py       the process; door.py accepts connections within bounds and speaks TLS
    app.py         builds everything; the only file that does
    errors.py      whatever goes wrong becomes a page that says what, and what to do
    bodies.py      what a request may bring
    access/        who is there, may they, and is the form ours
    page.py        a page is a value: its routes, its place in the menu, who may see it
    pages/         one file for each page; templates/ has a folder for each
    visit.py       what a handler works with: the person, the gateway in their name, words, forms

Beside it::

    gateway_client.py  the operator API, asynchronously
    live.py            what happens, as it happens, for the browsers that look
    alerts/            what is wrong, and who is told
    language.py, locale/, words.py, templating.py   languages, times, amounts
    statics.py, static/    style, script, icons; other people's code in static/vendor with its licences
    exports/, queue/, diagnosis/, installing/       what the larger pages need

It holds no keys of DICOM, and it may be killed at any moment: nothing of the gateway waits for it.
"""
