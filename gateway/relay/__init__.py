"""The relay: a console's conversation with a far end, message by message, in both directions.

patience    how long each step may take, given how far away the peer is
slots       so many associations at a time, the urgent first
profile     what is asked of a far end, as a value to remember and to compare
"""
