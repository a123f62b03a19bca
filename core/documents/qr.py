"""A picture that a phone's camera reads: black on white whatever the page's colours are, with the white margin that cameras need."""

from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

# What the standard asks for around the code, in its own modules.
QUIET = 4


def svg(text: str) -> str:
    """One path: a module is a unit square, and the picture is as large as it is drawn."""
    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    count = code.getModuleCount()
    size = count + 2 * QUIET
    dark = "".join(f"M{QUIET + column} {QUIET + row}h1v1h-1z" for row in range(count) for column in range(count) if code.isDark(row, column))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{8 * size}" height="{8 * size}" shape-rendering="crispEdges">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{dark}" fill="#000"/></svg>'
    )
