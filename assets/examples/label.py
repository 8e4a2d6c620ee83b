"""Read a soft label off the last layer's gradient: no bias, no format named, nothing but what a server holds.

Run it with: python assets/examples/label.py
"""

import torch

from gradinv_core import capture_gradients, mixup_label, recover_label
from gradinv_core.datasets import load_dataset
from gradinv_core.networks import build_network, observe_head

# The client: one photograph, its label mixed with another class's and smoothed, one gradient.
model = build_network("lenet_sigmoid", classes=10, seed=0)
image, _ = load_dataset("photographs", size=32)[0]
label = mixup_label(3, 5, classes=10, ratio=0.65, epsilon=0.1)
gradients = capture_gradients(model, image, label)

# The server: the network's weights and that gradient.
head = observe_head(model, gradients)
answer = recover_label(head.weight, head.weight_grad)

print(answer.message)
print(f"format: {answer.label_format}, lambda: {answer.scale:.4f}, {answer.status}")
print("recovered:", [round(share, 6) for share in answer.label.tolist()])
print("true:     ", [round(share, 6) for share in label.tolist()])
print(f"largest error: {float((answer.label - label).abs().max()):.1e}")

# The feature, the last layer's input, comes along.
with torch.no_grad():
    feature = model[:-1](image[None])[0].double()
print(f"feature, largest error: {float((answer.feature - feature).abs().max()):.1e}")
