"""Instruments: between the contract's words and the gateway's."""
