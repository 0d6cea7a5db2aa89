"""Coupons: what is wished for, where offers come from, and how they are shown."""
