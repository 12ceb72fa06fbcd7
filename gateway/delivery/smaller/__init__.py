"""Images in a transfer syntax that is shorter and loses nothing, for a peer that takes it (JPEG-LS Lossless).

images.py      an image as JPEG-LS, decoded again and compared: what comes back otherwise stays as it is
worker.py      the process that does it: numpy and the codec are not the daemon's
compressor.py  the daemon's side of it
    shortening.py  which objects, for one destination, and until when
"""
