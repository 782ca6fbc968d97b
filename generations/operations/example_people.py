"""Removes the people of demo and sample data, with what was written and uploaded in their names."""

from collections.abc import Iterable
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import ProtectedError

from generations.models import (
    Collection,
    Comment,
    Invitation,
    LastOwner,
    Member,
    SmartCollection,
)


def remove(people: Iterable[Member]) -> list[Member]:
    """Delete each of these people with all that belongs to them; return those who stay.

    Who owns other images, is in the ledger, or is the last owner stays, and keeps everything.
    """
    kept = []
    for person in people:
        try:
            with transaction.atomic():
                Comment.objects.filter(author=person).delete()
                SmartCollection.objects.filter(created_by=person).delete()
                Collection.objects.filter(created_by=person).delete()
                Invitation.objects.filter(created_by=person).delete()
                files = list(person.reference_images.values_list("file", flat=True))
                person.delete()
                transaction.on_commit(partial(_delete_files, files))
        except (ProtectedError, LastOwner):
            kept.append(person)
    return kept


def _delete_files(names: Iterable[str]) -> None:
    for name in names:
        default_storage.delete(name)
