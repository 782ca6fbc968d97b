"""The rules of the team, and what all pages about money share."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest

from generations.models import Member
from generations.permissions import Action, may

from .base import ListAdmin


class MomentInput(forms.DateTimeInput):
    """The browser's own field of a date and a time, which needs no script."""

    input_type = "datetime-local"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%dT%H:%M")


class MoneyAdmin(ListAdmin):
    """Pages of those who may manage money."""

    formfield_overrides = {
        models.DateTimeField: {"form_class": forms.DateTimeField, "widget": MomentInput}
    }

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request)

    @staticmethod
    def may(request: HttpRequest) -> bool:
        return request.user.is_authenticated and may(request.user, Action.MANAGE_MONEY)

    def check_may(self, request: HttpRequest) -> None:
        if not self.may(request):
            raise PermissionDenied

    @staticmethod
    def by(request: HttpRequest) -> Member:
        assert isinstance(request.user, Member)
        return request.user

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if hasattr(obj, "by"):
            obj.by = request.user
        super().save_model(request, obj, form, change)
