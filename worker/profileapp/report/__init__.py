"""Turns judged runs into reports for users and for Jenkins. Never runs anything."""
