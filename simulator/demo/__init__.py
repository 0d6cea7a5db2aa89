"""`dingda demo`: the gateway, a worker, a Valkey and the simulated DingTalk on one machine."""
