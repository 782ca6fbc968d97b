"""The meeting place: the web writes rows and reads them back, the worker moves them on."""

from .generation import Generation, TaskTaken
from .lease import Lease
from .library import Collection, CollectionItem, Favourite, Tag
from .member import Member
from .picture import Picture, ReferenceImage
from .process import is_dead
from .status import Failure, Status
from .submission import Submission
from .transition import Transition, TransitionReason
from .upstream_gate import DEFAULT_ENGINE, ReportSource, UpstreamGate

__all__ = [
    "DEFAULT_ENGINE",
    "Collection",
    "CollectionItem",
    "Failure",
    "Favourite",
    "Generation",
    "Lease",
    "Member",
    "Picture",
    "ReferenceImage",
    "ReportSource",
    "Status",
    "Submission",
    "Tag",
    "TaskTaken",
    "Transition",
    "TransitionReason",
    "UpstreamGate",
    "is_dead",
]
