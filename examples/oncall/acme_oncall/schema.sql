-- SQLite and PostgreSQL both take this, any number of times.

CREATE TABLE IF NOT EXISTS duty (
    team VARCHAR(40) NOT NULL,
    day DATE NOT NULL,
    name VARCHAR(40) NOT NULL,
    phone VARCHAR(40) NOT NULL,
    PRIMARY KEY (team, day)
);

CREATE TABLE IF NOT EXISTS alerts (
    team VARCHAR(40) NOT NULL,
    day DATE NOT NULL,
    alerts INTEGER NOT NULL,
    PRIMARY KEY (team, day)
);

-- One row for each report that was ordered: `key` is the message's idempotency key.
CREATE TABLE IF NOT EXISTS reports (
    key VARCHAR(64) PRIMARY KEY,
    ordered_by VARCHAR(64) NOT NULL,
    first_day DATE NOT NULL
);

-- What a report has counted so far. A second attempt goes on behind the last row.
CREATE TABLE IF NOT EXISTS report_days (
    key VARCHAR(64) NOT NULL REFERENCES reports (key),
    day DATE NOT NULL,
    alerts INTEGER NOT NULL,
    PRIMARY KEY (key, day)
);
