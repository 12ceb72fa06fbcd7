"""The page of the queue: what waits, is held, or was delivered, and what people do about it.

words.py       the gateway's stable words (states, causes, events, advice) as sentences to translate
filters.py     which deliveries: the address of a list, the API's filter, and the form between them
overview.py    destinations, drawn; pause, resume, try now
listing.py     lists of deliveries, a page at a time, and the search
held.py        what is held, by reason
story.py       one object from association to receipt
acting.py      one action for a selection, with reason and typed confirmation
exporting.py   objects out of here: one file, an encrypted archive, a drive (see gateway.admin.exports)
steps.py       procedure steps and storage commitment
"""
