"""Attacks that recover a prompt from what servers saw: one technique a module."""
