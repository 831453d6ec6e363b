"""Notifications: which sources have changed their state, the text about them, and the places that receive it."""
