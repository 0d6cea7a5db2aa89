"""Skills for Dingda, the DingTalk group bot: a converter, who is on call, and a report."""
