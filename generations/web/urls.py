"""URLs of all pages, and of the requests that pages make themselves."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
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
from .admin import drills, overview, retention, settings_page
from .cards import actions, changes, generation_page
from .gallery import bulk, collections, compare, download, gallery, picture, trash
from .money import limit_requests, usage
from .people import accept, links, mail, people, person
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
    path("admin/settings/", settings_page.settings_page, name="team-settings"),
    path("admin/settings/test", settings_page.test_prompt, name="test-prompt"),
    path("admin/retention/", retention.retention, name="retention"),
    path("admin/retention/run", retention.run_retention, name="run-retention"),
    path("admin/drills/", drills.drills, name="drills"),
    path("admin/drills/<slug:slug>", drills.start_drill, name="start-drill"),
    path("admin/queue/", queue.queue, name="queue"),
    path("admin/queue/resume", queue.resume, name="resume-queue"),
    path("similar", similar.similar, name="similar"),
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
    path("usage/ask", limit_requests.ask, name="ask-for-more"),
    path("usage/requests/<int:pk>/grant", limit_requests.grant, name="grant-more"),
    path("usage/requests/<int:pk>/decline", limit_requests.decline, name="decline-more"),
    path("usage/read", usage.mark_read, name="mark-read"),
    path("settings/", preferences.preferences, name="settings"),
    path("settings/team/", setup.own_team, name="set-up-team"),
    path("settings/password/", password.ChangePassword.as_view(), name="account_change_password"),
    path("admin/people/", people.people, name="people"),
    path("admin/people/invite/<slug:kind>", people.invite, name="invite"),
    path("admin/people/invitations.csv", links.links_csv, name="invitations-csv"),
    path("admin/people/invitations/mail", mail.mail_links, name="mail-invitations"),
    path("admin/people/invitations/<int:pk>/revoke", people.revoke, name="revoke-invitation"),
    path("admin/people/<int:pk>/", person.person, name="person"),
    path("admin/people/<int:pk>/disable/", person.disable, name="disable-person"),
    path("admin/people/<int:pk>/enable", person.enable, name="enable-person"),
    path("admin/people/<int:pk>/hand-over/", person.hand_over, name="hand-over"),
    path("invitations/<str:secret>/", accept.accept, name="invitation"),
    path("settings/confirm/", confirm.Confirm.as_view(), name="account_reauthenticate"),
    path("settings/sessions/", sessions.sessions, name="usersessions_list"),
    *second_factor_urls.urlpatterns,
    path("files/<int:pk>/<slug:variant>", files.file, name="file"),
    path("references/<int:pk>", files.reference, name="reference"),
    path("accounts/login/", sign_in.SignIn.as_view(), name="account_login"),
    path("accounts/logout/", LogoutView.as_view(), name="account_logout"),
    path("accounts/forgotten/", reset.forgotten, name="forgotten-password"),
    path(
        "accounts/reset/<str:uidb64>/<str:token>/",
        login_not_required(reset.ResetPassword.as_view()),
        name="reset-password",
    ),
    path("accounts/oidc/login/", open_id.sign_in, OIDC, name="openid_connect_login"),
    path("accounts/oidc/callback/", open_id.callback, OIDC, name="openid_connect_callback"),
    path("admin/login/", sign_in.admin_sign_in),  # instead of a second sign-in page
    path("setup/", setup.first_start, name="setup"),
    path("setup/restart/", setup.restart, name="setup-restart"),
    path("healthz", health.healthz, name="healthz"),
    # Requested by browsers on pages without an icon link, such as the admin or a plain image.
    path("favicon.ico", files.favicon, name="favicon"),
]
