"""The page Support: a bundle for whoever is to help, shown in full before it is downloaded."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.diagnosis.answers import answers
from gateway.admin.page import N_, Page, Route
from gateway.admin.pages.system import state_folder
from gateway.admin.visit import Visit
from gateway.support.bundle import Bundle
from gateway.support.gather import build
from gateway.support.vocabulary import vocabulary


async def overview(visit: Visit) -> web.StreamResponse:
    """What a bundle is, and the button that makes one."""
    return visit.render("support/index.html")


async def make(visit: Visit) -> web.StreamResponse:
    """Make a bundle, and show it."""
    found = await answers(visit.gateway)
    folders = (await state_folder(visit), visit.settings.state_dir)
    machine = await visit.services.diagnosis.machine.report(folders)
    # Reading the program's own vocabulary takes a second on a small board.
    words = await asyncio.to_thread(vocabulary)
    bundle = await asyncio.to_thread(build, found, machine, words, now=time.time())
    name = visit.services.diagnosis.shelf.put(bundle, visit.user.name)
    await visit.audit("support-bundle", detail=f"sha256={bundle.digest[:16]}")
    return visit.redirect(f"/support/{name}")


async def show(visit: Visit) -> web.StreamResponse:
    """Everything that is in it."""
    bundle = _bundle(visit)
    if bundle is None:
        visit.notice("info", visit.text("That bundle is gone. Make a new one."))
        return visit.redirect("/support")
    return visit.render("support/bundle.html", bundle=bundle, name=visit.path_value("name"))


async def download(visit: Visit) -> web.StreamResponse:
    """Exactly the bytes that were shown."""
    bundle = _bundle(visit)
    if bundle is None:
        visit.notice("info", visit.text("That bundle is gone. Make a new one."))
        return visit.redirect("/support")
    await visit.audit("download", "support bundle", detail=f"sha256={bundle.digest[:16]}")
    return web.Response(
        body=bundle.content,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{bundle.name}"'},
    )


def _bundle(visit: Visit) -> Bundle | None:
    return visit.services.diagnosis.shelf.get(visit.path_value("name"), visit.user.name)


_NAME = "{name:[0-9a-f]{16}}"

PAGE = Page(
    name="support",
    title=N_("Support"),
    icon="support",
    path="/support",
    group="system",
    needs=Permission.DIAGNOSE,
    routes=(
        Route("GET", "/support", overview, Permission.DIAGNOSE),
        Route("POST", "/support", make, Permission.DIAGNOSE),
        Route("GET", f"/support/{_NAME}", show, Permission.DIAGNOSE),
        Route("GET", f"/support/{_NAME}/download", download, Permission.DIAGNOSE),
    ),
)
