"""The Trophenix API client.

```python
from trophenix import TrophenixClient

with TrophenixClient(api_key="troph_sk_live_…", tenant="olympic-france") as client:
    for athlete in client.athletes.search(sport="tennis", country="FR", limit=50):
        print(athlete.name, athlete.ranking)
```
"""

from trophenix.athletes import Athlete, AthleteFields, ExternalId
from trophenix.client import AsyncTrophenixClient, TrophenixClient
from trophenix.errors import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    ConfigurationProblem,
    Conflict,
    ConnectionFailed,
    FieldError,
    ImportFailed,
    ImportUnfinished,
    InvalidArgument,
    NotFound,
    PayloadTooLarge,
    PaymentRequired,
    PermissionDenied,
    PreconditionFailed,
    RateLimited,
    ServerError,
    TimeoutError,  # noqa: A004 - ours is the built-in one, too
    TrophenixError,
    UnexpectedResponse,
    ValidationFailed,
)
from trophenix.exchange import JsonValue, Response
from trophenix.imports import AsyncImportResult, ImportResult, ImportRow
from trophenix.keys import Environment
from trophenix.pages import AsyncPage, Page

__all__ = [
    "ApiError",
    "AsyncImportResult",
    "AsyncPage",
    "AsyncTrophenixClient",
    "Athlete",
    "AthleteFields",
    "AuthenticationError",
    "ConfigurationError",
    "ConfigurationProblem",
    "Conflict",
    "ConnectionFailed",
    "Environment",
    "ExternalId",
    "FieldError",
    "ImportFailed",
    "ImportResult",
    "ImportRow",
    "ImportUnfinished",
    "InvalidArgument",
    "JsonValue",
    "NotFound",
    "Page",
    "PayloadTooLarge",
    "PaymentRequired",
    "PermissionDenied",
    "PreconditionFailed",
    "RateLimited",
    "Response",
    "ServerError",
    "TimeoutError",
    "TrophenixClient",
    "TrophenixError",
    "UnexpectedResponse",
    "ValidationFailed",
]
