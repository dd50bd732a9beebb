"""The duties of SweepStore and TaskQueue as tests, which every store inherits.

A class `TestMyStore(StoreContract)` overrides the fixture `store` (a new, empty one) and `pass_time`.
"""

from __future__ import annotations

from sweep_service.testing.claim_contract import ClaimContract
from sweep_service.testing.control_contract import ControlContract
from sweep_service.testing.ending_contract import EndingContract
from sweep_service.testing.hypermodel_contract import HyperModelContract
from sweep_service.testing.lease_contract import LeaseContract
from sweep_service.testing.posting_contract import PostingContract
from sweep_service.testing.race_contract import RaceContract
from sweep_service.testing.release_contract import ReleaseContract
from sweep_service.testing.stopping_contract import StoppingContract
from sweep_service.testing.turmoil_contract import TurmoilContract


class StoreContract(
    PostingContract,
    ControlContract,
    StoppingContract,
    ClaimContract,
    LeaseContract,
    ReleaseContract,
    EndingContract,
    HyperModelContract,
    RaceContract,
    TurmoilContract,
):
    """All of it."""
