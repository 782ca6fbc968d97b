"""Every address of the house: the pages, and Django's own panel."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("generations.web.urls")),
]
