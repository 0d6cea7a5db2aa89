"""What DingTalk's console has set for our robots, as far as DingTalk tells: `dingda check` asks."""
