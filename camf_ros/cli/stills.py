"""Fusion of still pictures: two files, or two folders with pictures of equal names."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from camf_ros.cli.outcome import Outcome
from camf_ros.cli.outputs import Guard, make_folder
from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, DataError
from camf_ros.files import SUFFIXES, is_picture
from camf_ros.imaging.memory_budget import MemoryBudget
from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of, write_png
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings


class StillsJob:
    """Pictures to fuse, each on its own: no thermal level and no gain carries over from one to the next."""

    def __init__(self, infrared: Path, visible: Path, output: Path) -> None:
        """Find the pictures.

        Args:
            infrared: Picture, or folder.
            visible: Likewise.
            output: Name of the fused PNG, or for folders the folder that gets NAME.png for each pair.

        Raises:
            DataError: If there is nothing to fuse, or the output does not fit or is an input.
        """
        self._outcome = Outcome()
        self._pairs: list[tuple[Path, Path, Path]] = []
        if infrared.is_dir():
            self._find(infrared, visible, output)
        elif output.suffix.lower() != ".png" or output.is_dir():
            raise DataError(f"the output is {output}", expected="the name of a .png file for one fused picture")
        else:
            Guard([infrared, visible]).check(output)
            self._pairs.append((infrared, visible, output))

    def run(self, engine: Engine, settings: FusionSettings, *, for_detector: bool, quiet: bool) -> Outcome:
        """Fuse them.

        Args:
            engine: The model, ready to run.
            settings: As the node takes them.
            for_detector: Write the picture for detectors, not the one for eyes.
            quiet: No progress bar.
        """
        # Its maps are the same for pictures of one size.
        registration = PlannedRegistration.checked(settings.registration)
        budget = MemoryBudget.of(settings.memory_limit)
        for infrared, visible, output in tqdm(self._pairs, desc="fusing", unit="picture", disable=quiet):
            make_folder(output.parent)
            try:
                thermal = thermal_of(read_picture(infrared, budget), str(infrared))
                rgb = rgb_of(read_picture(visible, budget), str(visible))
                pipeline = FusionPipeline(engine, settings, registration, budget=budget, tell=self._outcome.note)
                prepared = pipeline.prepare(thermal, rgb, stamp=0.0)
                fused = (pipeline.for_detector if for_detector else pipeline.for_eyes)(prepared).image
            except CamfError as error:
                self._outcome.skip(infrared.stem, str(error))
                continue
            write_png(output, fused)
            self._outcome.fused += 1
        return self._outcome

    def _find(self, infrared: Path, visible: Path, output: Path) -> None:
        if output.exists() and not output.is_dir():
            raise DataError(f"the output {output} is a file", expected="a folder for the fused pictures of folders")
        folders = (infrared, visible)
        Guard(folders).check(output)
        tables = [self._by_name(folder) for folder in folders]
        guard = Guard(path for table in tables for paths in table.values() for path in paths)
        for name in sorted(tables[0].keys() | tables[1].keys()):
            paths = [table.get(name, []) for table in tables]
            reason = _unfit(folders, paths)
            if reason:
                self._outcome.skip(name, reason)
            else:
                self._pairs.append((paths[0][0], paths[1][0], guard.check(output / f"{name}.png")))
        if not self._pairs and not self._outcome.skipped:
            raise DataError(
                f"there are no pictures in {infrared} and {visible}", expected=f"files ending in {sorted(SUFFIXES)}"
            )

    def _by_name(self, folder: Path) -> dict[str, list[Path]]:
        table: dict[str, list[Path]] = {}
        others = []
        for path in sorted(folder.iterdir()):
            if is_picture(path):
                table.setdefault(path.stem, []).append(path)
            else:
                others.append(path.name)
        if others:
            self._outcome.notes.append(f"not pictures, ignored in {folder}: {', '.join(others)}")
        return table


def _unfit(folders: tuple[Path, Path], paths: list[list[Path]]) -> str:
    """Why pictures of one name are no pair; empty if they are one."""
    for folder, found in zip(folders, paths, strict=True):
        if not found:
            return f"no picture of this name in {folder}"
        if len(found) > 1:
            return f"{folder} has both {found[0].name} and {found[1].name}"
    return ""
