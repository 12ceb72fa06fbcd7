"""From the spool to the destinations.

courier     delivers to one destination: claims, sends, settles; the only place that retries
lane        one association at work for a courier
breaker     keeps a courier from knocking at a door that nobody opens; probes instead
policy      the numbers (policy.py), and what each way of failing means (classification.py)
poison      an object that makes the peer cut the association every time
transport   the way to one destination (transports/); pulls objects, classifies failure, never retries
receipt     what a destination answered for one object
"""
