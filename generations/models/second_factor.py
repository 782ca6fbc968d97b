"""The secrets of second factors, encrypted as the API keys are. Their rows are the library's."""

from generations import encryption

from .encrypted import encrypt_new
from .team import Team


class Unreadable(Exception):
    """The encryption key does not fit. The text has no secret."""


class NotStored(Exception):
    """The file of the encryption key cannot be used. The text says why."""


def encrypt(text: str) -> str:
    """Call it in the transaction that stores the text: a rotation waits for its lock.

    Raises NotStored.
    """
    Team.objects.lock()
    try:
        return encrypt_new(text)
    except encryption.FILE_ERRORS as error:
        raise NotStored(str(error)) from None


def decrypt(text: str) -> str:
    """Also a text that an earlier release stored as it was. Raises Unreadable."""
    if not encryption.is_token(text):
        return text
    try:
        return encryption.decrypt(text)
    except encryption.CannotDecrypt:
        raise Unreadable from None
