"""What a submit is told instead of a task id (scenarios 5 to 15, and all of section 3.1)."""

from klingweb.simulator import replies
from klingweb.simulator.replies import OFFICIAL, Reply, official, openai_style, page, worded
from klingweb.simulator.scenarios.scenario import Scenario


def _final(says: str, reply: Reply) -> Scenario:
    return Scenario(says=says, submit=reply)


def _passing(says: str, reply: Reply, refusals: int = 2, **params: float) -> Scenario:
    return Scenario(says=says, submit=reply, params={"refusals": refusals, **params})


def _held(says: str, reply: Reply) -> Scenario:
    return _passing(says, reply, refusals=1)


def _unclear(says: str, reply: Reply, accepted: bool) -> Scenario:
    fate = "the task exists" if accepted else "there is no task"
    params = {"accepted": int(accepted), "refusals": 1}
    return Scenario(says=f"{says}; {fate}.", submit=reply, params=params)


_WAITING_HELPS = {1302, 1303, 5000, 5001}
_NEVER_TAKEN = {1200, 1201, 1202, 1203, 1300, 1301}


def _by_code(code: int) -> Scenario:
    status, message = OFFICIAL[code]
    says = f"The submit is refused with HTTP {status}, code {code}: {message}"
    if code == 5002:
        return _unclear(says, official(code), accepted=True)
    if code in _NEVER_TAKEN:
        return _final(f"{says}.", official(code))
    if code in _WAITING_HELPS:
        return _passing(f"{says}; a later one is taken.", official(code))
    return _held(f"{says}; taken once the account is in order.", official(code))


_HALF_AN_ANSWER = '{"code": 0, "message": "SUCCEED", "data": {"task_id": "Q2hhcmxpZV'

SUBMITS: dict[str, Scenario] = {
    "content-refused": _final("Refused for its content: 400, code 1301.", official(1301)),
    "bad-parameter": _final(
        "Refused with a reason: 400, code 1201.",
        official(1201, "aspect_ratio value '16:9' is not supported by this model"),
    ),
    "too-many": _passing("429, code 1303 twice: no slot is free.", official(1303)),
    "too-fast": _passing("429, code 1302 three times: a burst.", official(1302), refusals=3),
    "too-fast-retry-after": _passing(
        "429, code 1302 twice, with Retry-After.", official(1302), retry_after=3
    ),
    "pack-empty": _held("429, code 1102: the pack is used up.", official(1102)),
    "key-refused-openai": _held(
        "401 in the gateway's own form: invalid token.", openai_style(401, "Invalid token")
    ),
    "key-used-up": _held(
        "401 in the gateway's own form: the key's quota is used up.",
        openai_style(401, "该令牌额度已用尽 !token.UnlimitedQuota && token.RemainQuota = 0"),
    ),
    "key-refused-one-api": _held(
        "401 of an older gateway.", openai_style(401, "无效的令牌", kind="one_api_error")
    ),
    "address-refused": _held(
        "403: this address may not use the key.",
        openai_style(403, "Your IP is not in the list of allowed addresses"),
    ),
    "quota-not-enough": _held(
        "403 quota_not_enough: the account has too little money.",
        worded(403, "quota_not_enough", "user quota is not enough"),
    ),
    "user-quota-not-enough": _held(
        "403 insufficient_user_quota in the gateway's other form.",
        openai_style(403, "user quota is not enough", "insufficient_user_quota"),
    ),
    "no-channel": _passing(
        "503 model_not_found: no channel serves the model.",
        openai_style(503, "No available channel for model kling-image", "model_not_found"),
    ),
    "answer-late": Scenario(
        says="The task exists at once; the answer to the submit comes after two minutes.",
        params={"answer_seconds": 120.0},
    ),
    "cut-after-accept": _unclear("The connection is cut", replies.CUT, accepted=True),
    "cut-before-accept": _unclear("The connection is cut", replies.CUT, accepted=False),
    "html-502": _unclear("502 with HTML", page(502, "502 Bad Gateway"), accepted=False),
    "html-504": _unclear("504 with HTML", page(504, "504 Gateway Time-out"), accepted=True),
    "html-524": _unclear("524 with HTML", page(524, "524: A timeout occurred"), accepted=True),
    "html-200": _unclear("200 with the HTML dashboard", replies.DASHBOARD, accepted=False),
    "empty-200": _unclear("200 without a body", Reply(200), accepted=True),
    "empty-502": _unclear("502 without a body", Reply(502), accepted=False),
    "empty-429": _passing("429 without a body, twice.", Reply(429)),
    "saturated": _passing("429 with the gateway's fixed text, twice.", replies.SATURATED),
    "half-answer": _unclear(
        "The connection is cut within the answer",
        Reply(200, _HALF_AN_ANSWER, share=0.5),
        accepted=True,
    ),
    "broken-json": _unclear("200 with half a JSON", Reply(200, _HALF_AN_ANSWER), accepted=True),
    "no-task-id": _unclear(
        "200 and code 0 without a task id",
        Reply(200, '{"code": 0, "message": "SUCCEED", "data": {}}'),
        accepted=True,
    ),
    "direct-data": _unclear(
        "200 with data:[{url}] of a synchronous gateway",
        Reply(200, '{"created": 1764000000, "data": [{"url": "https://cdn.invalid/x.png"}]}'),
        accepted=True,
    ),
    "facade-failed": _unclear(
        "500 kling_error of a synchronous gateway that gave up",
        openai_style(500, "image generation failed", "failed", "kling_error"),
        accepted=True,
    ),
    "ok-1301": _final("Refused for its content, with HTTP 200.", official(1301, status=200)),
    "ok-1303": _passing("Code 1303 with HTTP 200, twice.", official(1303, status=200)),
    "wrapped-1301": _final("Code 1301 inside the gateway's message.", replies.wrapped(1301)),
    "wrapped-1303": _passing("Code 1303 inside the gateway's message.", replies.wrapped(1303)),
    "task-failed-word": _final(
        "400 task_failed: Kling's number is lost, only its message is left.",
        worded(400, "task_failed", OFFICIAL[1301][1]),
    ),
    "not-reached": _unclear(
        "500 do_request_failed: the gateway did not reach Kling",
        worded(500, "do_request_failed", "do request failed: dial tcp: i/o timeout"),
        accepted=False,
    ),
    "panic": _unclear(
        "500 new_api_panic",
        openai_style(500, "Panic detected, error: nil pointer", kind="new_api_panic"),
        accepted=True,
    ),
    **{f"submit-{code}": _by_code(code) for code in OFFICIAL},
}
