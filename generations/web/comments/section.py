"""The comments of one image as a reader sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from generations.models import Comment, Member, Picture
from generations.permissions import Action, may

from .forms import CommentForm
from .text import comment_html

COMMENTS_A_PAGE = 30


@dataclass(frozen=True)
class ShownComment:
    pk: int
    author: str
    initials: str
    html: SafeString
    created_at: datetime
    edited_at: datetime | None
    may_edit: bool
    may_delete: bool


@dataclass(frozen=True)
class CommentSection:
    """The newest comments, oldest first. `earlier` is the key of the page before them."""

    picture: Picture
    comments: list[ShownComment]
    earlier: int
    may_comment: bool
    form: CommentForm
    editing: int = 0  # the key of the comment whose text is in the form
    edit_form: CommentForm | None = None

    @property
    def is_private(self) -> bool:
        return self.picture.generation.is_private

    @property
    def stamp(self) -> str:
        """Changes with the comments."""
        newest = self.comments[-1].pk if self.comments else 0
        edited = [each.edited_at.timestamp() for each in self.comments if each.edited_at]
        return f"{len(self.comments)}-{newest}-{max(edited, default=0):.0f}"

    def shows(self, pk: int) -> bool:
        return any(comment.pk == pk for comment in self.comments)


def section_of(
    picture: Picture,
    reader: Member,
    *,
    before: int | None = None,
    form: CommentForm | None = None,
    editing: int = 0,
    edit_form: CommentForm | None = None,
) -> CommentSection:
    """The comments of a picture that the reader may see, at most a page of them."""
    rows = Comment.objects.filter(picture=picture)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    newest = rows.select_related("author").prefetch_related("mentions").order_by("-pk")
    found = list(newest[: COMMENTS_A_PAGE + 1])
    shown = found[:COMMENTS_A_PAGE][::-1]
    return CommentSection(
        picture,
        _shown(shown, reader),
        shown[0].pk if len(found) > COMMENTS_A_PAGE else 0,
        may(reader, Action.COMMENT),
        form or CommentForm(),
        editing,
        edit_form,
    )


def _shown(rows: Sequence[Comment], reader: Member) -> list[ShownComment]:
    return [
        ShownComment(
            row.pk,
            row.author.name,
            row.author.initials,
            comment_html(row.text, {member.username.lower() for member in row.mentions.all()}),
            row.created_at,
            row.edited_at,
            may(reader, Action.EDIT_COMMENT, row),
            may(reader, Action.DELETE_COMMENT, row),
        )
        for row in rows
    ]
