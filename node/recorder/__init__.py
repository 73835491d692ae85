"""The flight recorder: what the ordering core was told and did lately, kept so that it can be done again."""

from node.recorder.incident import Incident, Replay, export, read_incident, replay
from node.recorder.recorder import RecordedReplica, Recorder

__all__ = ["Incident", "RecordedReplica", "Recorder", "Replay", "export", "read_incident", "replay"]
