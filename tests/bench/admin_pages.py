"""Cost of the admin's pages on an install with sample data.

The install is chosen by its environment, as in `tests.bench.pages`.
"""

from typing import Any

from tests.bench import pages  # first: it sets Django up

# isort: split

from generations.models import Generation, Member, Picture, Status
from generations.models.money import LedgerEntry, Period
from generations.permissions import Role
from generations.web.keyset import key_of

ROWS = "/admin/generations"
# One line for each page. The names in braces are those of `_values`.
ADMIN_PAGES = (
    ("overview", "/admin/"),
    ("queue", "/admin/queue/"),
    ("usage", "/usage/"),
    ("people", "/admin/people/"),
    ("invitations", "/admin/invitations/"),
    ("requests", "/admin/requests/"),
    ("generations", f"{ROWS}/generation/"),
    ("generations, oldest", f"{ROWS}/generation/?p={{second_key}}"),
    ("state: failed", f"{ROWS}/generation/?status__exact=failed"),
    ("state: queued", f"{ROWS}/generation/?status__exact=queued"),
    ("failure: policy", f"{ROWS}/generation/?failure=policy"),
    ("person", f"{ROWS}/generation/?person={{person}}"),
    ("person and failed", f"{ROWS}/generation/?person={{person}}&status__exact=failed"),
    ("search: a rare word", f"{ROWS}/generation/?q=ammonite"),
    ("search: a common word", f"{ROWS}/generation/?q=light"),
    ("search: no hit", f"{ROWS}/generation/?q=zzzz"),
    ("search: ID", f"{ROWS}/generation/?q={{generation}}"),
    ("search: user name", f"{ROWS}/generation/?q=sample-chen"),
    ("generation", f"{ROWS}/generation/{{generation}}/change/"),
    ("images", f"{ROWS}/picture/"),
    ("images, oldest", f"{ROWS}/picture/?p={{second_picture}}"),
    ("images in the trash", f"{ROWS}/picture/?state=trashed"),
    ("images: a rare word", f"{ROWS}/picture/?q=ammonite"),
    ("images: a common word", f"{ROWS}/picture/?q=light"),
    ("images: SHA-256", f"{ROWS}/picture/?q={{sha256}}"),
    ("image", f"{ROWS}/picture/{{picture}}/change/"),
    ("ledger", f"{ROWS}/ledgerentry/"),
    ("ledger, every period", f"{ROWS}/ledgerentry/?period=all"),
    ("ledger: charges", f"{ROWS}/ledgerentry/?kind__exact=charge"),
    ("ledger: corrections", f"{ROWS}/ledgerentry/?kind__exact=correct"),
    ("ledger: person", f"{ROWS}/ledgerentry/?person={{person}}"),
    ("ledger: month", f"{ROWS}/ledgerentry/?period={{period}}"),
    ("ledger: generation", f"{ROWS}/ledgerentry/?q={{generation}}"),
    ("prices", f"{ROWS}/price/"),
    ("limits", "/admin/limits/"),
    ("reconciliation", "/admin/reconciliation/"),
    ("engines and keys", "/admin/keys/"),
    ("audit log", "/admin/audit-log/"),
    ("settings", "/admin/settings/"),
    ("retention", "/admin/retention/"),
    ("fault drills", "/admin/drills/"),
    ("diagnostics", "/admin/diagnostics/"),
)


def main() -> None:
    owner = Member.objects.get(username="sample-chen")
    owner.role = Role.OWNER
    owner.save()
    count = LedgerEntry.objects.count()
    print(f"\n{count:,} entries in the ledger")
    values = _values(owner)
    pages.measure_all(owner, [(name, url.format(**values)) for name, url in ADMIN_PAGES])


def _values(owner: Member) -> dict[str, Any]:
    rows = Generation.objects.filter(status=Status.SUCCEEDED).order_by("created_at", "pk")
    second, picture = rows[1], Picture.objects.visible_to(owner)[0]
    return {
        "second_key": key_of(rows[49]),
        "person": owner.pk,
        "generation": second.pk,
        "picture": picture.pk,
        "second_picture": Picture.objects.order_by("pk")[49].pk,
        "sha256": picture.sha256,
        "period": Period.objects.filter(member=None).order_by("starts_at")[1].pk,
    }


if __name__ == "__main__":
    main()
