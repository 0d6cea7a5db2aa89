"""The demo's performance table: a small SQLite file with invented numbers."""

import sqlite3
from contextlib import closing
from pathlib import Path

from dingda.simulator.dingtalk.callback import staff_id_of

# The table of docs/skills/performance.md.
_SCHEMA = """
CREATE TABLE employee_performance (
  id BIGINT PRIMARY KEY,
  userid VARCHAR(64) NOT NULL,
  period VARCHAR(10) NOT NULL,
  score NUMERIC(6,2),
  grade VARCHAR(4),
  rank_in_dept INTEGER,
  dept_size INTEGER,
  comment VARCHAR(1000),
  status VARCHAR(12) NOT NULL DEFAULT 'published',
  updated_at TIMESTAMP NOT NULL,
  UNIQUE (userid, period)
)
"""
_ROWS = (
    ("张三", "2026-Q3", 91.5, "A", 2, 14, "交付稳，愿意带新人", "published", "2026-10-12"),
    ("张三", "2026-Q2", 86.0, "B+", 5, 14, "进步明显", "published", "2026-07-10"),
    ("张三", "2026-10", 93.0, "A", 1, 14, None, "published", "2026-11-05"),
    ("张三", "2026-Q4", 99.0, "S", 1, 14, "草稿，不应出现", "draft", "2026-11-20"),
    ("李四", "2026-Q3", 78.5, "B", 9, 14, "按时完成", "published", "2026-10-12"),
    ("李四", "2026-10", 81.0, "B", 7, 14, None, "published", "2026-11-05"),
    ("王五", "2026-Q3", 88.0, "A-", 4, 14, "主动补位", "published", "2026-10-12"),
)


def create(path: Path) -> None:
    """Write the table to a new file, in place of one that may be there."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute(_SCHEMA)
        database.executemany(
            "INSERT INTO employee_performance VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(n, staff_id_of(name), *row) for n, (name, *row) in enumerate(_ROWS, start=1)],
        )
        database.commit()
