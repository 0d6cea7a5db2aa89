"""Hears over Stream mode: connections that we open to DingTalk, so that no address is needed.

The way of a frame: `client.py` keeps a connection open, which `opening.py` has opened with a
ticket; `connection.py` reads the frame, by the format in `frames.py`; `dispatcher.py` hands it to
`gateway/receiver.py`, which stores it, and `connection.py` writes the acknowledgement.
"""
