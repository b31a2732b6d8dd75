"""The end of operations: what is deleted, by whom it is still to be heard of, and what is left on hosts."""
