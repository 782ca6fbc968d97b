"""Data and rules. The database row is the only interface between web and worker."""

from generations.engines.base import MAX_TASK_ID_CHARACTERS

from . import house_rules, password_reset, team_settings
from .api_key import ApiKey, KeyInOtherSlot
from .audit_entry import AuditAction, AuditEntry
from .collection import Collection, CollectionItem
from .favourite import Favourite
from .generation import Generation, TaskTaken
from .invitation import (
    AlreadyInvited,
    Invitation,
    InvitationNotUsable,
    InvitationTerms,
    NameTaken,
)
from .lease import Lease
from .member import AccessError, LastOwner, Member, OwnAccess, OwnersOnly
from .money import LimitReached, Quote
from .picture import DuePicture, Picture
from .process import is_dead
from .recovered import Recovered
from .reference_image import ReferenceImage
from .retention import RetentionRule, RetentionRun
from .setting import Setting
from .status import Failure, Status
from .submission import Submission
from .tag import Tag
from .team import Team
from .transition import Transition, TransitionReason
from .upstream_gate import SentRequest, UpstreamGate
from .upstream_gate_base import DEFAULT_ENGINE, ReportSource

__all__ = [
    "DEFAULT_ENGINE",
    "MAX_TASK_ID_CHARACTERS",
    "AccessError",
    "AlreadyInvited",
    "ApiKey",
    "AuditAction",
    "AuditEntry",
    "Collection",
    "CollectionItem",
    "DuePicture",
    "Failure",
    "Favourite",
    "Generation",
    "Invitation",
    "InvitationNotUsable",
    "InvitationTerms",
    "KeyInOtherSlot",
    "LastOwner",
    "Lease",
    "LimitReached",
    "Member",
    "NameTaken",
    "OwnAccess",
    "OwnersOnly",
    "Picture",
    "Quote",
    "Recovered",
    "ReferenceImage",
    "ReportSource",
    "RetentionRule",
    "RetentionRun",
    "SentRequest",
    "Setting",
    "Status",
    "Submission",
    "Tag",
    "TaskTaken",
    "Team",
    "Transition",
    "TransitionReason",
    "UpstreamGate",
    "house_rules",
    "is_dead",
    "password_reset",
    "team_settings",
]
