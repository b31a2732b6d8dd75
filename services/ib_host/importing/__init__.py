"""Bars from elsewhere: what they have to be like before they are stored."""
