"""What middleboxes do to frames: each function described once, asked for by text, and judged by what comes back."""
