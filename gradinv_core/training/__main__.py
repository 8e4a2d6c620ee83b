"""Write the checkpoints that ship; see `gradinv_core.training.shipped`."""

from gradinv_core.training.shipped import main

if __name__ == "__main__":
    main()
