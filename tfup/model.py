"""The nouns that the five stages hand on, and the documents that `--json` prints.

All are frozen structures. `msgspec` reads and writes them as JSON and makes the published
schemas from them, so that a field has one home: the class below. `None` means "not found";
no decision rests on it without saying so.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

Accelerator = Literal["cpu", "cuda", "metal", "directml", "rocm"]
Status = Literal["proved", "failed", "skipped", "crashed"]


# ---------------------------------------------------------------- stage 0: the wish


class Wish(Struct, frozen=True):
    """What the person asked for, to the letter."""

    requirements: tuple[str, ...] = ()
    """PEP 508 requirements, as typed: builds, Keras and packages to go beside them."""
    gpu: bool | None = None
    """True for --gpu, False for --cpu, None when the person left it to us."""
    python: str | None = None
    """The Python minor wished for, such as "3.10"."""
    backend: str | None = None
    """The back end of Keras that was asked for, or that a package asked for means."""
    manager: Literal["pipenv", "conda", "venv"] = "pipenv"
    slim: bool = False
    system_packages: tuple[str, ...] = ()
    """Modules of the system's Python to be made visible in the environment."""


# ---------------------------------------------------------------- stage 1: the machine


class System(Struct, frozen=True):
    """The operating system; `arch` is x86_64, aarch64 or i686, `libc` glibc or musl."""

    os: str | None = None
    name: str | None = None
    version: str | None = None
    arch: str | None = None
    libc: str | None = None
    libc_version: str | None = None
    wsl: int | None = None
    rosetta: bool | None = None


class Cpu(Struct, frozen=True):
    """The processor; `features` by archspec's names, None when they could not be read."""

    model: str | None = None
    features: tuple[str, ...] | None = None
    cores: int | None = None


class Interpreter(Struct, frozen=True):
    """A Python that was asked for these facts about itself."""

    path: str
    version: str
    implementation: str = "cpython"
    bits: int | None = None
    arch: str | None = None
    abi: str | None = None
    """The ABI tag of PEP 425: cp313, cp37m, cp27mu."""
    free_threaded: bool | None = None
    managed_by: str | None = None
    runtimes: dict[str, str] = field(default_factory=dict)
    """On Windows: the parts of the C++ runtime that lie beside it, with their versions."""


class Gpu(Struct, frozen=True):
    """A graphics card; memory in bytes."""

    vendor: str
    name: str | None = None
    compute_capability: str | None = None
    memory_bytes: int | None = None
    index: int | None = None
    pci_id: str | None = None
    visible: bool | None = None
    """False where CUDA programs cannot use it: hidden, not given to the container, without driver."""
    mig: bool | None = None
    mig_devices: int | None = None
    """How many slices there are for CUDA programs, where `mig` divides the card."""


class Driver(Struct, frozen=True):
    """NVIDIA's driver, and the newest CUDA that it serves; a person may have set only the latter."""

    version: str | None = None
    cuda: str | None = None


Owner = Literal["system", "pip", "conda"]
"""Who put a library there; that of pip and conda serves its own environment only."""


class Toolkit(Struct, frozen=True):
    """An installed CUDA toolkit, or its runtime alone: a library, or a package of pip's or conda's."""

    version: str
    path: str | None = None
    source: str | None = None
    owner: Owner = "system"


class Cudnn(Struct, frozen=True):
    """An installed cuDNN, and the CUDA that it was made for."""

    version: str
    path: str | None = None
    cuda: str | None = None
    owner: Owner = "system"


class FoundLibrary(Struct, frozen=True):
    """A library of CUDA that is here, under the name by which programs ask for it."""

    soname: str
    path: str
    owner: Owner
    loader: bool | None = None
    """Whether the system's loader finds it by its name alone."""


class KerasJson(Struct, frozen=True):
    """The person's Keras configuration, as it stands."""

    path: str
    text: str | None = None


class Distribution(Struct, frozen=True):
    """A Linux that Windows has inside (WSL)."""

    name: str
    version: int | None = None
    """Of WSL: 1, or 2, which sees the graphics card."""
    default: bool | None = None


class Folder(Struct, frozen=True):
    """Where the project is or will be."""

    path: str
    synced_by: str | None = None
    """Whose cloud it is copied to: OneDrive, iCloud."""
    guarded: bool | None = None
    """Whether the system keeps unknown programs from writing there."""


class Machine(Struct, frozen=True):
    """The machine file: every fact with its source, or the reason why it is unknown."""

    schema: Literal[1] = 1
    system: System = System()
    cpu: Cpu = Cpu()
    memory_bytes: int | None = None
    disk_free_bytes: int | None = None
    pythons: tuple[Interpreter, ...] | None = None
    gpus: tuple[Gpu, ...] | None = None
    driver: Driver | None = None
    cuda: tuple[Toolkit, ...] | None = None
    cudnn: tuple[Cudnn, ...] | None = None
    libraries: tuple[FoundLibrary, ...] | None = None
    rocm: str | None = None
    tools: dict[str, str | None] = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)
    keras_json: KerasJson | None = None
    container: str | None = None
    proxies: dict[str, str] = field(default_factory=dict)
    runtimes: dict[str, str | None] = field(default_factory=dict)
    long_paths: bool | None = None
    folder: Folder | None = None
    wsl: tuple[Distribution, ...] | None = None
    sources: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- stage 2: the match


class Wheel(Struct, frozen=True):
    """A file of the index, by name and hash; sizes in bytes, None when the index does not say."""

    file: str
    sha256: str
    bytes: int | None = None


class Build(Struct, frozen=True):
    """One wheel of a TensorFlow release, with what it needs of a machine."""

    project: str
    version: str
    python_tag: str
    abi: str
    platform: str
    """The platform tag of the wheel, compressed sets as in its name."""
    family: str
    """linux_x86_64, linux_aarch64, macos_x86_64, macos_arm64 or windows_amd64."""
    wheel: Wheel
    yanked: bool = False
    glibc: str | None = None
    """The glibc that the binaries really ask for, where it was measured."""
    cpu: tuple[str, ...] = ()
    """CPU features without which the import dies."""
    macos: str | None = None
    carrier_lacks: str | None = None
    """What an empty wheel pulls in and this Python cannot have, such as tensorflow-intel==2.13.1."""
    backend: str = "tensorflow"
    requirement: str | None = None
    """Of the back end beside a Keras that is the build: theano==1.0.5, jax."""


class Obstacle(Struct, frozen=True):
    """One reason why a build does not fit, and what would remove it."""

    name: str
    needs: str
    found: str | None
    remedy: str | None = None


class PassedOver(Struct, frozen=True):
    """A release better than the one chosen, and why it is not the choice."""

    project: str
    version: str
    obstacles: tuple[Obstacle, ...]
    gpu: bool = False
    """True where it is for using a GPU that it is passed over, and not as such."""


class GpuVerdict(Struct, frozen=True):
    """How one graphics card would run the chosen build."""

    index: int | None
    name: str | None
    verdict: Literal["native", "mixed", "jit", "broken", "none"]
    why: str


class Library(Struct, frozen=True, rename={"source": "from"}):
    """A shared library that the build loads, and where it comes from."""

    soname: str
    source: Literal["system", "pip", "conda"]
    path: str | None = None


class Choice(Struct, frozen=True):
    """The build that fits, and the interpreter that will run it."""

    project: str
    version: str
    python: str
    """Full version of the interpreter that was found, or the minor to be obtained."""
    python_tag: str
    python_path: str | None
    python_from: Literal["found", "obtain"]
    wheel: Wheel
    platform: str
    """The family of `Build`: names the lock."""
    glibc: str | None = None
    """The oldest glibc that the build runs on; the companions are chosen for it."""
    macos: str | None = None
    """The oldest macOS that the build runs on; likewise."""
    extras: tuple[str, ...] = ()
    accelerator: Accelerator = "cpu"
    cuda: str | None = None
    cudnn: str | None = None
    cuda_from: Literal["system", "pip", "conda"] | None = None
    gpus: tuple[GpuVerdict, ...] = ()
    libraries: tuple[Library, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    backend: str = "tensorflow"
    requirement: str | None = None
    """Of the back end beside a Keras that is the build: theano==1.0.5, jax."""


class Match(Struct, frozen=True):
    """What stage 2 answers: the choice or None, and every better release passed over."""

    choice: Choice | None
    passed_over: tuple[PassedOver, ...] = ()
    warnings: tuple[Notice, ...] = ()
    nearest: PassedOver | None = None


# ---------------------------------------------------------------- stage 3: the pins


class Pin(Struct, frozen=True, rename={"purpose": "for"}):
    """One package at one version, with the hashes of the files that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """As "sha256:…"."""
    purpose: Literal["tensorflow", "keras", "extra", "develop"] = "tensorflow"
    """Whose sake it is there for; "develop" for the [dev-packages] of a person's own Pipfile."""
    why: str = ""
    marker: str | None = None


class Workaround(Struct, frozen=True):
    """A known issue that the pins avoid."""

    id: str
    why: str
    effect: str


class Notice(Struct, frozen=True):
    """Something the person should know before going ahead."""

    id: str
    text: str


class KerasPair(Struct, frozen=True):
    """The Keras that goes with the build."""

    project: str
    version: str


class Proof(Struct, frozen=True):
    """What was run of exactly these pins: see "What proved means" in docs/design.md."""

    status: Literal["proved", "resolved", "none"]
    on: str | None = None
    parts: tuple[str, ...] = ()


class SystemPackage(Struct, frozen=True):
    """A module of the system's Python that the environment will see by a link."""

    name: str
    path: str
    python: str
    """The interpreter that it belongs to."""


class Plan(Struct, frozen=True):
    """Everything that an install will do, before it does it."""

    wish: Wish
    choice: Choice | None
    schema: Literal[1] = 1
    keras: KerasPair | None = None
    manager: str = "pipenv"
    download_bytes: int | None = None
    disk_bytes: int | None = None
    pins: tuple[Pin, ...] = ()
    workarounds: tuple[Workaround, ...] = ()
    warnings: tuple[Notice, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    proof: Proof = Proof("none")
    obstacles: tuple[Obstacle, ...] = ()
    nearest: PassedOver | None = None
    remedies: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    """Packages asked for that have no wheel: the install may build them from their source."""
    system_packages: tuple[SystemPackage, ...] = ()


# ---------------------------------------------------------------- stages 4 and 5


class Project(Struct, frozen=True):
    """The files of a project on the disk, as absolute paths; stage 4 reads these, not the plan."""

    folder: str
    plan: str
    requirements: str
    pipfile: str
    pipfile_lock: str
    environment_yml: str
    pylock: str


class Environment(Struct, frozen=True):
    """A finished environment: its folder and the interpreter inside."""

    folder: str
    python: str
    manager: str
    made: bool = True
    """False when it already was what the files ask for."""
    seconds: float = 0.0
    yanked: tuple[str, ...] = ()
    """Pins that were installed just now although the index has withdrawn them."""


class Trained(Struct, frozen=True):
    """How one network learnt; the curves have one figure for each epoch."""

    name: str
    seconds: float
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    val_loss: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    test_accuracy: float
    """On pictures that it never saw, from 0 to 1."""
    report: str
    """The classification report of scikit-learn, several lines."""


class Training(Struct, frozen=True):
    """What `check --train` measured."""

    data: Literal["cifar10", "made"]
    source: str
    """Where the pictures come from, and why they are made ones where they are."""
    train_images: int
    test_images: int
    epochs: int
    batch_size: int
    networks: tuple[Trained, ...]
    plot: str | None = None
    """The PNG that was written, as an absolute path."""


class Outcome(Struct, frozen=True):
    """What one check found."""

    name: str
    status: Status
    detail: str = ""
    hint: str | None = None
    seconds: float = 0.0
    training: Training | None = None
