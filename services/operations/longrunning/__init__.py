"""`google.longrunning.Operations` over the registry, for the stock clients of long-running operations."""
