"""The package as a library: its public names, and no page in its imports."""

import subprocess
import sys

import pytest

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


def test_errors_come_without_what_attacks_need():
    """A process that only reports what others compute starts at once."""
    code = "import sys, gradinv_core.errors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_there_is_found_and_what_is_not_is_said():
    assert set(gradinv_core.__all__) <= set(dir(gradinv_core))
    with pytest.raises(AttributeError, match="has no attribute 'recover_everything'"):
        _ = gradinv_core.recover_everything
