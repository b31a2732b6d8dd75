"""Tables of the registry's store.

Whole messages are kept as they travel (`record`, `spec`, `data`); columns beside them are what is searched by. Metrics
are one row for a whole batch of points with all its series: a row for each value is several times slower to write and
to read.

Lists of ended operations have indexes of their own, which know nothing of operations at work: those change all the
time, and are in memory. What lists count is counted by triggers (see `store_triggers`), so rows are changed by
INSERT … ON CONFLICT DO UPDATE, UPDATE and DELETE only: INSERT OR REPLACE would go past the triggers.
"""

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, text

SCHEMA_VERSION: Final = 2

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

operations = Table(
    "operations",
    metadata,
    Column("id", String, primary_key=True),
    Column("attempt", Integer, nullable=False),  # number of the latest attempt
    Column("created_us", Integer, nullable=False),  # all times: microseconds since the Unix epoch, UTC
    Column("asked_us", Integer, nullable=False),  # when the latest attempt was asked for
    Column("started_us", Integer, nullable=False),  # 0 before it has begun
    Column("updated_us", Integer, nullable=False),
    Column("ended_us", Integer, nullable=False),  # 0 before it has ended
    Column("revision", Integer, nullable=False),
    Column("terminal", Boolean, nullable=False),
    Column("state", Integer, nullable=False),
    Column("type", Integer, nullable=False),
    Column("host", String, nullable=False),
    Column("display_name", String, nullable=False),
    Column("strategy", String, nullable=False),  # name of the strategy, on trainings
    Column("host_uid", String, nullable=False),
    Column("session_id", String, nullable=False),
    Column("delivery", Integer, nullable=False),
    Column("wanted_host", String, nullable=False),
    Column("cancel_now", Boolean, nullable=False),
    Column("cancel_sent", Boolean, nullable=False),
    Column("attached", Boolean, nullable=False),
    Column("verdicts", Integer, nullable=False),  # active ones: bit N stands for the VerdictKind with number N
    Column("notes", String, nullable=False),
    Column("record", LargeBinary, nullable=False),  # ktrdr.operations.v1.Operation without its spec
)
Index("operations_by_revision", operations.c.terminal, operations.c.revision)
Index("operations_by_session", operations.c.host_uid, operations.c.session_id)
for _name, _columns in {
    "ended_by_creation": ("state", "type", "created_us", "id"),
    "ended_by_start": ("state", "type", "started_us", "id"),
    "ended_by_update": ("state", "type", "updated_us", "id"),
    "ended_by_end": ("state", "type", "ended_us", "id"),
    "ended_by_host": ("host", "state", "type", "created_us", "id"),
    "ended_by_name": ("display_name", "created_us", "id"),
    "ended_by_strategy": ("strategy", "created_us", "id"),
}.items():
    Index(_name, *(operations.c[column] for column in _columns), sqlite_where=text("terminal"))

_OPERATION: Final = "operations.id"

specs = Table(
    "specs",
    metadata,
    Column("operation_id", ForeignKey(_OPERATION, ondelete="CASCADE"), primary_key=True),
    Column("spec", LargeBinary, nullable=False),  # ktrdr.operations.v1.Operation with nothing but its spec
)

labels = Table(
    "labels",
    metadata,
    Column("operation_id", ForeignKey(_OPERATION, ondelete="CASCADE"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

totals = Table(  # how many operations have ended
    "totals",
    metadata,
    Column("state", Integer, primary_key=True),
    Column("type", Integer, primary_key=True),
    Column("host", String, primary_key=True),
    Column("operations", Integer, nullable=False),
    sqlite_with_rowid=False,
)

terms = Table(  # ended operations by label ("labels.KEY") and active verdict ("verdict", number of its kind)
    "terms",
    metadata,
    Column("field", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("created_us", Integer, primary_key=True),
    Column("operation_id", String, primary_key=True),
    sqlite_with_rowid=False,
)

Index("terms_by_operation", terms.c.operation_id)

term_totals = Table(  # how many rows `terms` has
    "term_totals",
    metadata,
    Column("field", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("operations", Integer, nullable=False),
    sqlite_with_rowid=False,
)

journals = Table(
    "journals",
    metadata,
    Column("operation_id", ForeignKey(_OPERATION, ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("incarnation", String, primary_key=True),
    Column("ordinal", Integer, nullable=False),  # order in which the journals of an attempt were met
    Column("next_seq", Integer, nullable=False),  # rows below it are in the store
)

metric_blocks = Table(
    "metric_blocks",
    metadata,
    Column("operation_id", ForeignKey(_OPERATION, ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("incarnation", String, primary_key=True),
    Column("first_seq", Integer, primary_key=True),
    Column("last_seq", Integer, nullable=False),
    Column("points", Integer, nullable=False),  # values, over all series
    Column("revision", Integer, nullable=False),  # at which its last row was shown
    Column("marks", LargeBinary),  # of merged batches: which rows were shown at which revision
    Column("data", LargeBinary, nullable=False),  # the series of one batch of points, see `blocks`
)
Index("metric_blocks_by_revision", metric_blocks.c.revision)

dataset_uses = Table(  # which operations read a dataset as it was then
    "dataset_uses",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("operation_id", ForeignKey(_OPERATION, ondelete="CASCADE"), primary_key=True),
)
Index("dataset_uses_by_operation", dataset_uses.c.operation_id)

dataset_versions = Table(  # which loads left a dataset as it was then
    "dataset_versions",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("operation_id", ForeignKey(_OPERATION, ondelete="CASCADE"), primary_key=True),
)
Index("dataset_versions_by_operation", dataset_versions.c.operation_id)

deletions = Table(  # tombstones: operations that are gone, until nobody needs to be told any more
    "deletions",
    metadata,
    Column("operation_id", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("deleted_us", Integer, nullable=False),
)
Index("deletions_by_revision", deletions.c.revision)

abandoned_sessions = Table(  # sessions of deleted operations that their hosts still have
    "abandoned_sessions",
    metadata,
    Column("host_uid", String, primary_key=True),
    Column("session_id", String, primary_key=True),
    Column("operation_id", String, nullable=False),
    Column("host", String, nullable=False),
    Column("keep", Boolean, nullable=False),  # leave it there: only do not find it again
)

hosts = Table(
    "hosts",
    metadata,
    Column("name", String, primary_key=True),
    Column("host_uid", String, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("cursor", LargeBinary, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("address", String, nullable=False),
    Column("lease_us", Integer),  # end of the lease of a registered host; none for configured ones
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("operation_id", ForeignKey(_OPERATION, ondelete="CASCADE"), nullable=False),
    Column("body_digest", LargeBinary, nullable=False),
    Column("expires_us", Integer, nullable=False),
)
Index("requests_by_operation", requests.c.operation_id)

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Integer, nullable=False),
)
