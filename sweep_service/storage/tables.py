"""All tables. Times are seconds since 1970 of the database's clock (REAL / double precision), UTC."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = JSON().with_variant(JSONB(), "postgresql")
# SQLite gives only INTEGER PRIMARY KEY its own counter.
Counter = BigInteger().with_variant(Integer(), "sqlite")

sweeps = Table(
    "sweeps",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("seq", Counter, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("end_reason", String(32)),
    Column("error", Text),
    Column("spec", Json, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("labels", Json, nullable=False),
    Column("max_trials", Integer, nullable=False),
    Column("max_failed", Integer, nullable=False),
    Column("max_seconds", Double),
    Column("generation", Integer, nullable=False),
    Column("exhausted", Boolean, nullable=False),
    Column("counters", Json, nullable=False),
    Column("slots", Json, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("event_seq", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Index(None, "state", "priority"),
)


def _sweep_key() -> Column[str]:
    return Column("sweep_id", String(32), ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True)


trials = Table(
    "trials",
    metadata,
    _sweep_key(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, nullable=False),
    Column("group", Integer, nullable=False),
    Column("anchor", String(64)),
    Column("loss", String(64), nullable=False),
    Column("parameters", Json, nullable=False),
    Column("delta_unit", String(16), nullable=False),
    Column("signature", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("values", Json, nullable=False),
    Column("engine", Json, nullable=False),
    Column("excluded", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("sweep_id", String(32), ForeignKey("sweeps.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("purpose", String(16)),
    Column("state", String(16), nullable=False),
    Column("payload", Json, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("worker_id", String(200)),
    Column("expires_at", Double),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Index(None, "state", "expires_at"),
    Index(None, "sweep_id", "state"),
)

runs = Table(
    "runs",
    metadata,
    _sweep_key(),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("purpose", String(16), primary_key=True),
    Column("fold", Integer, primary_key=True, autoincrement=False),
    Column("repeat", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("task_id", Counter, ForeignKey("tasks.id")),
    Column("best_epoch", Integer),
    Column("epochs", Integer, nullable=False),
    Column("metrics", Json, nullable=False),
    Column("details", Json, nullable=False),
    Column("curve", LargeBinary, nullable=False),
    Column("reason", Text),
    Column("ended_at", Double),
    ForeignKeyConstraint(["sweep_id", "trial"], ["trials.sweep_id", "trials.number"], ondelete="CASCADE"),
    Index(None, "task_id"),
    Index(None, "sweep_id", "state"),
)

events = Table(
    "events",
    metadata,
    _sweep_key(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Json, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    _sweep_key(),
    Column("kind", String(32), primary_key=True),
    Column("body", Json, nullable=False),
    Column("made_at", Double, nullable=False),
)

test_openings = Table(
    "test_openings",
    metadata,
    _sweep_key(),
    Column("model_digest", String(64), nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("result", Json),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("device", Text, nullable=False),
    Column("version", String(64), nullable=False),
    Column("info", Json, nullable=False),
    Column("task_id", Counter),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("source_digest", String(64), nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("summary", Json, nullable=False),
    Column("created_at", Double, nullable=False),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
)

artifact_chunks = Table(
    "artifact_chunks",
    metadata,
    Column("digest", String(64), ForeignKey("artifacts.digest", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("body_digest", String(64), nullable=False),
    Column("sweep_id", String(32), ForeignKey("sweeps.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Double, nullable=False),
)

hypermodels = Table(
    "hypermodels",
    metadata,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("name", String(128), nullable=False),
    Column("worker_version", String(64), nullable=False),
    Column("space", Json, nullable=False),
    Column("published_at", Double, nullable=False),
    UniqueConstraint("name", "worker_version"),
)
