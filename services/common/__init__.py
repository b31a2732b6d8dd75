"""What every server shares: lifecycle, interceptors, errors, configuration, logging."""
