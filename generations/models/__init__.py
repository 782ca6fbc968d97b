"""The meeting place: the web writes rows and reads them back, the worker moves them on."""

from .generation import Generation, TaskTaken
from .library import Collection, Favourite, Place, Tag
from .member import Member
from .picture import Picture, ReferenceImage
from .process import is_dead
from .slot import Slot
from .status import Failure, Status
from .submission import Submission
from .transition import Transition, TransitionReason
from .upstream_gate import UpstreamGate

__all__ = [
    "Collection",
    "Failure",
    "Favourite",
    "Generation",
    "Member",
    "Picture",
    "Place",
    "ReferenceImage",
    "Slot",
    "Status",
    "Submission",
    "Tag",
    "TaskTaken",
    "Transition",
    "TransitionReason",
    "UpstreamGate",
    "is_dead",
]
