"""People: accounts, roles and access."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from generations.models import Member

admin.site.unregister(Group)  # permissions come from the role, not from groups


@admin.register(Member)
class MemberAdmin(UserAdmin):
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

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Admins cannot demote or disable themselves, so an install always keeps one."""
        own = ("role", "is_active") if obj == request.user else ()
        return (*self.readonly_fields, *own)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are disabled, not deleted: their generations keep an owner."""
        return False
