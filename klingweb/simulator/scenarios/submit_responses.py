"""Responses to a submit other than a new task, and every error code.

Scenarios 5 to 15 of docs/upstream.md, section 6.7.
"""

from klingweb.simulator.engines import gateway
from klingweb.simulator.engines.gateway import openai_error, task_error, wrapped_error
from klingweb.simulator.engines.kling.errors import ERROR_CODES, kling_error
from klingweb.simulator.responses import CUT, CannedResponse, proxy_page
from klingweb.simulator.scenarios.scenario import Scenario


def _permanent(description: str, response: CannedResponse) -> Scenario:
    return Scenario(description=description, submit_response=response)


def _temporary(
    description: str, response: CannedResponse, refusals: int = 2, **params: float
) -> Scenario:
    return Scenario(
        description=description,
        submit_response=response,
        params={"refusals": refusals, **params},
    )


def _once(description: str, response: CannedResponse) -> Scenario:
    return _temporary(f"{description}; a second submit is accepted", response, refusals=1)


def _ambiguous(description: str, response: CannedResponse, task_exists: bool) -> Scenario:
    outcome = "the task is created" if task_exists else "no task is created"
    return Scenario(
        description=f"{description}; {outcome}",
        submit_response=response,
        params={"accepted": int(task_exists), "refusals": 1},
    )


_TEMPORARY_CODES = {1302, 1303, 5000, 5001}
_PERMANENT_CODES = {1200, 1201, 1202, 1203, 1300, 1301}


def _by_code(code: int) -> Scenario:
    status, message = ERROR_CODES[code]
    description = f"Refused with HTTP {status}, code {code} ({message})"
    if code == 5002:
        return _ambiguous(description, kling_error(code), task_exists=True)
    if code in _PERMANENT_CODES:
        return _permanent(description, kling_error(code))
    if code in _TEMPORARY_CODES:
        return _temporary(f"{description} twice, then accepted", kling_error(code))
    return _once(description, kling_error(code))


_HALF_A_BODY = '{"code": 0, "message": "SUCCEED", "data": {"task_id": "Q2hhcmxpZV'

SUBMIT_RESPONSES: dict[str, Scenario] = {
    "content-refused": _permanent(
        "Rejected by the content check: 400, code 1301", kling_error(1301)
    ),
    "bad-parameter": _permanent(
        "Refused with a reason: 400, code 1201",
        kling_error(1201, "aspect_ratio value '16:9' is not supported by this model"),
    ),
    "too-many": _temporary(
        "Concurrency limit reached twice (429, code 1303), then accepted", kling_error(1303)
    ),
    "too-fast": _temporary(
        "Busy three times (429, code 1302), then accepted", kling_error(1302), refusals=3
    ),
    "too-fast-retry-after": _temporary(
        "Busy twice (429, code 1302, with Retry-After), then accepted",
        kling_error(1302),
        retry_after=3,
    ),
    "pack-empty": _once("Resource pack used up: 429, code 1102", kling_error(1102)),
    "key-refused-openai": _once(
        "401 in the gateway's own format: invalid token", openai_error(401, "Invalid token")
    ),
    "key-used-up": _once(
        "401 in the gateway's own format: the key's quota is used up",
        openai_error(401, "该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = 0"),
    ),
    "key-refused-one-api": _once(
        "401 in the format of an older gateway",
        openai_error(401, "无效的令牌", error_type="one_api_error"),
    ),
    "address-refused": _once(
        "403: this IP address may not use the key",
        openai_error(403, "Your IP is not in the list of allowed addresses"),
    ),
    "payment-required": _once(
        "402 in the gateway's own format: the balance is too low",
        openai_error(402, "Insufficient balance", "insufficient_user_quota"),
    ),
    "firewall-page": _once(
        "403 with the HTML page of a firewall", proxy_page(403, "403 Forbidden")
    ),
    "quota-not-enough": _once(
        "403 quota_not_enough: the account's balance is too low",
        task_error(403, "quota_not_enough", "user quota is not enough"),
    ),
    "user-quota-not-enough": _once(
        "403 insufficient_user_quota in the gateway's own format",
        openai_error(403, "user quota is not enough", "insufficient_user_quota"),
    ),
    "no-channel": _temporary(
        "503 model_not_found twice (no channel serves the model), then accepted",
        openai_error(503, "No available channel for model kling-image", "model_not_found"),
    ),
    "answer-late": Scenario(
        description="The task is created at once; the response takes two minutes",
        params={"answer_seconds": 120.0},
    ),
    "cut-after-accept": _ambiguous("The connection is cut", CUT, task_exists=True),
    "cut-before-accept": _ambiguous("The connection is cut", CUT, task_exists=False),
    "html-502": _ambiguous("502 with HTML", proxy_page(502, "502 Bad Gateway"), task_exists=False),
    "html-504": _ambiguous(
        "504 with HTML", proxy_page(504, "504 Gateway Time-out"), task_exists=True
    ),
    "html-524": _ambiguous(
        "524 with HTML", proxy_page(524, "524: A timeout occurred"), task_exists=True
    ),
    "html-200": _ambiguous("200 with the HTML dashboard", gateway.DASHBOARD, task_exists=False),
    "empty-200": _ambiguous("200 without a body", CannedResponse(200), task_exists=True),
    "empty-502": _ambiguous("502 without a body", CannedResponse(502), task_exists=False),
    "empty-429": _temporary("429 without a body twice, then accepted", CannedResponse(429)),
    "saturated": _temporary(
        "429 with the gateway's fixed text twice, then accepted", gateway.SATURATED
    ),
    "half-answer": _ambiguous(
        "The connection is cut in the middle of the body",
        CannedResponse(200, _HALF_A_BODY, share=0.5),
        task_exists=True,
    ),
    "broken-json": _ambiguous(
        "200 with incomplete JSON", CannedResponse(200, _HALF_A_BODY), task_exists=True
    ),
    "no-task-id": _ambiguous(
        "200 and code 0 without a task id",
        CannedResponse(200, '{"code": 0, "message": "SUCCEED", "data": {}}'),
        task_exists=True,
    ),
    "direct-data": _ambiguous(
        "200 with data:[{url}] from a synchronous gateway",
        CannedResponse(
            200, '{"created": 1764000000, "data": [{"url": "https://cdn.invalid/x.png"}]}'
        ),
        task_exists=True,
    ),
    "facade-failed": _ambiguous(
        "500 kling_error from a synchronous gateway that timed out",
        openai_error(500, "image generation failed", "failed", "kling_error"),
        task_exists=True,
    ),
    "ok-1301": _permanent(
        "Rejected by the content check with HTTP 200", kling_error(1301, status=200)
    ),
    "ok-1303": _temporary(
        "Code 1303 with HTTP 200 twice, then accepted", kling_error(1303, status=200)
    ),
    "wrapped-1301": _permanent(
        "Code 1301 inside the gateway's message", wrapped_error(kling_error(1301))
    ),
    "wrapped-1303": _temporary(
        "Code 1303 inside the gateway's message twice, then accepted",
        wrapped_error(kling_error(1303)),
    ),
    "task-failed-word": _permanent(
        "400 task_failed with Kling's message but without its code",
        task_error(400, "task_failed", ERROR_CODES[1301][1]),
    ),
    "not-reached": _ambiguous(
        "500 do_request_failed: the gateway did not reach Kling",
        task_error(500, "do_request_failed", "do request failed: dial tcp: i/o timeout"),
        task_exists=False,
    ),
    "panic": _ambiguous(
        "500 new_api_panic",
        openai_error(500, "Panic detected, error: nil pointer", error_type="new_api_panic"),
        task_exists=True,
    ),
    **{f"submit-{code}": _by_code(code) for code in ERROR_CODES},
}
