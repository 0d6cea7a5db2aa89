"""What skills are made of; `dingda.skill` and `dingda.slots` re-export it."""
