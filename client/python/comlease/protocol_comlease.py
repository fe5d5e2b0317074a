"""Under this name pyserial looks for what opens comlease:// URLs: see comlease.serial."""
from comlease.serial import Serial

__all__ = ["Serial"]
