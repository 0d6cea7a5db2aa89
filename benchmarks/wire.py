"""As much of HTTP/1.1 as the load and the sink read."""


def content_length(head: bytes) -> int:
    """The length of the body that follows a head; 0 where it states none."""
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
