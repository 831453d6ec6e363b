"""The asset checks of each harvest asset."""
