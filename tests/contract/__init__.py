"""What is fixed between parts and versions: bytes, names, codes, order. A failing test here is a broken promise."""
