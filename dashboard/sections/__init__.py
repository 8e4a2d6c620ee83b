"""What the pages are made of, by page: one plain sentence, one large figure, the mathematics folded away."""

__all__: list[str] = []
