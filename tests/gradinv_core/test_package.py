"""The package as a library: its public names, and no page in its imports."""

import subprocess
import sys

import gradinv_core


def test_public_names_are_the_contract():
    promised = {
        "capture_gradients",
        "recover_label",
        "recover_labels",
        "reconstruct_image",
        "variance_loss",
        "hard_label",
        "smooth_label",
        "mixup_label",
    }
    assert promised <= set(gradinv_core.__all__)
    assert all(hasattr(gradinv_core, name) for name in gradinv_core.__all__)


def test_core_imports_neither_the_page_nor_heavy_data_libraries():
    code = (
        "import sys, gradinv_core, gradinv_core.cli, gradinv_core.datasets, gradinv_core.networks\n"
        "print(sorted({'streamlit', 'plotly', 'dashboard', 'skimage', 'sklearn', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
