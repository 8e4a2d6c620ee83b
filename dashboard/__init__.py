"""The web page: plays the client, then the curious server, and shows every step between a gradient and an image."""

__all__: list[str] = []
