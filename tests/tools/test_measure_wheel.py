"""What is read out of wheels: by hand-made libraries, one of this machine, and a small index."""

from __future__ import annotations

import doctest
import io
import mmap
import struct
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import _core
from msgspec.structs import replace

from tests import loopback_index
from tfup import tables
from tfup.tables import DATA, BuildRow
from tools import binaries, fatbin, gpu_rows, measure_wheel, wheel_contents
from tools.measure_wheel import BUILDS, GPU_BUILDS, LIBSTDCXX
from tools.update_builds import Cell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from tfup.match.gpu.tables import CudaRow

AVX_CODE = bytes.fromhex("c5f858c1") * 100  # vaddps
SSE_CODE = bytes.fromhex("0f58c1") * 100  # addps


# ---------------------------------------------------------------- hand-made libraries


def entry(kind: int, arch: int, body: bytes = b"", *, isa: tuple[int, int] = (8, 5), flags: int = 0) -> bytes:
    """Return an entry of a kernel image."""
    size = len(body)
    head = (kind, 0x101, fatbin.ENTRY.size, size, size, 0, isa[1], isa[0], arch, 0, 0, flags, 0, 0)
    return fatbin.ENTRY.pack(*head) + body


def image(*entries: bytes) -> bytes:
    """Return a kernel image."""
    body = b"".join(entries)
    return fatbin.HEADER.pack(0xBA55ED50, 1, fatbin.HEADER.size, len(body)) + body


def ptx(target: str) -> bytes:
    """Return the beginning of PTX."""
    return f"// Cuda compilation tools, release 12.5, V12.5.82\n.version 8.5\n.target {target}\n".encode()


def packed(text: bytes) -> bytes:
    """Return text as an LZ4 block that repeats nothing."""
    return bytes([0xF0, len(text) - 15]) + text


def library_of_windows(code: bytes = SSE_CODE, imported: str = "MSVCP140.dll", tail: bytes = b"") -> bytes:
    """Return a library with code, that imports another."""
    section = struct.Struct("<8sIIII16x")
    names = imported.encode() + b"\0"
    table = struct.pack("<IIIII", 0x1100, 0, 0, 0x1200, 0x1100) + bytes(20)
    data = table.ljust(0x200, b"\0") + names
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 2, 0, 0, 0, 240, 0x2022)
    optional = struct.pack("<H14xIIQII", 0x20B, 0x2000, 0x2000, 0x180000000, 0x1000, 0x200)
    optional = optional.ljust(56, b"\0") + struct.pack("<II", 0x4000, 0x400)
    optional = optional.ljust(108, b"\0") + struct.pack("<I", 16) + bytes(8) + struct.pack("<II", 0x1000, 40)
    head += optional.ljust(240, b"\0")
    head += section.pack(b".rdata", 0x400, 0x1000, 0x400, 0x400)
    head += section.pack(b".text", len(code), 0x2000, len(code), 0x800)
    return head.ljust(0x400, b"\0") + data.ljust(0x400, b"\0") + code + tail


def library_of_macos(processor: int = 0x01000007, code: bytes = AVX_CODE, *, old: bool = False) -> bytes:
    """Return a library for macOS 12.3 with code, its need written in the old way or in the new one."""
    need = struct.pack("<IIII", 0x24, 16, 0xC0300, 0) if old else struct.pack("<5I", 0x32, 24, 1, 0xC0300, 0)
    need = need.ljust(16 if old else 24, b"\0")
    need += struct.pack("<6I24s", 0x0C, 48, 24, 0, 0, 0, b"@rpath/libcudart.8.dylib")
    start = 32 + 72 + 80 + len(need)
    section = struct.pack("<16s16sQQI", b"__text", b"__TEXT", 0, len(code), start).ljust(80, b"\0")
    segment = struct.pack("<II16s", 0x19, 72 + 80, b"__TEXT").ljust(64, b"\0") + struct.pack("<II", 1, 0)
    head = struct.pack("<IIIIIIII", 0xFEEDFACF, processor, 0, 6, 3, 72 + 80 + len(need), 0, 0)
    return head + segment + section + need + code


def mapped(content: bytes) -> mmap.mmap:
    """Return content as a map of a file."""
    target = mmap.mmap(-1, len(content))
    target.write(content)
    return target


@pytest.mark.parametrize("module", [binaries, fatbin, gpu_rows, wheel_contents])
def test_examples_are_true(module: ModuleType) -> None:
    """Those in the docstrings of the readers."""
    assert 0 == doctest.testmod(module).failed


# ---------------------------------------------------------------- kernels


def test_kernels_are_counted_by_what_they_have() -> None:
    """An image counts once for a capability, and PTX alone makes none with machine code."""
    both = image(entry(2, 60), entry(2, 90), entry(1, 90, ptx("sm_90")))
    plain = image(entry(2, 60), entry(1, 90, ptx("sm_90a"), isa=(8, 3)))
    text = image(entry(1, 120, ptx("sm_120"), isa=(8, 7)))

    found = fatbin.count(fatbin.read_images(b"code" + both + b"between" + plain + text))

    assert (2, {"6.0": 2, "9.0": 1}) == (found.images, found.sass)
    assert ({"9.0": 2, "12.0": 1}, {"9.0": 1}, "12.8") == (found.ptx, found.exact, found.newest)


@pytest.mark.parametrize(("target", "exact"), [("sm_90", {}), ("sm_90a", {"9.0": 1})])
def test_target_is_read_out_of_compressed_ptx(target: str, exact: dict[str, int]) -> None:
    """PTX of sm_90a runs on 9.0 alone, which only its text says."""
    content = image(entry(1, 90, packed(ptx(target)), flags=fatbin.LZ4))

    assert exact == fatbin.count(fatbin.read_images(content)).exact


def test_ptx_that_cannot_be_read_is_said_to_be() -> None:
    """And not taken for PTX of every card."""
    with pytest.raises(fatbin.UnknownCompressionError, match="zstd"):
        list(fatbin.read_images(image(entry(1, 90, b"?" * 20, flags=fatbin.ZSTD))))


def test_a_library_without_kernels_has_none() -> None:
    """Not even where the magic stands in code that looks for it."""
    found = fatbin.count(fatbin.read_images(struct.pack("<I", 0xBA55ED50) + bytes(100)))

    assert (0, {}, {}, None) == (found.images, found.sass, found.ptx, found.newest)


# ---------------------------------------------------------------- libraries


@pytest.mark.skipif(sys.platform != "linux", reason="reads a library of Linux")
def test_library_of_this_machine_is_read() -> None:
    """It needs a glibc and is linked with it."""
    with open(_core.__file__, "rb") as file:  # noqa: PTH123 -- the name is a text
        needs = binaries.read_needs(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    assert "2." == (needs.glibc or "")[:2]
    assert "libc.so.6" in needs.linked
    assert needs.macos is None


@pytest.mark.parametrize("old", [True, False])
def test_macos_of_a_library_is_read(old: bool) -> None:  # noqa: FBT001 -- a case
    """Both load commands say it."""
    content = mapped(library_of_macos(old=old))
    needs = binaries.read_needs(content)

    assert ("12.3", {"libcudart.8.dylib"}) == (needs.macos, needs.linked)
    assert needs.code
    assert binaries.uses_avx(content, needs.code)


def test_code_for_apples_processors_is_not_looked_at() -> None:
    """AVX is of Intel's."""
    assert binaries.read_needs(mapped(library_of_macos(0x0100000C))).code is None


def test_imports_of_windows_are_read() -> None:
    """In small letters, for Windows does not mind; and old code is no AVX."""
    content = mapped(library_of_windows())
    needs = binaries.read_needs(content)

    assert {"msvcp140.dll"} == needs.linked
    assert needs.code == (0x800, len(SSE_CODE))
    assert not binaries.uses_avx(content, needs.code)


def test_another_file_needs_nothing() -> None:
    """Such as a script by the name of a library."""
    assert binaries.Needs() == binaries.read_needs(mapped(b"INPUT(libtensorflow.so.2)" * 4))


# ---------------------------------------------------------------- rows


def test_levels_of_the_table_come_back() -> None:
    """Ranges become releases and ranges again."""
    read = measure_wheel.read_tables(DATA)
    rows = [msgspec.to_builtins(row) for row in measure_wheel.level_rows(read.levels)]

    assert msgspec.json.decode((DATA / "builds" / "libstdcxx.json").read_bytes())["rows"] == rows


def part(measured: wheel_contents.Measured, version: str = "9.9", family: str = "linux_x86_64") -> CudaRow:
    """Return the GPU part of a measured wheel, beside the rows of the real table."""
    cell = Cell("tensorflow", version, family)
    row = gpu_rows.cuda_row(cell, measured, measure_wheel.read_tables(DATA).cuda)
    assert row
    return row


KERNELS = fatbin.Kernels(3, {"8.0": 3}, {"9.0": 3}, {}, "12.8")


def test_build_that_says_nothing_has_the_cuda_of_its_packages() -> None:
    """Then the library names follow from the nearest release for that major of CUDA, with its own cuDNN."""
    asks = {"cuda-runtime": "12.8.57", "cudnn": "10.1.0.2"}
    row = part(wheel_contents.Measured("a.whl", kernels=KERNELS, asks=asks))

    assert ("12.8", "10.1", "cu12") == (row.cuda, row.cudnn, row.pip)
    assert {"libcudart.so.12", "libcudnn.so.10"} < set(row.sonames)
    assert ["cuda", "sonames"] == row.derived


def test_build_without_any_word_has_the_cuda_of_its_kernels() -> None:
    """The newest PTX is as new as the CUDA that made it."""
    row = part(wheel_contents.Measured("a.whl", kernels=KERNELS))

    assert ("12.8", ["cuda", "cudnn", "sonames"]) == (row.cuda, row.derived)


@pytest.mark.parametrize(
    ("asks", "words"),
    [({"cudnn": "10.1"}, "No row of gpu_builds.json is for CUDA 99"), ({}, "does not say its cuDNN")],
)
def test_new_major_of_cuda_is_not_guessed(asks: dict[str, str], words: str) -> None:
    """What its libraries are called is found out by a person."""
    with pytest.raises(wheel_contents.CannotMeasureError, match=words):
        part(wheel_contents.Measured("a.whl", kernels=KERNELS._replace(newest="99.0"), asks=asks))


def test_measured_again_a_derived_row_stays() -> None:
    """What was derived is still derived."""
    tables = measure_wheel.read_tables(DATA)
    old = tables.cuda["2.22.0rc0", "linux_x86_64"]
    kernels = fatbin.Kernels(old.images, old.sass, dict.fromkeys(old.ptx, 1), {}, old.ptx_cuda)
    asks = {"cuda-runtime": "12.5.82", "cudnn": "9.10.2.21"}

    assert old == part(wheel_contents.Measured("b.whl", kernels=kernels, asks=asks), "2.22.0rc0")


def test_linked_libraries_are_read_and_name_the_cuda() -> None:
    """Nothing is derived of them."""
    names = frozenset({"libcudart.so.10.2", "libcublas.so.10", "libc.so.6"})
    row = part(wheel_contents.Measured("a.whl", needs=(binaries.Needs(linked=names),), kernels=KERNELS))

    assert ("10.2", True, {"libcudart.so.10.2", "libcublas.so.10"}) == (row.cuda, row.linked, {*row.sonames})
    assert "sonames" not in row.derived


def test_known_row_gains_what_was_only_derived() -> None:
    """The rest of it stays, its derived names, too."""
    known = measure_wheel.read_tables(DATA).cuda["2.9.2", "windows_amd64"]
    old = replace(known, derived=["cudnn", "sonames"], source="a neighbour")
    kernels = fatbin.Kernels(old.images, old.sass, dict.fromkeys(old.ptx, 1), {}, old.ptx_cuda)
    notes, asks = {"cuda": "64_112", "cudnn": "64_8"}, {"cudnn": "8.1.0.77"}
    wheel = wheel_contents.Measured("own.whl", kernels=kernels, notes=notes, asks=asks)
    cell = Cell("tensorflow-gpu", "2.9.2", "windows_amd64")

    row = gpu_rows.cuda_row(cell, wheel, {("2.9.2", "windows_amd64"): old})

    assert replace(old, derived=["sonames"], source="own.whl") == row


NOTES = "build_info = collections.OrderedDict([('cuda_version', '64_112'), ('cudnn_version', '64_8'), {}])"
RUNTIME_NOTE = "('msvcp_dll_names', 'msvcp140.dll,msvcp140_1.dll')"


def wheel(version: str, platform: str, libraries: dict[str, bytes], needs: str = "") -> tuple[str, bytes]:
    """Return name and bytes of a wheel of TensorFlow."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tensorflow/python/platform/build_info.py", NOTES.format(RUNTIME_NOTE))
        archive.writestr(f"tensorflow-{version}.dist-info/METADATA", f"Name: tensorflow\n{needs}")
        for name, content in libraries.items():
            archive.writestr(name, content)
    return f"tensorflow-{version}-cp310-cp310-{platform}.whl", target.getvalue()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Serve wheels of a release that nobody made."""
    kernels = image(entry(2, 80), entry(1, 80, ptx("sm_80"), isa=(7, 2)))
    own = library_of_windows(tail=kernels)
    libraries = {"tensorflow/a.pyd": own, "tensorflow-9.9.data/purelib/external/trt/nvinfer.dll": own}
    stub = 'Requires-Dist: tensorflow-intel==9.8; platform_system == "Windows"'
    for name, content in (
        wheel("9.9", "win_amd64", libraries),
        wheel("9.9", "macosx_12_0_x86_64", {"tensorflow/a.dylib": library_of_macos()}),
        wheel("9.8", "win_amd64", {}, stub),
    ):
        monkeypatch.setitem(loopback_index.WHEELS, name, content)
    name, content = wheel("9.8", "win_amd64", {"tensorflow/a.pyd": library_of_windows(AVX_CODE)})
    monkeypatch.setitem(loopback_index.WHEELS, name.replace("tensorflow", "tensorflow_intel", 1), content)
    with loopback_index.serving() as address:
        loopback_index.be_a_person(monkeypatch, str(tmp_path), f"http://{address}/parts/simple")
        yield address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with tables that know little."""
    neighbour = measure_wheel.read_tables(DATA).cuda["2.10.1", "windows_amd64"]
    rows: dict[str, list[Any]] = {BUILDS: [], GPU_BUILDS: [neighbour], LIBSTDCXX: []}
    for version, family in (("9.9", "windows_amd64"), ("9.9", "macos_x86_64"), ("9.8", "windows_amd64")):
        rows[BUILDS].append(BuildRow("tensorflow", version, family, [], glibc="2.99", needs_of="9.7"))
    for name, table in rows.items():
        tables.save(name, {"made_by": "a test"}, table, tmp_path)
    return tmp_path


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    rows: list[dict[str, Any]] = msgspec.json.decode((folder / name).read_bytes())["rows"]
    return rows


@pytest.mark.parametrize("manner", ["parts", "good"])
def test_release_is_measured(
    served: str,
    folder: Path,
    manner: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From an index that gives parts of files, and from one that does not; others' libraries do not count."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{served}/{manner}/simple")

    assert 0 == measure_wheel.main(["tensorflow==9.9", "--write"], folder)
    macos, windows, untouched = read(folder, BUILDS)
    part, neighbour = read(folder, GPU_BUILDS)

    assert (["avx"], "12.3", None) == (macos["cpu"], macos["macos"], macos.get("needs_of"))
    assert ["msvcp140.dll", "msvcp140_1.dll"] == windows["vc_runtime"]
    assert "9.7" == untouched["needs_of"]
    assert ("11.2", "8.1", 1, {"8.0": 1}) == (part["cuda"], part["cudnn"], part["images"], part["sass"])
    assert neighbour["sonames"] == part["sonames"]
    assert (["tensorflow"], ["cudnn", "sonames"]) == (part["projects"], part["derived"])
    assert "2 wheels measured: " in capsys.readouterr().out
    assert 0 == measure_wheel.main(["tensorflow==9.9"], folder)
    assert capsys.readouterr().out.endswith(
        "2 wheels measured: 0 differences from the tables; nothing written\n"
    )


@pytest.mark.usefixtures("served")
def test_difference_is_told_and_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each, and the exit code."""
    before = read(folder, BUILDS)

    assert 1 == measure_wheel.main(["tensorflow==9.9", "--family", "macos_x86_64"], folder)
    assert 'tensorflow 9.9 macos_x86_64: macos "12.3", the table has nothing' in capsys.readouterr().out
    assert before == read(folder, BUILDS)


@pytest.mark.usefixtures("served")
def test_needs_of_an_empty_wheel_are_those_of_its_carrier(folder: Path) -> None:
    """Without a requirement all is measured that never was."""
    assert 0 == measure_wheel.main(["--write"], folder)
    row = read(folder, BUILDS)[2]

    assert ("tensorflow-intel==9.8", ["avx"]) == (row["carried_by"], row["cpu"])
    assert not [row for row in read(folder, BUILDS) if "needs_of" in row]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tensorflow==7.7"], "builds.json has no release tensorflow==7.7."),
        (["what is it"], "what is it is no requirement such as tensorflow==2.21.0."),
        (["tensorflow-gpu==9.9"], "The index has no project tensorflow-gpu."),
        (["tensorflow==9.6"], "The index has no wheel of tensorflow 9.6 for linux_x86_64."),
    ],
)
def test_what_cannot_be_measured_is_said(
    folder: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a sentence, with an exit code of its own."""
    rows = [BuildRow("tensorflow", "9.6", "linux_x86_64", []), BuildRow("tensorflow-gpu", "9.9", "x", [])]
    tables.save("builds/builds.json", {}, rows, folder)

    assert 2 == measure_wheel.main(arguments, folder)
    assert f"error: {sentence}\n" == capsys.readouterr().err


def test_no_network_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no traceback is shown."""
    loopback_index.be_a_person(monkeypatch, str(folder), "http://127.0.0.1:9/simple")

    assert 2 == measure_wheel.main(["tensorflow==9.9"], folder)
    assert "Is there a network?" in capsys.readouterr().err


def test_broken_connection_is_asked_once_more(
    served: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is said to be broken in the end."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://{served}/half/simple")

    assert 2 == measure_wheel.main(["tensorflow==9.9", "--family", "windows_amd64"], folder)
    told = capsys.readouterr()
    assert 2 == told.out.count("so once more")
    assert "The index did not answer as it should" in told.err


@pytest.mark.network
def test_a_real_release_is_as_the_table_has_it() -> None:
    """A small one."""
    assert 0 == measure_wheel.main(["tensorflow==1.15.5", "--family", "windows_amd64"])
