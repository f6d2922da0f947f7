"""SQLite's system calls, each with a call of ours before it.

SQLite makes the system calls of its unix VFS replaceable for tests like these (xSetSystemCall,
https://sqlite.org/c3ref/vfs.html); syncs are not among them, they are a method of each open file
(https://sqlite.org/c3ref/io_methods.html).
"""

import _sqlite3
import ctypes
import os
from collections.abc import Callable
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("iVersion", "szOsFile", "mxPathname")),
        *((name, ctypes.c_void_p) for name in ("pNext", "zName", "pAppData", "xOpen", "xDelete", "xAccess", "xFullPathname")),
        *((name, ctypes.c_void_p) for name in ("xDlOpen", "xDlError", "xDlSym", "xDlClose", "xRandomness", "xSleep")),
        *((name, ctypes.c_void_p) for name in ("xCurrentTime", "xGetLastError", "xCurrentTimeInt64")),
        *((name, ctypes.c_void_p) for name in ("xSetSystemCall", "xGetSystemCall", "xNextSystemCall")),
    ]


_INT, _LONG, _SIZE, _POINTER = ctypes.c_int, ctypes.c_long, ctypes.c_size_t, ctypes.c_void_p
_SYSTEM_CALLS = {
    "open": (_INT, ctypes.c_char_p, _INT, _INT),
    "write": (_LONG, _INT, _POINTER, _SIZE),
    "pwrite": (_LONG, _INT, _POINTER, _SIZE, _LONG),
    "pwrite64": (_LONG, _INT, _POINTER, _SIZE, _LONG),
    "ftruncate": (_INT, _INT, _LONG),
    "unlink": (_INT, ctypes.c_char_p),
}
_IO_METHODS = 19
"""Fields of `sqlite3_io_methods`, version 3, each as long as a pointer; the sixth is xSync."""
_SQLITE_IOERR_FSYNC = 1034
_kept: list[Any] = []
"""What SQLite calls must not be collected."""


def patch_sqlite(passed: Callable[[str, str | int], int], opened_to_read: Callable[[str], int]) -> None:
    """Call `passed` before each write with what it is and which file, `opened_to_read` before each opening to read.

    Both return the errno with which it fails, or 0.
    """
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    found = library.sqlite3_vfs_find(None)
    vfs = found.contents
    assert vfs.iVersion >= 3, "this SQLite has no replaceable system calls"
    set_call = ctypes.CFUNCTYPE(_INT, _POINTER, ctypes.c_char_p, _POINTER)(vfs.xSetSystemCall)
    get_call = ctypes.CFUNCTYPE(_POINTER, _POINTER, ctypes.c_char_p)(vfs.xGetSystemCall)
    address = ctypes.cast(found, _POINTER)
    for name, signature in _SYSTEM_CALLS.items():
        if real := get_call(address, name.encode()):
            hooked = _system_call(passed, opened_to_read, name, ctypes.CFUNCTYPE(*signature, use_errno=True), real)
            _kept.append(hooked)
            assert set_call(address, name.encode(), ctypes.cast(hooked, _POINTER)) == 0
    _watch_syncs(passed, vfs)


def _system_call(
    passed: Callable[[str, str | int], int], opened_to_read: Callable[[str], int], name: str, kind: Any, real_address: int
) -> Any:
    real = kind(real_address)

    def call(first: Any, *rest: Any) -> int:
        file = os.fsdecode(first) if isinstance(first, bytes) else first
        error = opened_to_read(file) if name == "open" and not rest[0] & WRITES else passed(f"sqlite {name}", file)
        if error:
            ctypes.set_errno(error)
            return -1
        return int(real(first, *rest))

    return kind(call)


def _watch_syncs(passed: Callable[[str, str | int], int], vfs: _Vfs) -> None:
    """Replace xSync in every file that SQLite opens: syncs are not among its replaceable system calls."""
    # names go through as the pointers that they are: SQLite keeps them
    open_kind = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER, use_errno=True)
    sync_kind = ctypes.CFUNCTYPE(_INT, _POINTER, _INT, use_errno=True)
    real_open = open_kind(vfs.xOpen)
    replaced: dict[int, Any] = {}
    names: dict[int, str] = {}

    def open_(vfs_address: int, name: int | None, file: int, flags: int, out: int) -> int:
        code = int(real_open(vfs_address, name, file, flags, out))
        methods = ctypes.cast(file, ctypes.POINTER(_POINTER))
        original = methods[0]
        if code or not original:
            return code
        names[file] = os.fsdecode(ctypes.string_at(name)) if name else "temporary"
        if original not in replaced:
            table = (ctypes.c_size_t * _IO_METHODS)()
            ctypes.memmove(table, original, ctypes.sizeof(table))
            real_sync = sync_kind(table[5])

            def sync(which: int, how: int) -> int:
                failed = passed("sqlite sync", names.get(which, "unknown"))
                return _SQLITE_IOERR_FSYNC if failed else int(real_sync(which, how))

            hooked = sync_kind(sync)
            table[5] = ctypes.cast(hooked, _POINTER).value or 0
            replaced[original] = (table, hooked)
        methods[0] = ctypes.addressof(replaced[original][0])
        return code

    hooked_open = open_kind(open_)
    _kept.extend((hooked_open, replaced))
    vfs.xOpen = ctypes.cast(hooked_open, _POINTER).value
