"""Turns judged runs into what people and Jenkins read. Never runs anything."""
