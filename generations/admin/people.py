"""What other apps register about people. Our own pages are in `web/people/`."""

from django.contrib import admin
from django.contrib.auth.models import Group

admin.site.unregister(Group)  # permissions come from the role, not from groups
# Rows of django-allauth: they contain secrets, or are of no use here.
for model in [each for each in admin.site._registry if each.__module__.startswith("allauth.")]:
    admin.site.unregister(model)
