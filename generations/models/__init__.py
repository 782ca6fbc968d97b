"""Data and rules. The database row is the only interface between web and worker."""

from .collection import Collection, CollectionItem
from .favourite import Favourite
from .generation import Generation, TaskTaken
from .lease import Lease
from .member import Member
from .picture import Picture
from .process import is_dead
from .reference_image import ReferenceImage
from .status import Failure, Status
from .submission import Submission
from .tag import Tag
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
