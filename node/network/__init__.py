"""Members' nodes talking to each other over libp2p: TCP, Noise and Yamux, members only.

What is used of py-libp2p, and what is not (decided on version 0.8.1, pinned):

- Used: peer ids and keys, multistream-select and the Noise handshake and cipher, as libraries
  (`secure`, the only module that imports libp2p). The wire is libp2p's: tests let py-libp2p's own host
  connect in both directions.
- Not used: its host, swarm, TCP listener and muxer. Each of the following was reproduced with them, and
  here it cannot happen by construction rather than by patching their inside; tests/network guards each one:
  an exception that a peer provokes in a stream handler or negotiation stops the whole service; bulk traffic
  in both directions freezes a connection; after 250 inbound connections every further one is refused, and
  each leaves a task behind; a silent peer stays connected, blocks writers, and disconnecting it hangs; a
  stream's receive window is not enforced, and a reader that pauses is reset; two processes share one port
  unnoticed, and a host that cannot listen starts nevertheless.
- Not used: gossipsub, which loses messages by default and costs sixty times a direct stream.

Inside: `sockets` (TCP) → `secure` (Noise, members) → `yamux` (streams) → `connection` (a stream per class)
→ `supervisor` (one connection per member) → `network` (all members). `outbox` and `requests` hold what waits,
`member` what is kept about a member, `limits` every bound.

Importing this package takes about two seconds, because importing libp2p does: import it where a node starts.
"""

from node.network.errors import REFUSED, ListenFailed, NetworkError, RequestFailed, RequestRefused
from node.network.limits import NetworkLimits, TokenBucket
from node.network.member import Peer
from node.network.network import DoorStatus, Network
from node.network.secure import peer_id
from node.network.supervisor import PeerStatus

__all__ = [
    "REFUSED",
    "DoorStatus",
    "ListenFailed",
    "Network",
    "NetworkError",
    "NetworkLimits",
    "Peer",
    "PeerStatus",
    "RequestFailed",
    "RequestRefused",
    "TokenBucket",
    "peer_id",
]
