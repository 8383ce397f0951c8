"""The active half of the node: subscriptions, the mailbox, and the worker that takes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from builtin_interfaces.msg import Time
from rclpy.node import Node

from camf_ros.errors import CamfError
from camf_ros.nodes.mailbox import Mailbox
from camf_ros.nodes.pairing import ImagePair, LoneFrame, Pairing
from camf_ros.nodes.statistics import Statistics
from camf_ros.nodes.worker import Worker
from camf_ros.pairing.presence import Missing
from camf_ros.settings.fusion_settings import FusionSettings

_Item = ImagePair | LoneFrame


class Intake:
    """Takes in frames from its construction until it is closed; each at most once."""

    def __init__(
        self,
        node: Node,
        settings: FusionSettings,
        statistics: Statistics,
        *,
        work: Callable[[_Item], None],
        failed: Callable[[Exception], None],
        reject: Callable[[str, str], None],
    ) -> None:
        """Start the worker, then subscribe.

        Args:
            node: Whose subscriptions.
            settings: Of the node.
            statistics: Where frames and pairs are counted.
            work: Called with each pair and lone frame, in the worker's thread.
            failed: Called there with what ``work`` raises.
            reject: Called in the executor's thread with reason and text for each frame that cannot be used.
        """
        self._statistics, self._reject = statistics, reject
        self._mailbox: Mailbox[_Item] = Mailbox()
        self._work = work
        self._worker = Worker(self._mailbox, self._judge, failed)
        self._worker.start()
        self._pairing = Pairing(
            node,
            settings,
            on_pair=self._paired,
            on_lone=self._mailbox.put,
            on_frame=self._frame,
            on_bad_stamp=self._bad_stamp,
        )

    def configure(self, settings: FusionSettings) -> None:
        """Take over what can change at run time; from the executor's thread."""
        self._pairing.configure(settings)

    def close(self) -> bool:
        """Unsubscribe and finish the pair in work; from the executor's thread.

        Returns:
            Whether the worker came back.
        """
        self._pairing.close()
        return self._worker.stop()

    @property
    def alive(self) -> bool:
        """Whether the worker runs."""
        return self._worker.alive

    @property
    def displaced(self) -> int:
        """Pairs and lone frames that a newer one, or the end, displaced before their turn."""
        return self._mailbox.displaced

    @property
    def unpaired(self) -> Mapping[str, int]:
        """Frames that came into no pair, by camera and reason."""
        return self._pairing.dropped

    def missing(self) -> Mapping[str, Missing]:
        """Cameras that are missing now; from the executor's thread."""
        return self._pairing.missing()

    def _frame(self, camera: str) -> None:
        self._statistics.frame(camera, time.monotonic())

    def _paired(self, pair: ImagePair) -> None:
        self._statistics.pair(pair.skew, time.monotonic())
        self._mailbox.put(pair)

    def _judge(self, item: _Item) -> None:
        """Work, and have the pairing know whose frames can be used; in the worker's thread."""
        try:
            self._work(item)
        except CamfError as error:
            self._pairing.refused(item, error)
            raise
        self._pairing.used(item)

    def _bad_stamp(self, camera: str, stamp: Time) -> str:
        remedy = "" if stamp.sec else ", or set pairing.zero_stamps to arrival"
        text = f"{camera} frame: stamp is {stamp.sec} s; expected a time after 0; check the driver{remedy}"
        self._reject("stamp", text)
        return text
