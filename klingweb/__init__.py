"""The Django project: settings, URLs, WSGI, and the gateway simulator."""
