"""Record the progress and metrics of a running job in a local journal, and read such journals."""
