"""`manage.py keys`: the stored API keys and the key that encrypts them."""

from generations import encryption
from generations.management.reports import ActionCommand, Options, Report, table
from generations.models import ApiKey
from generations.operations.errors import OperationError
from generations.operations.key_rotation import rotate
from klingweb.environment import SettingError


class Command(ActionCommand):
    help = "List the API keys that were entered in the browser, or encrypt them again."

    def add_actions(self) -> None:
        self.add_action("list", self._list, "List the keys by their last four characters.")
        self.add_action(
            "rotate",
            self._rotate,
            "Encrypt all secrets with a new encryption key. Safe to interrupt.",
        )
        self.add_action("generate", self._generate, "Print a new KLINGWEB_ENCRYPTION_KEY.")

    def _list(self, options: Options) -> Report:
        found = [_described(row) for row in ApiKey.objects.exclude(encrypted="").order_by("pk")]
        rows = [list(each.values()) for each in found]
        text = table(["key", "last four", "state"], rows) if found else "No API key is stored."
        return Report({"keys": found}, text)

    def _rotate(self, options: Options) -> Report:
        try:
            done = rotate()
        except (OSError, SettingError) as error:
            raise OperationError(f"The rotation did not end. Run it again: {error}") from None
        text = f"{done.rows} API keys were encrypted again."
        if done.factors:
            text += f" {done.factors} second factors were, too."
        if done.unreadable:
            text += f" Not readable, and left as they were: {', '.join(done.unreadable)}."
        figures = {"rows": done.rows, "second_factors": done.factors}
        return Report({**figures, "unreadable": list(done.unreadable)}, text)

    def _generate(self, options: Options) -> Report:
        key = encryption.new_key()
        return Report({"key": key}, key)


def _described(row: ApiKey) -> dict[str, str]:
    state = "in use" if row.is_active else "replaced, kept for its open tasks"
    if row.unreadable_at:
        state = "cannot be read: the encryption key does not fit"
    return {"slot": row.slot, "last_four": row.last_four, "state": state}
