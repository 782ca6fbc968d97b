"""URLs of the site: our pages, and Django's admin."""

from django.contrib import admin
from django.urls import include, path

handler404 = "generations.web.middleware.language.handle_not_found"
handler500 = "generations.web.middleware.errors.handle_error"
urlpatterns = [
    path("", include("generations.web.urls")),  # first: it redirects old addresses of the admin
    path("admin/", admin.site.urls),
]

handler429 = "generations.web.account.sign_in.too_many_requests"  # called by django-allauth
