"""An offer: a product, what it costs with its coupon, and where that is bought."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """A product with a coupon that holds now."""

    title: str
    url: str
    """The affiliate link that hands out the coupon."""
    price_yuan: Decimal
    """What one piece costs, the coupon taken off where one piece is enough for it."""
    coupon_yuan: Decimal
    """What the coupon takes off; 0 for none."""
    coupon_from_yuan: Decimal | None = None
    """The sum from which the coupon counts, where one piece costs less than that."""
    shop: str = ""
    picture_url: str = ""
