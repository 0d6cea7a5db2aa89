"""The times of Stream mode's server. Where the sources disagree, each is a setting."""

from dataclasses import dataclass

from dingda.simulator.dingtalk.stream_opening import TICKET_LIFE_S


@dataclass(frozen=True, slots=True)
class StreamRules:
    """The times of DingTalk's server, in seconds.

    Attributes:
        ticket_life_s: for how long a ticket is good.
        ping_every_s: how often a connection is pinged, a fifth more or less. Clients have seen 20
            to 30 s. A connection that leaves a ping unanswered until the next is cut.
        ack_timeout_s: how long a push waits for its ack. DingTalk's page on prices says 3 s.
        redeliver_after_s: how long after that it comes again. Clients have seen it after 16 s in
            all, and after 60 s.
        redeliveries: how often it comes again. 0: never, which is what the protocol's page says of
            robots' messages, and clients contradict.
        cut_after_s: how long a connection that was told to disconnect still lives.
    """

    ticket_life_s: float = TICKET_LIFE_S
    ping_every_s: float = 25.0
    ack_timeout_s: float = 3.0
    redeliver_after_s: float = 13.0
    redeliveries: int = 3
    cut_after_s: float = 10.0


DEFAULT_RULES = StreamRules()
