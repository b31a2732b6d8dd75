"""Triggers that keep the totals and terms of ended operations in step with their rows, whoever writes them."""

import sqlite3
from typing import Final

_MOST_KINDS: Final = 16
"""Kinds of verdicts have lower numbers."""

_KINDS: Final = ", ".join(f"({kind})" for kind in range(1, _MOST_KINDS))


_TERMS: Final = f"""
    SELECT 'labels.' || key AS field, value, NEW.created_us AS created_us, NEW.id AS operation_id
    FROM labels WHERE operation_id = NEW.id
    UNION ALL
    SELECT 'verdict', CAST(column1 AS TEXT), NEW.created_us, NEW.id
    FROM (VALUES {_KINDS}) WHERE NEW.verdicts & (1 << column1)
"""


_COUNT_NEW: Final = """
    INSERT INTO totals SELECT NEW.state, NEW.type, NEW.host, 1 WHERE NEW.terminal
    ON CONFLICT (state, type, host) DO UPDATE SET operations = operations + 1;
"""
_COUNT_OLD: Final = """
    UPDATE totals SET operations = operations - 1
    WHERE OLD.terminal AND state = OLD.state AND type = OLD.type AND host = OLD.host;
"""
_ADD_TERMS: Final = f"INSERT INTO terms SELECT * FROM ({_TERMS}) WHERE NEW.terminal ON CONFLICT DO NOTHING;"
# Written so that each row is looked up by its key: with a compound question for the whole key SQLite reads all terms.
_DROP_TERMS: Final = f"""
    DELETE FROM terms WHERE OLD.terminal AND created_us = OLD.created_us AND operation_id = OLD.id
    AND (field, value) IN (SELECT 'labels.' || key, value FROM labels WHERE operation_id = OLD.id);
    DELETE FROM terms WHERE OLD.terminal AND created_us = OLD.created_us AND operation_id = OLD.id AND field = 'verdict'
    AND value IN (SELECT CAST(column1 AS TEXT) FROM (VALUES {_KINDS}) WHERE OLD.verdicts & (1 << column1));
"""
_ADD_LABEL: Final = """
    INSERT INTO terms SELECT 'labels.' || NEW.key, NEW.value, created_us, id
    FROM operations WHERE id = NEW.operation_id AND terminal ON CONFLICT DO NOTHING;
"""
_DROP_LABEL: Final = "DELETE FROM terms WHERE operation_id = OLD.operation_id AND field = 'labels.' || OLD.key;"

TRIGGERS: Final = {
    "operation_inserted": f"AFTER INSERT ON operations WHEN NEW.terminal BEGIN {_COUNT_NEW} {_ADD_TERMS} END",
    "operation_updated": (
        "AFTER UPDATE ON operations WHEN OLD.terminal OR NEW.terminal "
        f"BEGIN {_COUNT_OLD} {_COUNT_NEW} {_DROP_TERMS} {_ADD_TERMS} END"
    ),
    "operation_deleted": f"BEFORE DELETE ON operations WHEN OLD.terminal BEGIN {_COUNT_OLD} {_DROP_TERMS} END",
    "label_inserted": f"AFTER INSERT ON labels BEGIN {_ADD_LABEL} END",
    "label_updated": f"AFTER UPDATE ON labels BEGIN {_DROP_LABEL} {_ADD_LABEL} END",
    "label_deleted": f"AFTER DELETE ON labels BEGIN {_DROP_LABEL} END",
    "term_inserted": """AFTER INSERT ON terms BEGIN
        INSERT INTO term_totals VALUES (NEW.field, NEW.value, 1)
        ON CONFLICT (field, value) DO UPDATE SET operations = operations + 1;
        END""",
    "term_deleted": """AFTER DELETE ON terms BEGIN
        UPDATE term_totals SET operations = operations - 1 WHERE field = OLD.field AND value = OLD.value;
        DELETE FROM term_totals WHERE field = OLD.field AND value = OLD.value AND operations = 0;
        END""",
}


def create_triggers(connection: sqlite3.Connection) -> None:
    """Create all triggers."""
    for name, body in TRIGGERS.items():
        connection.execute(f"CREATE TRIGGER {name} {body}")


def drop_triggers(connection: sqlite3.Connection) -> None:
    """Drop all triggers, for a bulk of rows after which everything is counted anew."""
    for name in TRIGGERS:
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")


def count_anew(connection: sqlite3.Connection) -> None:
    """Fill the tables that triggers keep, from the rows of operations and labels. The triggers must not be there."""
    for table in ("totals", "terms", "term_totals"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute(
        "INSERT INTO totals SELECT state, type, host, count(*) FROM operations WHERE terminal GROUP BY 1, 2, 3"
    )
    connection.execute(
        "INSERT INTO terms SELECT 'labels.' || key, value, created_us, id "
        "FROM labels JOIN operations ON id = operation_id WHERE terminal ORDER BY 1, 2, 3, 4"
    )
    connection.execute(
        f"INSERT INTO terms SELECT 'verdict', CAST(column1 AS TEXT), created_us, id "
        f"FROM operations JOIN (VALUES {_KINDS}) ON verdicts & (1 << column1) WHERE terminal AND verdicts"
    )
    connection.execute("INSERT INTO term_totals SELECT field, value, count(*) FROM terms GROUP BY 1, 2")
