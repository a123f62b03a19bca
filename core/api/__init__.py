"""The HTTP routes beside the pages, thin as pages."""
