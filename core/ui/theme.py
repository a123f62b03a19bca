"""The console's own pictures. Colours and sizes are in .streamlit/config.toml, where Streamlit wants them."""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"

LOGO = ASSETS / "logo.svg"
LOGO_ICON = ASSETS / "icon.svg"
FAVICON = ASSETS / "favicon.png"
