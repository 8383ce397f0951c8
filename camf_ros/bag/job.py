"""One recording from beginning to end: what is read, fused, copied and written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from camf_ros.bag.fusion import BagFusion, Tally
from camf_ros.bag.reader import BagReader, Recorded
from camf_ros.bag.topics import TF_STATIC, BagTopics
from camf_ros.bag.types import MessageError, MessageTypes, distro_of
from camf_ros.bag.writer import BagWriter
from camf_ros.detector_picture import Wanted
from camf_ros.engines.engine import Engine
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

#: Goes through the messages and tells how far; gets them and how many there are.
Progress = Callable[[Iterable[Recorded], int], Iterable[Recorded]]


@dataclass(frozen=True)
class BagJob:
    """What is to be done.

    Attributes:
        source: The recording.
        output: Folder of the one that is written.
        topics: Names of all topics.
        wanted: Which pictures of each pair are written.
        storage: ``mcap`` or ``sqlite3``; that of the recording when empty.
        distro: Distribution that it was recorded with; what it says itself when empty.
        fused_only: Leaves the recorded messages out.
        overwrite: Replaces a recording that is there.
    """

    source: Path
    output: Path
    topics: BagTopics = field(default_factory=BagTopics)
    wanted: Wanted = Wanted()
    storage: str = ""
    distro: str = ""
    fused_only: bool = False
    overwrite: bool = False

    def run(self, open_engine: Callable[[], Engine], settings: FusionSettings, progress: Progress) -> Tally:
        """Do it.

        Args:
            open_engine: Opens the model, once it is known that there is something to do.
            settings: Of the node.
            progress: See :data:`Progress`.

        Raises:
            BagError: If the recording cannot be read or the output not be written.
            CamfError: If the settings or the model cannot be used.
        """
        with BagReader(self.source) as bag:
            types = MessageTypes(distro_of(self.distro, bag.distro, silent=bag.silent))
            roles = self.topics.inputs(bag, settings)
            if not self.fused_only:
                self.topics.check_free(bag, self.wanted)
            writer = BagWriter(
                self.output, self.storage or bag.storage, types, overwrite=self.overwrite, source=self.source
            )
            # Before anything slow: a registration that cannot be used would refuse every pair.
            registration = PlannedRegistration.checked(settings.registration)
            notes: list[str] = []
            pipeline = FusionPipeline(open_engine(), settings, registration, tell=notes.append)
            fusion = BagFusion(pipeline, settings, types, roles, bag.start, wanted=self.wanted)
            fusion.tally.notes = notes
            self._learn(bag, roles, fusion)
            with writer:
                self._write(bag, fusion, writer, progress)
            return fusion.tally

    def _write(self, bag: BagReader, fusion: BagFusion, writer: BagWriter, progress: Progress) -> None:
        if not self.fused_only:
            # Also those without messages.
            for connection in bag.connections:
                writer.like(connection)
        outputs = self.topics.outputs(self.wanted)
        made = {name: writer.topic(topic, kind) for name, (topic, kind) in outputs.items()}
        for message in progress(bag.messages(), bag.count):
            results = fusion.take(message.connection.topic, message.time, message.data)
            # What was due before this message belongs before it.
            after = []
            for result in results:
                if result.time < message.time:
                    writer.write(made[result.made.name], result.time, result.made.data)
                else:
                    after.append(result)
            if not self.fused_only:
                writer.write(writer.like(message.connection), message.time, message.data)
            for result in after:
                writer.write(made[result.made.name], result.time, result.made.data)
        for result in fusion.finish():
            writer.write(made[result.made.name], result.time, result.made.data)

    def _learn(self, bag: BagReader, roles: dict[str, str], fusion: BagFusion) -> None:
        """What each camera_info topic says first, and all that is on /tf_static."""
        for topic, role in roles.items():
            if topic == TF_STATIC or role.endswith(" info"):
                for message in _first(bag.messages(bag.on(topic)), everything=topic == TF_STATIC):
                    with contextlib.suppress(MessageError):  # counted when its turn comes
                        fusion.know(topic, message.data)


def _first(messages: Iterator[Recorded], *, everything: bool) -> Iterator[Recorded]:
    for message in messages:
        yield message
        if not everything:
            return
