"""Makes the tables and fills them from today on, for the demo: `python -m acme_oncall.sample`."""

from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Date, NullPool, bindparam, create_engine, text

from acme_oncall.settings import OnCallSettings
from dingda.skill import CHINA

SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
PEOPLE = {
    "支付前端组": [("张三", "13800000001"), ("李四", "13800000002")],
    "支付后端组": [("王五", "13800000003"), ("赵六", "13800000004")],
    "风控组": [("陈七", "13800000005")],
}
DUTY = text(
    "INSERT INTO duty (team, day, name, phone) VALUES (:team, :day, :name, :phone) "
    "ON CONFLICT (team, day) DO NOTHING"
).bindparams(bindparam("day", type_=Date))
ALERTS = text(
    "INSERT INTO alerts (team, day, alerts) VALUES (:team, :day, :alerts) "
    "ON CONFLICT (team, day) DO NOTHING"
).bindparams(bindparam("day", type_=Date))


def fill(url: str, today: date) -> None:
    """Make the tables, put four weeks of duty from today on in, and a week of alerts before it."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in SCHEMA.split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
        for team, people in PEOPLE.items():
            for n in range(28):
                name, phone = people[n % len(people)]
                row = {"team": team, "day": today + timedelta(n), "name": name, "phone": phone}
                connection.execute(DUTY, row)
            for n in range(1, 8):
                alerts = (n * len(team)) % 5
                row = {"team": team, "day": today - timedelta(n), "alerts": alerts}
                connection.execute(ALERTS, row)


if __name__ == "__main__":
    fill(OnCallSettings().database.get_secret_value(), datetime.now(CHINA).date())
