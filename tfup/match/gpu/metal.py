"""Apple's plug-in: the release that it pairs with, what it needs, and its pin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfup.match.gpu.tables import GpuPackage, PluginRow, plugins
from tfup.model import GpuVerdict, Notice, Obstacle, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.model import Choice, Machine


def find_plugin(version: str, family: str) -> PluginRow | None:
    """Return the plug-in that pairs with a release on a system, None where none does."""
    rows = (row for row in plugins() if (row.accelerator, row.family) == ("metal", family))
    return next((row for row in rows if SpecifierSet(row.tensorflow).contains(version)), None)


def metal_obstacles(plugin: PluginRow, python_tag: str, machine: Machine) -> Iterator[Obstacle]:
    """Yield what the plug-in needs: a Python, a macOS and an Apple card."""
    tags = python_tags(plugin)
    if python_tag not in tags:
        found = f"{python_tag}, for which {plugin.project} {plugin.version} has no wheel"
        yield Obstacle("accelerator", f"a Python among {', '.join(tags)}", found, "choose another Python")
    version = machine.system.version
    if version and Version(version) < Version(plugin.system):
        yield Obstacle("macos", f"macOS {plugin.system} or newer", f"macOS {version}", "update macOS")
    if machine.gpus is not None and not any(gpu.vendor == "apple" for gpu in machine.gpus):
        found = ", ".join(gpu.name or gpu.vendor for gpu in machine.gpus)
        yield Obstacle("gpu", "an Apple GPU", found or None, "use --cpu")


def python_tags(plugin: PluginRow) -> list[str]:
    """Return the Pythons that the plug-in has wheels for."""
    return sorted({file.split("-")[2] for file, _, _ in plugin.wheels})


def metal_verdicts(plugin: PluginRow, machine: Machine) -> tuple[GpuVerdict, ...]:
    """Return a verdict for each card: Metal compiles for every card of Apple's."""
    why = f"{plugin.project} {plugin.version} hands the work to Metal"
    return tuple(
        GpuVerdict(gpu.index, gpu.name, "native", why)
        if gpu.vendor == "apple"
        else GpuVerdict(gpu.index, gpu.name, "none", "the plug-in is for Apple's cards")
        for gpu in machine.gpus or ()
    )


def metal_notices(plugin: PluginRow, version: str) -> Iterator[Notice]:
    """Yield what contradicts the pair."""
    if plugin.doubt:
        pair = f"{plugin.project} {plugin.version} pairs with {version} by its own table"
        yield Notice("metal-pair-doubted", f"{pair}, but {plugin.doubt}; where that is so, use --cpu.")


# ---------------------------------------------------------------- its pin


def plugin_of(choice: Choice) -> PluginRow | None:
    """Return the plug-in that a choice takes."""
    return find_plugin(choice.version, choice.platform) if choice.accelerator == "metal" else None


def companions(choice: Choice) -> tuple[GpuPackage, ...]:
    """Return the plug-in that a choice takes, with its pin; nothing where it takes none."""
    plugin = plugin_of(choice)
    if plugin is None:
        return ()
    why = f"it makes Apple's GPU usable, and pairs with TensorFlow {plugin.tensorflow.removeprefix('==')}"
    return (GpuPackage(plugin.project, plugin.version, why, tuple(Wheel(*file) for file in plugin.wheels)),)
