"""What every page shares: the guard, the frame, the words. With the pages, the only code that sees Streamlit."""
