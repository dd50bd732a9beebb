"""sweep_service."""
