"""How performance data is shown, to the one who may see it."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from dingda.skill import Markdown, plain, shorten
from dingda.worker.skills.performance.sources import Row

NOT_KNOWN = "没有权限或没有数据"
NOT_SET_UP = "查绩效的功能还没有配置好，请联系管理员"

_LABELS = {
    "score": "得分",
    "grade": "等级",
    "rank_in_dept": "部门排名",
    "dept_size": "部门人数",
    "kpi_name": "指标",
    "kpi_value": "完成值",
    "comment": "评语",
    "updated_at": "更新时间",
}
_MAX_NAME_CHARS = 40
_UNSHOWN = frozenset({"period", "userid", "staff_id"})
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_QUARTER = re.compile(r"(\d{4})-Q([1-4])")
_HALF = re.compile(r"(\d{4})-H([12])")


def show(rows: Sequence[Row], name: str, *, say: Callable[[str], str]) -> Markdown:
    """A markdown message with a part for each row.

    Args:
        rows: what was found, at least one.
        name: whose it is; "" for the sender's own.
        say: turns our words into the sender's script.
    """
    title = f"{plain(shorten(name, _MAX_NAME_CHARS))}的绩效" if name else "你的绩效"
    parts = [f"### {title}", *(_part(row) for row in rows)]
    return Markdown(title=say(title), text=say("\n\n".join(parts)))


def _part(row: Row) -> str:
    shown = [
        f"- {_LABELS.get(column, plain(column))}：{_cell(value)}"
        for column, value in row.items()
        if column not in _UNSHOWN and value is not None
    ]
    return "\n".join((f"**{_period(str(row.get('period', '')))}**", "", *shown))


def _cell(value: object) -> str:
    if isinstance(value, (float, Decimal)):
        return f"{value:g}" if isinstance(value, float) else f"{value.normalize():f}"
    return plain(str(value))


def _period(key: str) -> str:
    if found := _MONTH.fullmatch(key):
        return f"{found[1]}年{int(found[2])}月"
    if found := _QUARTER.fullmatch(key):
        return f"{found[1]}年第{'一二三四'[int(found[2]) - 1]}季度"
    if found := _HALF.fullmatch(key):
        return f"{found[1]}年{'上下'[int(found[2]) - 1]}半年"
    return f"{key}年" if key.isdigit() else plain(key)
