"""Tables for readers, as CSV, Markdown, LaTeX and HTML."""
