"""What a person sees when there is no answer: a page with a sentence, never a stack trace."""

import logging
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreBroken
from engine.store.database import explain, path_of
from web.language import mark, translated
from web.panel import Panel
from web.routes.login import to_login

_WORDS = {  # status → title, sentence
    400: (mark("This cannot be asked"), mark("A part of the address or of the form is wrong.")),
    403: (mark("You may not do this"), mark("Your role or this form does not allow it.")),
    404: (mark("There is no such page"), mark("Perhaps the address has a slip of the pen.")),
    405: (mark("Not in this way"), mark("This address is asked in another way, by a button.")),
    409: (mark("Done before"), mark("This form has been used for something else.")),
    413: (mark("Too much at once"), mark("What was sent is larger than anything asked for here.")),
    429: (mark("Too many tries"), mark("Wait a little, then try again.")),
    503: (mark("Too much to do"), mark("The panel is busy. Try again in a moment.")),
}
_FAILED = (
    mark("The panel failed"),
    mark("This is a defect of the panel; the engine does not notice it. Its log says more."),
)

Asked = Request[Any, Any, Any]


class Errors:
    """Answers to exceptions; what nobody expected goes to the log."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    @property
    def handlers(self) -> ExceptionHandlersMap:
        """Which exceptions are answered by what."""
        return {
            HTTPException: self._refused,
            StoreBroken: self._unreadable,
            SQLAlchemyError: self._interrupted,
            Exception: self._failed,
        }

    def _refused(self, request: Asked, wrong: HTTPException) -> Response[Any]:
        status = wrong.status_code
        if status == HTTPStatus.UNAUTHORIZED:
            return to_login(request)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _WORDS:
            return self._failed(request, wrong)
        return self._page(request, status, dict(wrong.headers or {}))

    def _unreadable(self, request: Asked, wrong: StoreBroken) -> Response[str]:
        reader = self._panel.reader_of(request)
        page = self._panel.draw("unavailable.html", reader=reader, sentence=str(wrong))
        return Response(
            page, status_code=503, media_type=MediaType.HTML, headers={"Retry-After": "5"}
        )

    def _interrupted(self, request: Asked, wrong: SQLAlchemyError) -> Response[str]:
        """Say what happened to a store while it was read."""
        return self._unreadable(request, explain(wrong, path_of(self._panel.directory, "engine")))

    def _failed(self, request: Asked, wrong: Exception) -> Response[str]:
        logging.getLogger("web").error("%s %s", request.method, request.url.path, exc_info=wrong)
        return self._page(request, 500)

    def _page(
        self, request: Asked, status: int, headers: dict[str, str] | None = None
    ) -> Response[str]:
        reader = self._panel.reader_of(request)
        otherwise = _WORDS[400] if status < HTTPStatus.INTERNAL_SERVER_ERROR else _FAILED
        title, sentence = (translated(reader, text) for text in _WORDS.get(status, otherwise))
        page = self._panel.draw(
            "error.html", reader=reader, status=status, title=title, sentence=sentence
        )
        return Response(page, status_code=status, media_type=MediaType.HTML, headers=headers)
