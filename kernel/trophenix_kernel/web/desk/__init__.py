"""The admin in a browser: requests in, pages out. Everything it shows and does passes the same pipeline as the API."""

from trophenix_kernel.web.desk.refusals import on_failure, on_http_error, on_refusal
from trophenix_kernel.web.desk.routes import desk_handlers

__all__ = ["desk_handlers", "on_failure", "on_http_error", "on_refusal"]
