"""`ktrdr data`: load market data, check it, and bring it in and out."""
