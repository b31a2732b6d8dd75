"""Technical indicators: what they are called, what they take and give, and their values over bars."""
