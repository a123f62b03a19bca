"""The same console with its front door taken off: nothing of core/api stands between Streamlit's server and whoever asks. For the controls.

Served by `streamlit run tests/attacks/undefended.py`, from the checkout.
"""

import streamlit as st

from core.api.routes import ROUTES
from core.settings import CHECKOUT
from core.ui import session
from Home import lifespan

app = st.App(str(CHECKOUT / "Home.py"), routes=ROUTES, lifespan=lifespan, on_script_error=session.report)
