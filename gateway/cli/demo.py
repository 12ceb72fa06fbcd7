"""`dicom-gateway demo`."""

from __future__ import annotations

import click


@click.command(name="demo", epilog="\b\nExample:\n  dicom-gateway demo --records 50")
@click.option(
    "--records",
    type=click.IntRange(2, 10_000),
    default=20,
    show_default=True,
    help="Patients to treat, with one treatment record each.",
)
@click.option(
    "--images",
    type=click.IntRange(0, 10_000),
    default=40,
    show_default=True,
    help="Portal images of all patients together.",
)
@click.option(
    "--cbct-slices",
    type=click.IntRange(0, 500),
    default=20,
    show_default=True,
    help="Slices of a CBCT, which every fifth patient gets.",
)
@click.option(
    "--hub",
    is_flag=True,
    help="With a hub at the centre, over a satellite line of 600 ms (needs root; else over loopback).",
)
@click.option(
    "--keep", is_flag=True, help="Keep the folder with the spool, the log and what the centre received."
)
@click.option("--plain", is_flag=True, help="Lines instead of the live page, and no colours.")
@click.option("--page/--no-page", default=True, show_default=True, help="Serve the local admin page.")
@click.option(
    "--page-address",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve it on; 0.0.0.0 to look from another computer.",
)
@click.option(
    "--stay/--no-stay",
    default=None,
    help="Go on treating patients after the proof, for the page, until Ctrl-C. Default: on a terminal.",
)
@click.option(
    "--browser/--no-browser", default=None, help="Open the page in a browser. Default: on a desktop."
)
@click.pass_context
def command(
    ctx: click.Context,
    records: int,
    images: int,
    cbct_slices: int,
    hub: bool,
    keep: bool,
    plain: bool,
    page: bool,
    page_address: str,
    stay: bool | None,
    browser: bool | None,
) -> None:
    """Show the whole job on this machine: a console, the gateway, a link that fails, and a TLS centre.

    Everything runs on loopback and in a temporary folder, with synthetic patients, for about half a minute.
    Ends with a table that proves, digest by digest, that everything arrived; the exit code is 0 only then.
    The gateway's local page is served meanwhile, and stays until Ctrl-C when this is a terminal.
    """
    from gateway.demo import run

    code = run(
        records=records,
        images=images,
        cbct_slices=cbct_slices,
        keep=keep,
        plain=plain,
        page=page,
        page_address=page_address,
        stay=stay,
        browser=browser,
        hub=hub,
    )
    ctx.exit(code)
