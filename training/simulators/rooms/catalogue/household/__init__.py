"""Builders of what lies about elsewhere: tools, toys, clothes, office things."""
