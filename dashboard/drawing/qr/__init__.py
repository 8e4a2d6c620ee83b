"""QR codes, for an address that a class reads off the wall: ISO/IEC 18004, bytes, error correction level M."""

from dashboard.drawing.qr.codewords import LONGEST
from dashboard.drawing.qr.modules import qr_modules
from dashboard.drawing.qr.picture import qr_svg

__all__ = ["LONGEST", "qr_modules", "qr_svg"]
