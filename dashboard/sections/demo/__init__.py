"""The demonstration: one picture, one gradient, one leak, and a defence to switch on. No formula."""
