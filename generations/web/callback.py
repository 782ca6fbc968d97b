"""The upstream says that a task has ended. It may repeat that, be late, or be somebody else.

So a callback only makes the next query due, which is the truth (docs/upstream.md, 2.7).
"""

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from generations import callbacks
from generations.engines.registry import ENGINES
from generations.models import Generation


@login_not_required  # the code in the address stands for a sign-in
@csrf_exempt
@require_POST
def callback(request: HttpRequest, pk: int, attempt: int, code: str) -> HttpResponse:
    """204 for an address of ours, whatever the task does; 404 for any other."""
    if not callbacks.is_ours(pk, attempt, code):
        raise Http404
    row = Generation.objects.filter(pk=pk, attempt=attempt).first()
    if row is not None and _says_end(row, request):
        Generation.objects.filter(pk=row.pk).poll_now()
    return HttpResponse(status=204)


def _says_end(row: Generation, request: HttpRequest) -> bool:
    engine = ENGINES.get(row.engine)
    if engine is None or engine.says_end is None:
        return False
    try:
        return engine.says_end(request.body)
    except RequestDataTooBig:
        return True  # a hint all the same
