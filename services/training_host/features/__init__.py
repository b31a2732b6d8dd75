"""Inputs of the network: which there are, their values, and their scaling."""
