"""A network whose ``forward`` a test writes down."""

from torch import nn

__all__ = ["Written"]


class Written(nn.Module):
    """Modules by name, and what runs them."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.run = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, picture):
        return self.run(self, picture)
