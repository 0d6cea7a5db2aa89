"""The ledger's times: its leases and pauses, and how long it keeps what it stores."""

LEASE_MS = 20_000
"""A worker that has not renewed its lease for this long counts as dead."""
OUTCOME_MS = 20_000
"""How long a POST may take before its outcome counts as unknown."""
HANDOVER_MS = 5_000
"""How long a job may be off the queue and not leased before it is enqueued again."""
MARGIN_MS = 5_000
"""How long before the session's end the last answer may start: clocks differ."""
APART_MS = 5_000
"""How far apart messages get their last chance: those that died together would do so once more,
though only one of them is to blame. Most answers take less than this."""
LONGEST_APART_MS = 60_000
"""How long a message may wait for that, where very many have died."""
RECORD_S = 5 * 60
"""How long the record of a message that ended well tells how it went."""
REMEMBER_S = 3 * 3600
"""How long an ended message is known, against redelivery: longer than a signature is valid."""
DEAD_LETTER_S = 7 * 24 * 3600
"""How long a dead letter is kept for an operator."""
RECHECK_MS = 10_000
"""How soon the sweeper looks again at a message that is parked as the second of its sender."""
JOURNAL_MS = 24 * 3_600_000
"""How long an entry of the journal is kept."""
LONGEST_WAIT_MS = 5_000
"""Later messages of a sender wait for one that rests no longer than this. After a longer one
it loses its place: otherwise a throttled reply would hold up all others of its sender."""
LATE_MS = 3_600_000
"""How long after its session's end a message may still be answered, by a push: what comes later
answers a question that nobody remembers."""
LONGEST_SESSION_MS = 24 * 3_600_000
"""A session's stated end is believed up to this, so that nothing is kept for ever."""
UNSTATED_SESSION_MS = 600_000
"""How long a session is taken to last when DingTalk does not say."""
REPEATED_PRESS_MS = 90_000
"""How long the same press of a card's button again counts as the same: DingTalk delivers once more
after up to a minute, and tells it apart from a second press by nothing."""
STREAM_LOOK_MS = 15_000
"""How soon somebody looks whether a message has ended without the card that its answer grew on."""
STREAM_CLAIM_MS = 30_000
"""How long a worker may take to end such a card, and a later attempt waits for that."""
STREAM_S = 24 * 3_600
"""How long the record of a card is kept: a dead letter that is retried takes the same card."""
