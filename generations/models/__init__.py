"""Data and rules. The database row is the only interface between web and worker."""

from generations.engines.base import MAX_TASK_ID_CHARACTERS

from . import audit_entry, house_rules, password_reset, team_settings
from .account_key import AccountKey
from .api_key import ApiKey, KeyInOtherSlot
from .audit_entry import AuditAction, AuditEntry
from .batch import Batch, BatchCounts
from .collection import Collection, CollectionItem
from .comment import Comment
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
from .notification import Notification, batch_topic, generation_topic, shared_topic
from .picture import DuePicture, Picture
from .process import is_dead
from .recent_search import RecentSearch
from .recovered import Recovered
from .reference_image import ReferenceImage
from .retention import RetentionRule, RetentionRun
from .saved_prompt import SavedPrompt
from .setting import Setting
from .smart_collection import SmartCollection
from .status import Failure, Status
from .submission import Submission
from .tag import PictureTag, Tag, is_tag_name
from .team import Team
from .transition import Transition, TransitionReason
from .upstream_gate import SentRequest, UpstreamGate
from .upstream_gate_base import DEFAULT_ENGINE, DEFAULT_MODEL, ReportSource
from .word import LearnedWords, Word

__all__ = [
    "DEFAULT_ENGINE",
    "DEFAULT_MODEL",
    "MAX_TASK_ID_CHARACTERS",
    "AccessError",
    "AccountKey",
    "AlreadyInvited",
    "ApiKey",
    "AuditAction",
    "AuditEntry",
    "Batch",
    "BatchCounts",
    "Collection",
    "CollectionItem",
    "Comment",
    "DuePicture",
    "Failure",
    "Favourite",
    "Generation",
    "Invitation",
    "InvitationNotUsable",
    "InvitationTerms",
    "KeyInOtherSlot",
    "LastOwner",
    "LearnedWords",
    "Lease",
    "LimitReached",
    "Member",
    "NameTaken",
    "Notification",
    "OwnAccess",
    "OwnersOnly",
    "Picture",
    "PictureTag",
    "Quote",
    "RecentSearch",
    "Recovered",
    "ReferenceImage",
    "ReportSource",
    "RetentionRule",
    "RetentionRun",
    "SavedPrompt",
    "SentRequest",
    "Setting",
    "SmartCollection",
    "Status",
    "Submission",
    "Tag",
    "TaskTaken",
    "Team",
    "Transition",
    "TransitionReason",
    "UpstreamGate",
    "Word",
    "audit_entry",
    "batch_topic",
    "generation_topic",
    "house_rules",
    "is_dead",
    "is_tag_name",
    "password_reset",
    "shared_topic",
    "team_settings",
]
