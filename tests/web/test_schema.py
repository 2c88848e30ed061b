"""What can be asked for at all, made up at random from the panel's own description: none fails."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.web.conftest import HOST, Panel
from tests.web.forms import FROM_HERE, filled
from web.pages import PAGES

QUERY = ("instance", "newer", "older", "outcome", "range", "seq", "sort", "symbol", "timeframe")
MADE_UP = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_nothing_that_can_be_asked_fails(panel: Panel) -> None:
    client = panel("admin")
    csrf = filled(client, "pause").fields["csrf"]
    described = client.get("/schema/openapi.json").json()
    del described["paths"]["/logout"]  # nothing could be asked afterwards
    for page in PAGES:  # what they read from their addresses
        described["paths"][page.path]["get"]["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERY
        ]
    statuses: dict[str, set[int]] = {}

    def ask(operation: APIOperation[Any, Any, Any, Any]) -> None:
        @MADE_UP
        @given(case=operation.as_strategy())
        def asked(case: Case[Any]) -> None:
            words = case.as_transport_kwargs(base_url=HOST)
            words["headers"] = {**words["headers"], **FROM_HERE, "X-CSRF-Token": csrf}
            del words["cookies"]  # the session's
            if isinstance(words.get("data"), bytes | str):
                words["content"] = words.pop("data")
            answer = client.request(**words)
            assert answer.status_code < 500, answer.text
            statuses.setdefault(operation.label, set()).add(answer.status_code)

        asked()

    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        assert isinstance(found, Ok)
        ask(found.ok())
    assert len(statuses) == sum(len(methods) for methods in described["paths"].values())
    assert all(200 in statuses[f"GET {page.path}"] for page in PAGES), statuses
