"""People: accounts, roles and access."""

from functools import partial
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations import people
from generations.models import AccessError, AuditAction, AuditEntry, Member, password_reset

admin.site.unregister(Group)  # permissions come from the role, not from groups
# Rows of django-allauth: they contain secrets, or are of no use here.
for model in [each for each in admin.site._registry if each.__module__.startswith("allauth.")]:
    admin.site.unregister(model)

RESET_HOURS = settings.PASSWORD_RESET_TIMEOUT // 3600


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
    change_form_template = "admin/member/change_form.html"
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

    def get_urls(self) -> list[URLPattern]:
        """Two pages of a member, each with one button."""
        pages = (
            ("reset-link/", self.reset_link, "member_reset_link"),
            ("remove-second-factor/", self.remove_second_factor, "member_remove_second_factor"),
        )
        own = [
            path(f"<path:object_id>/{url}", self.admin_site.admin_view(view), name=name)
            for url, view, name in pages
        ]
        return own + super().get_urls()

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Django's page; a new password and its entry in the audit log are one transaction."""
        member = Member.objects.filter(pk=unquote(id)).first() if unquote(id).isdecimal() else None
        before = member.password if member else ""
        with transaction.atomic():
            response: HttpResponse = super().user_change_password(request, id, form_url)
            if member and Member.objects.get(pk=member.pk).password != before:
                action = AuditAction.PASSWORD_CHANGED
                AuditEntry.objects.record(action, _acting(request), on=member)
        return response

    def reset_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST creates a link to a new password and shows it, this once."""
        member = self._member_for_access(request, object_id)
        context = {"title": _("Password reset link"), "hours": RESET_HOURS}
        if request.method == "POST" and member.is_active:
            self.log_change(request, member, gettext("Created a password reset link."))
            path = password_reset.create_link(member, _acting(request))
            context["link"] = f"{settings.URL}{path}"
        return self._page(request, "admin/member/reset_link.html", member, context)

    def remove_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For people who have lost it and their recovery codes."""
        member = self._member_for_access(request, object_id)
        rows = Authenticator.objects.filter(user=member)
        context: dict[str, Any] = {"title": _("Remove the second factor"), "has_one": rows.exists()}
        if request.method == "POST":
            with transaction.atomic():
                rows.delete()
                self.log_change(request, member, gettext("Removed the second factor."))
                action = AuditAction.SECOND_FACTOR_REMOVED
                AuditEntry.objects.record(action, _acting(request), on=member)
            context["is_removed"] = True
        return self._page(request, "admin/member/remove_second_factor.html", member, context)

    def _member_for_access(self, request: HttpRequest, object_id: str) -> Member:
        """The member; 403 if the admin may not give access to this account."""
        member: Member | None = self.get_object(request, unquote(object_id))
        if member is None:
            raise Http404
        if not self.has_change_permission(request, member):
            raise PermissionDenied
        return member

    def _page(
        self, request: HttpRequest, template: str, member: Member, context: dict[str, Any]
    ) -> HttpResponse:
        full = self.admin_site.each_context(request) | {"opts": self.opts, "original": member}
        response = TemplateResponse(request, template, full | context)
        response["Cache-Control"] = "no-store"
        return response

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are disabled, not deleted: their generations keep an owner."""
        return False
