"""A post-process package of a test's own: `.extremes` files that name simulations and objects, tables of extremes.

    # results: out
    sims/a.sim: Line01, Line02
    sims/b.sim: Line01

Writes `NAME_STEM.txt` for each file, and `NAME_all.txt` with the largest of every object in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orcabatch.batch.batch import Batch, Conclusion
from orcabatch.batch.readers import BatchReader
from orcabatch.batch.request import ReadBatch, load_cases, parsed_settings
from orcabatch.engine.contract import Extracted
from orcabatch.outcome import Phase
from orcabatch.store.atomic import write_bytes


@dataclass(frozen=True)
class Extremes:
    """What is computed from one file."""

    folder: Path
    objects: dict[Path, tuple[str, ...]]

    def prepare(self):
        """Nothing to prepare."""

    def __call__(self, model, context):
        """The largest effective tension of each object that the file's line names."""
        import OrcFxAPI

        period, end = OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA
        largest = {
            name: float(model[name].TimeHistory("Effective tension", period, end).max())
            for name in self.objects[context.file]
        }
        context.clock.enter(Phase.WRITE)
        text = "".join(f"{name} {value!r}\n" for name, value in largest.items())
        table = f"{context.batch}_{context.file.stem}.txt"
        write_bytes(self.folder / table, text.encode())
        return Extracted({"table": table, "largest": largest})

    def may_repeat(self, error):
        """The same is written again."""
        return True


class ExtremesBatch(Batch):
    """One `.extremes` file."""

    moves_unasked = True

    def __init__(self, path: Path, planning: bool) -> None:
        lines = path.read_text().splitlines()
        self.name, self._folder = path.stem, path.parent / lines[0].partition(":")[2].strip()
        if not planning:
            self._folder.mkdir(exist_ok=True)
        asked = [line.partition(":") for line in lines[1:] if line.strip()]
        named = [((path.parent / file.strip()).absolute(), objects.split(",")) for file, _, objects in asked]
        self._objects = {file: tuple(name.strip() for name in names) for file, names in named}
        self.files = tuple(self._objects)

    postprocess = property(lambda self: Extremes(self._folder, self._objects))
    label = property(lambda self: f"extremes of {self.name}")
    result_folder = property(lambda self: self._folder)

    def outputs_of(self, value):
        """The file's table."""
        return (("extremes", self._folder / value["table"]),)

    def determinants(self, position):
        """The objects asked for."""
        return {"objects": list(self._objects[self.files[position]]), "folder": str(self._folder)}

    def conclude(self, outcomes, *, complete=True):
        """Fold: the largest of every object over all files; of some of them only, it would pass for that of all."""
        if not complete:
            return Conclusion()
        largest: dict[str, float] = {}
        for outcome in outcomes:
            for name, value in outcome.value["largest"].items() if outcome.ok else ():
                largest[name] = max(value, largest.get(name, value))
        table = self._folder / f"{self.name}_all.txt"
        write_bytes(table, "".join(f"{name} {value!r}\n" for name, value in sorted(largest.items())).encode())
        return Conclusion((table,))


class ExtremesReader(BatchReader):
    """`.extremes` files."""

    suffixes = frozenset({".extremes"})
    packages = ("PyYAML",)
    code = ("extremes_package",)
    reasons = {"objects": "other objects are asked for"}

    def claims(self, given):
        """A list of nothing but such files."""
        return isinstance(given, list) and all(path.suffix == ".extremes" for path in given)

    def read(self, given, options):
        """One batch for each."""
        found = []
        for path in given:
            batch, settings = ExtremesBatch(path, options.planning), parsed_settings(None, options, str(path))
            cases, notes, surplus = load_cases(batch.files, settings, options)
            found.append(ReadBatch(batch, settings, notes, cases, surplus))
        return found


READER = ExtremesReader()
