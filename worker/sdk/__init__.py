"""The building blocks of skills; `dingda.skill` and `dingda.slots` re-export them."""
