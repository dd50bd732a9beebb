"""Doubles of the ports that obey the same rules, and the contracts that every implementation inherits.

`MemoryStore`, `MemoryArtifacts` and `FakeTrainer` need nothing but this package. The `*_contract` modules hold
test classes and import pytest: subclass `StoreContract` or `ArtifactContract`, give it its fixture, and run it.
"""
