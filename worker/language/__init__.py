"""Reading what people type: texts, days, periods, places, prices."""
