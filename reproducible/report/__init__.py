"""Pages: tables, figures and the book; no arithmetic of its own."""
