"""Compression of what travels over the link: bit-exact, bounded, and never slower than no compression.

FORMAT.md      what each codec's payload looks like
codecs.py      one block or one small object by itself, alone or after an earlier object (zstd)
shared.py      one zstd stream for the small objects of a priority class: they are much alike
references.py  earlier records that both ends have: what the next fraction of the same plan builds on
layout.py      PURE: where the pixels are in a data set, found as it streams
plan.py        PURE: which recipe pays, from samples, measured speeds and the rate of the link
pixels.py      byte planes, differences and JPEG-LS; needs numpy: imported by the worker process only
worker.py      the worker process: encodes and decodes blocks, bounded in memory
workers.py     the daemon's side of the workers
encoder.py     what a site's connection uses
decoder.py     what a hub's connection uses
"""
