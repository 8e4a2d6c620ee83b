"""What the page of experiments draws: stored studies, narrowed down, side by side, sample by sample."""
