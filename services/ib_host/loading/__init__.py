"""Loading bars: a long piece of work that survives its gateway, and its host."""
