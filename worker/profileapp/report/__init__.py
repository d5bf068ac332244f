"""Turns judged runs into reports for people and for Jenkins. Never runs anything."""
