"""Tests of KTRDR."""
