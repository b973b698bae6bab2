"""Pictures that the server draws: QR codes as inline SVG, with nothing that a strict content policy forbids."""

import segno
from markupsafe import Markup, escape


def qr_picture(text: str, title: str) -> Markup:
    """A QR code of a text, `title` for those who do not see it."""
    drawn = segno.make(text, error="m", micro=False).svg_inline(
        border=3, svgclass="qr", lineclass=None, omitsize=True
    )
    label = f'<svg role="img" aria-label="{escape(title)}" '
    return Markup(drawn.replace("<svg ", label, 1))  # noqa: S704 - drawn here from modules, the label is escaped
