"""The commands `tenge offline ...`: look at what devices hand to each other.

Heavy modules are loaded by the command that needs them, so that `tenge --version` answers at once.
"""

from pathlib import Path

import click

from wallets.cli_answers import OK, print_json, refusals


@click.group()
def offline() -> None:
    """Payments with no network: look at messages as frames and bytes."""


@offline.command("frames")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--carrier",
    type=click.Choice(["qr", "nfc", "ble"]),
    default="qr",
    show_default=True,
    help="Whose frames are listed.",
)
@click.option(
    "--mtu", type=click.IntRange(23, 517), default=185, show_default=True, help="How wide the BLE link is."
)
@click.option("--qr", "draw", is_flag=True, help="Draw the QR codes in the terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every frame in full.")
@refusals
def offline_frames(file: Path, carrier: str, mtu: int, draw: bool, as_json: bool) -> int:
    """The frames of a message, and a payload meter: bytes of each object and each hop, against every carrier's limits.

    FILE holds a bundle, an offer, a message of either flow, a single object (invoice, receipt, TRUST list, ...), a
    batch, an evidence file, or what begins an encrypted channel. `tenge offline samples DIR` writes one of each.

    \b
    Examples:
      tenge offline frames build/samples/payment-5.dto
      tenge offline frames build/samples/commit.dto --carrier ble --mtu 23
      tenge offline frames build/samples/request.dto --qr
    """
    from wallets import payload_meter as meter

    payload = meter.read_file(file)
    found = meter.weigh(payload, mtu)
    pieces = meter.pieces(payload.data, carrier, mtu) if carrier != "qr" or found["qr"] else []
    if as_json:
        print_json({**found, "carrier": carrier, "frames": pieces})
        return OK
    for line in [*meter.lines_of(found), "", *meter.piece_lines(pieces, carrier)]:
        click.echo(line)
    if draw:
        for number, drawing in enumerate(meter.drawings(payload.data), start=1):
            click.echo(f"\n{drawing}\n  {number} of {len(pieces)}" if carrier == "qr" else f"\n{drawing}")
    return OK


@offline.command("samples")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="The same seed writes the same bytes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def offline_samples(folder: Path, seed: int, as_json: bool) -> int:
    """Write one file of everything that devices hand to each other into DIR, made by real payments in memory.

    \b
    Example:
      tenge offline samples build/samples
    """
    from wallets import payload_samples

    made = payload_samples.write(folder, seed)
    if as_json:
        print_json(
            [
                {"file": (folder / name).as_posix(), "what": what, "bytes": len(data)}
                for name, what, data in made
            ]
        )
        return OK
    for name, what, data in made:
        click.echo(f"{(folder / name).as_posix():<40} {len(data):>6,} bytes  {what}")
    return OK
