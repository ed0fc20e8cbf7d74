"""Stage 1, machine: what is here, each fact with its source; None means "not found", never a guess."""

from tfup.machine.detection import detect
from tfup.machine.file import read_machine
from tfup.machine.probe import Probe, Recorder, Recording

__all__ = ["Probe", "Recorder", "Recording", "detect", "read_machine"]
