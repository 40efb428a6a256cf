"""Pages of a list: what one answer holds, and the way to the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

from trophenix.errors import UnexpectedResponse
from trophenix.exchange import Response
from trophenix.records import Record, read

T = TypeVar("T")
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class PageContent(Generic[T]):
    """The items of one page and what is known about the others."""

    data: tuple[T, ...]
    next_cursor: str | None
    total: int | None


def read_page(kind: type[R], response: Response, cursor: str | None) -> PageContent[R]:
    """The page in *response*, which was asked for with *cursor*.

    Raises:
        UnexpectedResponse: it is no page, or it leads back to itself, which would never end.
    """

    def unexpected(what: str) -> UnexpectedResponse:
        return UnexpectedResponse(
            f"The answer is no page of {kind.__name__}: {what}.",
            status=response.status,
            request_id=response.request_id,
        )

    document = response.json()
    if not isinstance(document, dict) or not isinstance(items := document.get("data"), list):
        raise unexpected("it has no list called data")
    following, total = document.get("next_cursor"), document.get("total")
    if following is not None and not isinstance(following, str):
        raise unexpected("next_cursor is neither text nor null")
    if total is not None and not isinstance(total, int):
        raise unexpected("total is neither a whole number nor null")
    if following is not None and following == cursor:
        raise unexpected("next_cursor leads to the same page again")
    data = tuple(read(kind, item, response) for item in items)
    return PageContent(data, following or None, total)


class _Listing(Sequence[T]):
    """One page as a sequence: length, indexing and iteration concern this page only."""

    def __init__(self, content: PageContent[T]) -> None:
        self._content = content

    @property
    def data(self) -> tuple[T, ...]:
        """The items of this page, in the list's order."""
        return self._content.data

    @property
    def total(self) -> int | None:
        """How many items all pages hold; ``None`` unless asked for with ``count=True``."""
        return self._content.total

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins, to go on later or elsewhere; ``None`` on the last one."""
        return self._content.next_cursor

    @property
    def has_more(self) -> bool:
        """Whether there is a next page."""
        return self._content.next_cursor is not None

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self._content.data[index]

    def __len__(self) -> int:
        return len(self._content.data)

    def __iter__(self) -> Iterator[T]:
        return iter(self._content.data)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} of {len(self)}, total={self.total}, has_more={self.has_more}>"


class Page(_Listing[T]):
    """One page of a list, and the way to the others.

    ``for item in page`` goes over *this page* and sends nothing: with ``limit=50`` it sees at
    most 50 items. ``for item in page.auto_paging()`` goes on through all following pages.
    """

    def __init__(self, content: PageContent[T], follow: Callable[[str], Page[T]]) -> None:
        super().__init__(content)
        self._follow = follow

    def next_page(self) -> Page[T] | None:
        """The page after this one, fetched now; ``None`` after the last."""
        return None if self.next_cursor is None else self._follow(self.next_cursor)

    def auto_paging(self) -> Iterator[T]:
        """Every item from this page to the last, each page fetched when it is reached."""
        page: Page[T] | None = self
        while page is not None:
            yield from page.data
            page = page.next_page()


class AsyncPage(_Listing[T]):
    """One page of a list, and the way to the others.

    ``for item in page`` (and ``async for``) goes over *this page* and sends nothing: with
    ``limit=50`` it sees at most 50 items. ``async for item in page.auto_paging()`` goes on
    through all following pages.
    """

    def __init__(
        self, content: PageContent[T], follow: Callable[[str], Awaitable[AsyncPage[T]]]
    ) -> None:
        super().__init__(content)
        self._follow = follow

    async def next_page(self) -> AsyncPage[T] | None:
        """The page after this one, fetched now; ``None`` after the last."""
        return None if self.next_cursor is None else await self._follow(self.next_cursor)

    async def auto_paging(self) -> AsyncIterator[T]:
        """Every item from this page to the last, each page fetched when it is reached."""
        page: AsyncPage[T] | None = self
        while page is not None:
            for item in page.data:
                yield item
            page = await page.next_page()

    async def __aiter__(self) -> AsyncIterator[T]:
        for item in self.data:
            yield item
