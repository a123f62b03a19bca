"""A page that shows what it is given as it came, as a console without care would. For the controls.

Served by `streamlit run tests/attacks/unescaped.py`; what to show stands in the address.
"""

import plotly.graph_objects as go
import streamlit as st

given = st.query_params.get("given", "")
st.title("Unescaped")
st.markdown(given, unsafe_allow_html=True)
st.html(given, unsafe_allow_javascript=True)
st.plotly_chart(go.Figure(go.Bar(y=[given], x=[1], orientation="h")))
