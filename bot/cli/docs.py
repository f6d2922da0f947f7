"""`anr docs`: the documentation and the files of ops/, as they belong to this version."""

from pathlib import Path
from typing import Annotated

import typer

import bot
from core.cli.output import USAGE, err, out
from core.system.files import read_bounded

commands = typer.Typer()

_MAX_BYTES = 4 << 20
_PAGES = ("README.md", "CHANGELOG.md", "SECURITY.md", "manifest.yml")


def folder() -> Path:
    """Return the folder that holds docs/ and ops/: in the wheel it is the bot's, else the repository."""
    packaged = Path(bot.__file__).with_name("share")
    return packaged if packaged.is_dir() else Path(bot.__file__).parents[1]


def files() -> dict[str, Path]:
    """Return every file that can be printed by its name: pages by theirs without its ending, those of ops/ by their path."""
    root = folder()
    found = {Path(name).stem: root / name for name in _PAGES}
    found |= {page.relative_to(root / "docs").with_suffix("").as_posix(): page for page in sorted(root.glob("docs/**/*.md"))}
    kept = (path for path in sorted(root.glob("ops/**/*")) if path.is_file() and "__pycache__" not in path.parts)
    return found | {path.relative_to(root).as_posix(): path for path in kept}


@commands.command()
def docs(
    name: Annotated[str | None, typer.Argument(help="Which page or file; a list of them if it is left out.")] = None,
    *,
    where: Annotated[bool, typer.Option("--where", help="Print the folder that holds them, to copy from.")] = False,
) -> None:
    """Print a page of the documentation, or a file of ops/; the list of them without a NAME."""
    known = files()
    if where:
        out.write(f"{folder()}\n")
    elif name is None:
        out.write("".join(f"{page:<40} {_title(path)}".rstrip() + "\n" for page, path in known.items()))
    elif (path := known.get(name.removesuffix(".md").removeprefix("docs/"), known.get(name))) is not None:
        out.write(read_bounded(path, _MAX_BYTES).decode("utf-8"))
    else:
        err.say(f"There is no page {name!r}; `anr docs` lists them.")
        raise typer.Exit(USAGE)


def _title(path: Path) -> str:
    """Return the first heading of a page; nothing of another file."""
    if path.suffix != ".md":
        return ""
    with path.open(encoding="utf-8") as lines:
        return next((line.strip("# \n") for line in lines if line.startswith("# ")), "")
