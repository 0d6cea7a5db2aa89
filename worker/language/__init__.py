"""Reading what people type: texts, days, places, prices."""
