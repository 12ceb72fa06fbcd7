"""The logic of the install wizard; pages/install_steps shows it.

    answers.py    what the engineer answers, as frozen values
    reading.py    answers from a configuration that is there
    writing.py    changes to the text of a configuration, from answers to answers
    draft.py      the answers that are not applied yet, with what was tested; one file in the page's folder
    machine.py    what this machine says: its addresses, free ports, who sets them; whether a host answers
    sheet.py      acceptance sheets, numbered and kept
    room.py       draft, sheets and answers, for the pages

Nothing here touches the gateway: it changes its configuration itself, when the page asks it to.
"""
