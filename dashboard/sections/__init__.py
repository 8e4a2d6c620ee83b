"""The story of the Lab, one step per file: one plain sentence, one large figure, the mathematics folded away."""

__all__: list[str] = []
