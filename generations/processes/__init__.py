"""The process tree: the supervisor of `manage.py run`, the watchdog, forked processes."""
