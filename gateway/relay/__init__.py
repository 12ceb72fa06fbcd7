"""The relay: a caller's conversation with a far end, message by message, in both directions.

dialer      from what a caller wants of the far end to an association with it, or a prompt no
mirror      the answer to the caller is the answer of the far end
session     one caller's association and one far one, from beginning to end
passage     passes what one of them says to the other
ledger      which request of one side is which on the other
watch       gives up what makes no progress; pressure reads no more than the other side takes
moves       C-MOVEs, and the sub-operations that come back through here
failure     what a caller is told when the far side does not answer
inspection  what may look at a request before it goes on; inspected keeps it meanwhile
patience    how long each step may take, given how far away the peer is
phases      what dialling says about how far that is
slots       so many associations at a time, the urgent first
profile     what is asked of a far end, as a value to remember and to compare
warm        associations kept open for the next caller; keepable says what those are
keeper      those of one peer: keeps, asks, opens again, lets go
learning    how a peer is asked and what it answers
"""
