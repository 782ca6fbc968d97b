"""Collections and tags, for viewing only: members edit them in the gallery."""

from django.contrib import admin

from generations.models import Collection, Tag

from .base import ReadOnlyMixin


@admin.register(Collection)
class CollectionAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = ("name", "created_by", "created_at", "updated_at")
    fields = ("name", "created_by", "created_at", "updated_at", "cover")
    search_fields = ("name",)
    list_select_related = ("created_by",)


@admin.register(Tag)
class TagAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_display = ("name", "normalized")
    search_fields = ("name", "normalized")
