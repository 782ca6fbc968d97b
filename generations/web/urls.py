"""URLs of all pages, and of the requests that pages make themselves."""

from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, path

from . import files, health, queue, redirects
from .account import (
    confirm,
    open_id,
    password,
    preferences,
    reset,
    second_factor_urls,
    sessions,
    sign_in,
)
from .admin import (
    audit_log,
    correction,
    decide,
    diagnostics,
    gateway_logs,
    keys,
    limits,
    overview,
    reconciliation,
)
from .admin import limit_requests as admin_limit_requests
from .cards import actions, changes, generation_page
from .gallery import bulk, collections, compare, download, gallery, picture, trash
from .money import limit_requests, usage
from .people import accept, access, invitations, links, mail, people, person
from .people import limits as person_limits
from .setup import pages as setup
from .studio import prompt_history, reuse, similar, studio

OIDC = {"provider_id": open_id.PROVIDER_ID}

urlpatterns: list[URLPattern] = [
    path("", studio.studio, name="studio"),
    *redirects.urlpatterns,
    path("cards/changes", changes.changes, name="changes"),
    path("generations/<int:pk>/", generation_page.generation, name="generation"),
    path("generations/<int:pk>/variations/", reuse.variations, name="variations"),
    path("generations/<int:pk>/enter-task-id/", actions.enter_task_id, name="enter-task-id"),
    path("generations/<int:pk>/<slug:action>/", actions.run_action, name="action"),
    path("admin/", overview.overview, name="overview"),
    path("admin/limits/", limits.limits, name="limits"),
    path("admin/limits/<slug:slug>/", limits.set_limit, name="set-limit"),
    path("admin/audit-log/", audit_log.audit_log, name="audit-log"),
    path("admin/audit-log/csv", audit_log.audit_log_csv, name="audit-log-csv"),
    path("admin/diagnostics/", diagnostics.diagnostics, name="diagnostics"),
    path("admin/django_q/", diagnostics.models_of_tasks),
    path("admin/generations/", diagnostics.models_of_klingweb),
    path("admin/queue/", queue.queue, name="queue"),
    path("admin/queue/resume", queue.resume, name="resume-queue"),
    path("admin/reconciliation/", reconciliation.reconciliation, name="reconciliation"),
    path("admin/reconciliation/upload/", gateway_logs.upload, name="upload-log"),
    path("admin/reconciliation/logs/<int:pk>/", gateway_logs.map_columns, name="map-log"),
    path("admin/reconciliation/match", reconciliation.match_again, name="match-again"),
    path("admin/reconciliation/report", reconciliation.report, name="reconciliation-report"),
    path("admin/reconciliation/<int:pk>/decide", reconciliation.decide, name="decide-difference"),
    path("admin/reconciliation/<int:pk>/assign", reconciliation.assign, name="assign-task"),
    path("admin/ledger/<int:pk>/correct/", correction.correct, name="correct-charge"),
    path("admin/queue/limits", queue.configure, name="configure-queue"),
    path("admin/decide/<int:pk>/<slug:action>", decide.decide, name="decide"),
    path("admin/keys/", keys.keys, name="keys"),
    path("admin/keys/<slug:slot>/put", keys.put, name="put-key"),
    path("admin/keys/<slug:slot>/test", keys.test, name="test-key"),
    path("admin/keys/<slug:slot>/remove", keys.remove, name="remove-key"),
    path("similar", similar.similar, name="similar"),
    path("similar/use", similar.use, name="use-similar"),
    path("history/", prompt_history.prompt_history, name="history"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("pictures/<int:pk>/", picture.picture, name="picture"),
    path("pictures/bulk/<slug:action>", bulk.bulk_action, name="bulk"),
    path("pictures/download", download.download, name="download"),
    path("compare/", compare.compare, name="compare"),
    path("collections/", collections.collections, name="collections"),
    path("collections/<int:pk>/", collections.collection, name="collection"),
    path("collections/<int:pk>/arrange", collections.arrange, name="arrange"),
    path("collections/<int:pk>/delete", collections.delete, name="delete-collection"),
    path("trash/", trash.trash, name="trash"),
    path("trash/delete", trash.delete_permanently, name="delete-permanently"),
    path("usage/", usage.usage, name="usage"),
    path("usage/usage.csv", usage.usage_csv, name="usage-csv"),
    path("usage/ask", limit_requests.ask, name="ask-for-more"),
    path("usage/read", usage.mark_read, name="mark-read"),
    path("settings/", preferences.preferences, name="settings"),
    path("settings/team/", setup.own_team, name="set-up-team"),
    path("settings/password/", password.ChangePassword.as_view(), name="account_change_password"),
    path("admin/requests/", admin_limit_requests.requests, name="requests"),
    path("admin/requests/<int:pk>/grant", admin_limit_requests.grant, name="grant-more"),
    path("admin/requests/<int:pk>/decline", admin_limit_requests.decline, name="decline-more"),
    path("admin/people/", people.people, name="people"),
    path("admin/people/<int:pk>/", person.person, name="person"),
    path("admin/people/<int:pk>/details", person.change_details, name="change-details"),
    path("admin/people/<int:pk>/limits/", person_limits.limits, name="person-limits"),
    path("admin/people/<int:pk>/disable/", access.disable, name="disable-person"),
    path("admin/people/<int:pk>/enable", access.enable, name="enable-person"),
    path("admin/people/<int:pk>/hand-over/", access.hand_over, name="hand-over"),
    path("admin/people/<int:pk>/reset-link/", access.reset_link, name="create-reset-link"),
    path("admin/people/<int:pk>/end-sessions", access.end_sessions, name="end-sessions"),
    path(
        "admin/people/<int:pk>/remove-second-factor/",
        access.remove_second_factor,
        name="remove-second-factor",
    ),
    path("admin/invitations/", invitations.invitations, name="invitations"),
    path("admin/invitations/new/<slug:kind>", invitations.invite, name="invite"),
    path("admin/invitations/links.csv", links.links_csv, name="invitations-csv"),
    path("admin/invitations/mail", mail.mail_links, name="mail-invitations"),
    path("admin/invitations/<int:pk>/revoke", invitations.revoke, name="revoke-invitation"),
    path("invitations/<str:secret>/", accept.accept, name="invitation"),
    path("settings/confirm/", confirm.Confirm.as_view(), name="account_reauthenticate"),
    path("settings/sessions/", sessions.sessions, name="usersessions_list"),
    *second_factor_urls.urlpatterns,
    path("files/<int:pk>/<slug:variant>", files.file, name="file"),
    path("references/<int:pk>", files.reference, name="reference"),
    path("accounts/login/", sign_in.SignIn.as_view(), name="account_login"),
    path("accounts/logout/", sign_in.SignOut.as_view(), name="account_logout"),
    path("accounts/forgotten/", reset.forgotten, name="forgotten-password"),
    path(
        "accounts/reset/<str:uidb64>/<str:token>/",
        login_not_required(reset.ResetPassword.as_view()),
        name="reset-password",
    ),
    path("accounts/oidc/login/", open_id.sign_in, OIDC, name="openid_connect_login"),
    path("accounts/oidc/callback/", open_id.callback, OIDC, name="openid_connect_callback"),
    path("admin/login/", sign_in.admin_sign_in),  # instead of a second sign-in page
    path("admin/logout/", sign_in.SignOut.as_view()),
    path("setup/", setup.first_start, name="setup"),
    path("setup/restart/", setup.restart, name="setup-restart"),
    path("healthz", health.healthz, name="healthz"),
    # Requested by browsers on pages without an icon link, such as the admin or a plain image.
    path("favicon.ico", files.favicon, name="favicon"),
]
