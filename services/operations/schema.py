"""Tables of the registry's store.

Whole messages are kept as they travel (`record`, `spec`, `data`); columns beside them are what is searched by. Metrics
are one row for a whole batch of points with all its series: a row for each value is several times slower to write and
to read.
"""

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

SCHEMA_VERSION: Final = 2

metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

operations = Table(
    "operations",
    metadata,
    Column("id", String, primary_key=True),
    Column("attempt", Integer, nullable=False),  # number of the latest attempt
    Column("created_us", Integer, nullable=False),  # all times: microseconds since the Unix epoch, UTC
    Column("started_us", Integer),
    Column("updated_us", Integer, nullable=False),
    Column("ended_us", Integer),
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
    Column("record", LargeBinary, nullable=False),  # ktrdr.operations.v1.Operation without its spec
)
Index("operations_by_age", operations.c.created_us, operations.c.id)
Index("operations_by_revision", operations.c.terminal, operations.c.revision)
Index("operations_by_session", operations.c.host_uid, operations.c.session_id)

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

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Integer, nullable=False),
)
