"""A converter of lengths, weights, temperatures and data sizes."""

from decimal import Context as Precision
from decimal import Decimal

from acme_oncall.units import BY_WORD, Amount, Unit, others
from dingda.skill import Context, Question, RefusalError, Skill

EIGHT_DIGITS = Precision(prec=8)

skill = Skill("convert", summary="换算单位，如：换算 3 公里 到 英里")


@skill.command("换算", "convert")
def convert(amount: Amount, target: Unit | None) -> str | Question:
    """Convert an amount; the target unit is asked for where it is missing."""
    if target is None:
        units = [unit.name for unit in others(amount.unit)]
        kept = {"value": str(amount.value), "unit": amount.unit.name}
        return Question("换成什么单位？", choices=tuple(units), then=convert_kept, keep=kept)
    return shown(amount, target)


@skill.step
def convert_kept(target: Unit, ctx: Context) -> str:
    """Convert what the question kept."""
    unit = BY_WORD[ctx.kept["unit"].lower()]
    return shown(Amount(Decimal(ctx.kept["value"]), unit), target)


def shown(amount: Amount, target: Unit) -> str:
    """Say what the amount is in the target unit.

    Raises:
        RefusalError: if the units are of two kinds.
    """
    source = amount.unit
    if source.kind != target.kind:
        raise RefusalError(
            f"{source.name}是{source.kind}，{target.name}是{target.kind}，不能互相换算"
        )
    result = EIGHT_DIGITS.plus(amount.to(target)).normalize()
    return f"{amount.value:f} {source.name} = {result:f} {target.name}"
