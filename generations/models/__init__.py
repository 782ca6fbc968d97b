"""The meeting place: the web writes rows and reads them back, the worker moves them on."""

from .engine import Line, Slot
from .generation import Generation
from .member import Member
from .picture import Picture, ReferenceImage
from .process import is_dead
from .status import Failure, Status
from .submission import Move, Submission

__all__ = [
    "Failure",
    "Generation",
    "Line",
    "Member",
    "Move",
    "Picture",
    "ReferenceImage",
    "Slot",
    "Status",
    "Submission",
    "is_dead",
]
