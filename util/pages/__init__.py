"""HTML pages: what writes them, and their styles and scripts."""
