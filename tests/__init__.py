"""Rings: unit, contract, integration, acceptance, tidy."""
