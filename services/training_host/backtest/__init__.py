"""Decisions on the test part as a strategy of its own.

A plain calculation over closes, no simulation of an exchange: no slippage, no spread, no margin, no interest, no
partial fills, no compounding. It tells whether decisions are worth more than their costs, and more than holding; it
does not tell what trading them would have brought.
"""
