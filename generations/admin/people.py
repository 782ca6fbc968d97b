"""People: accounts, roles and access."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from generations import people
from generations.models import AccessError, Member

admin.site.unregister(Group)  # permissions come from the role, not from groups


class MemberChangeForm(UserChangeForm):
    acting_member: Member  # set by `MemberAdmin.get_form`

    def clean(self) -> dict[str, Any]:
        """Check in the transaction that saves, so that the rows stay locked until then."""
        values = super().clean() or self.cleaned_data
        self.instance.check_access_change(
            self.acting_member, role=values.get("role"), is_active=values.get("is_active")
        )
        return values


class MemberAddForm(AdminUserCreationForm):
    acting_member: Member  # set by `MemberAdmin.get_form`

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        self.acting_member.check_may_give(values.get("role", ""))
        return values


def _acting(request: HttpRequest) -> Member:
    assert isinstance(request.user, Member)
    return request.user


@admin.register(Member)
class MemberAdmin(UserAdmin):
    form = MemberChangeForm
    add_form = MemberAddForm
    list_display = ("username", "name", "role", "is_active", "last_login")
    list_filter = ("role", "is_active")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Permissions"), {"fields": ("role", "is_active")}),
        (_("Activity"), {"fields": ("last_login", "date_joined", "last_submitted_at")}),
    )
    readonly_fields = ("last_login", "date_joined", "last_submitted_at")
    add_fieldsets = (
        (None, {"fields": ("username", "role", "usable_password", "password1", "password2")}),
    )
    filter_horizontal = ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **options)
        form.acting_member = _acting(request)  # type: ignore[attr-defined]
        return form

    def save_model(self, request: HttpRequest, obj: Member, form: Any, change: bool) -> None:
        """Stop the work of a person who was disabled here, after the change is stored."""
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data and not obj.is_active:
            transaction.on_commit(partial(people.stop_work, obj, _acting(request)))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nobody changes their own role or access: see `Member.check_access_change`."""
        own = ("role", "is_active") if obj == request.user else ()
        return (*self.readonly_fields, *own)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only owners change owners, which includes their passwords."""
        if obj is not None and not self._may_change(request, obj):
            return False
        return super().has_change_permission(request, obj)

    def _may_change(self, request: HttpRequest, obj: Member) -> bool:
        try:
            _acting(request).check_may_give(obj.role)
        except AccessError:
            return False
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are disabled, not deleted: their generations keep an owner."""
        return False
