"""The ports SweepStore, TaskQueue and ArtifactStore on SQLAlchemy."""
