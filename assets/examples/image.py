"""Rebuild the picture that a convolutional network was trained on, from one gradient, by linear algebra.

Run it with: python assets/examples/image.py
"""

from pathlib import Path

from torchvision.utils import save_image

from gradinv_core import capture_gradients, reconstruct_image, smooth_label
from gradinv_core.datasets import load_dataset
from gradinv_core.metrics import psnr, ssim
from gradinv_core.networks import build_network

# The client.
model = build_network("lenet_tanh", classes=10, seed=0)
image, target = load_dataset("photographs", size=32)[0]
gradients = capture_gradients(model, image, smooth_label(target, classes=10, epsilon=0.1))

# The server: label and feature first, then layer by layer back to the pixels.
recovery = reconstruct_image(model, gradients, input_shape=(3, 32, 32))

print(recovery.reason)
for layer in recovery.layers:
    print(f"layer {layer.name}, {layer.kind}: {layer.rank} of {layer.unknowns} inputs determined")
print(f"in {recovery.seconds:.1f} s: PSNR {psnr(recovery.image, image):.1f} dB, SSIM {ssim(recovery.image, image):.4f}")
if recovery.std is not None:
    print(f"the server's own error bar: {float(recovery.std.max()):.1e} at most")

save_image([image.double(), recovery.image.clamp(0, 1)], Path("client-and-server.png"))
print("Side by side: client-and-server.png")
