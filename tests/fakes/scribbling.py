"""Somebody who edits a directory without sense: every way of saving, of moving and of deleting, at random."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

MOST = 300
"""Files, about, after which as many go as come."""
NAMES = ("a.txt", "b b.txt", "ç.css", "two\nlines", "-rf", "x.html", "index.html", ".hidden")


class Scribbler:
    """One directory, and chance."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root, self.chance = root, chance
        self.edits = 0
        self._ways: tuple[Callable[[], object], ...] = (
            self._write,
            self._write,
            self._replace,
            self._replace,
            self._append,
            self._rename,
            self._mode,
            self._link,
            self._tree,
            self._touch,
            self._delete,
        )

    def edit(self) -> None:
        """One edit; what is in its way is taken away first."""
        self.edits += 1
        self.chance.choice(self._ways)()
        if self.edits % 50 == 0:
            self._thin_out()

    def _write(self) -> None:
        path = self._new()
        path.write_bytes(self._content())

    def _replace(self) -> None:
        path = self._new()
        temp = path.with_name(f"{path.name}~")
        self._clear(temp)
        temp.write_bytes(self._content())
        temp.replace(path)

    def _append(self) -> None:
        with self._file().open("ab") as file:
            file.write(self._content())

    def _rename(self) -> None:
        target = self._new()
        path = self._any()
        if path not in target.parents:
            path.rename(target)

    def _mode(self) -> None:
        self._file().chmod(self.chance.choice((0o644, 0o600, 0o755, 0o640)))

    def _link(self) -> None:
        self._new().symlink_to(self.chance.choice(NAMES))

    def _tree(self) -> None:
        top = self._new()
        for number in range(self.chance.randrange(1, 4)):
            folder = top / str(number) / "deep"
            folder.mkdir(parents=True)
            (folder / "leaf").write_bytes(self._content())

    def _touch(self) -> None:
        os.utime(self._file())

    def _delete(self) -> None:
        self._clear(self._any())

    def _thin_out(self) -> None:
        found = self._all()
        while len(found) > MOST:
            self._clear(self.chance.choice(found))
            found = self._all()

    def _all(self) -> list[Path]:
        return sorted(self.root.rglob("*"))

    def _any(self) -> Path:
        folder = self._folder()
        found = sorted(folder.iterdir())
        return self.chance.choice(found) if found else self._file()

    def _file(self) -> Path:
        files = [path for path in self._folder().iterdir() if path.is_file() and not path.is_symlink()]
        if files:
            return self.chance.choice(sorted(files))
        path = self._new()
        path.write_bytes(self._content())
        return path

    def _new(self) -> Path:
        path = self._folder() / self.chance.choice(NAMES)
        self._clear(path)
        return path

    def _folder(self) -> Path:
        """A walk downwards from the top that ends by chance."""
        here = self.root
        while self.chance.random() < 0.6:
            below = sorted(path for path in here.iterdir() if path.is_dir() and not path.is_symlink())
            if not below:
                break
            here = self.chance.choice(below)
        return here

    def _content(self) -> bytes:
        return self.chance.randbytes(self.chance.choice((0, 1, 100, 5000)))

    def _clear(self, path: Path) -> None:
        if path == self.root:
            return
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
