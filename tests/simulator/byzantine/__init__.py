"""What a Byzantine member may do: one behaviour a file, each a change to the real replica's words.

Twins (two processes with one key) are in `tests.simulator.world`, because they take no change at all.
"""

from tests.simulator.byzantine.behaviour import Behaviour
from tests.simulator.byzantine.forge import Forge
from tests.simulator.byzantine.misdate import Misdate
from tests.simulator.byzantine.old_parent import OldParent
from tests.simulator.byzantine.pick_and_choose import PickAndChoose
from tests.simulator.byzantine.withhold import Withhold
from tests.simulator.byzantine.wrong_execution import WrongExecution

BEHAVIOURS: dict[str, type[Behaviour]] = {
    "withhold": Withhold,
    "old-parent": OldParent,
    "forge": Forge,
    "misdate": Misdate,
    "pick-and-choose": PickAndChoose,
    "wrong-execution": WrongExecution,
}

__all__ = ["BEHAVIOURS", "Behaviour"]
