"""DingTalk on a laptop: signs and sends messages, takes the replies, shows what a chat would."""
