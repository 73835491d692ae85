"""What a Byzantine member may do: one behaviour a file, each a change to the real replica's words.

Twins (two processes with one key) are in `node.simulator.world`, because they take no change at all.
"""

from node.simulator.byzantine.bad_batch import BadBatch
from node.simulator.byzantine.behaviour import Behaviour
from node.simulator.byzantine.cross_epoch import CrossEpoch
from node.simulator.byzantine.forge import Forge
from node.simulator.byzantine.garbage import Garbage
from node.simulator.byzantine.misdate import Misdate
from node.simulator.byzantine.old_parent import OldParent
from node.simulator.byzantine.pick_and_choose import PickAndChoose
from node.simulator.byzantine.slander import Slander
from node.simulator.byzantine.usurp import Usurp
from node.simulator.byzantine.withhold import Withhold
from node.simulator.byzantine.wrong_execution import WrongExecution

BEHAVIOURS: dict[str, type[Behaviour]] = {
    "withhold": Withhold,
    "old-parent": OldParent,
    "forge": Forge,
    "misdate": Misdate,
    "pick-and-choose": PickAndChoose,
    "wrong-execution": WrongExecution,
    "bad-batch": BadBatch,
    "slander": Slander,
    "usurp": Usurp,
    "garbage": Garbage,
    "cross-epoch": CrossEpoch,
}

__all__ = ["BEHAVIOURS", "Behaviour"]
