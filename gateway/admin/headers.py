"""What every answer says to the browser about safety: no foreign code, no frames, nothing kept."""

from __future__ import annotations

from aiohttp import web

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

# No Strict-Transport-Security: with it, a browser refuses for ever a device that made its certificate itself.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # not less: the check of a form's origin needs it
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Server": "dicom-gateway",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add what is missing; a signal of the application (on_response_prepare)."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    if "Vary" not in response.headers:
        response.headers["Vary"] = "HX-Request"  # a part of a page is not the page
