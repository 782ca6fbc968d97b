"""The meeting place: the web writes rows and reads them back, the worker moves them on."""

from .generation import Generation, TaskTaken
from .library import Collection, Favourite, Place, Tag
from .line import Line
from .member import Member
from .move import Move, Why
from .picture import Picture, ReferenceImage
from .process import is_dead
from .slot import Slot
from .status import Failure, Status
from .submission import Submission

__all__ = [
    "Collection",
    "Failure",
    "Favourite",
    "Generation",
    "Line",
    "Member",
    "Move",
    "Picture",
    "Place",
    "ReferenceImage",
    "Slot",
    "Status",
    "Submission",
    "Tag",
    "TaskTaken",
    "Why",
    "is_dead",
]
