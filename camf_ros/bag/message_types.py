"""Messages in recordings: their definitions, from bytes to objects and back, without ROS."""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

from camf_ros.errors import CamfError, ParameterError
from camf_ros.outputs import BOX, CHANNEL_WEIGHTS, SPOT, TEMPERATURES
from camf_ros.resources import share_file

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TRANSFORMS = "tf2_msgs/msg/TFMessage"

_STORES = {store.value.removeprefix("ros2_"): store for store in Stores if store.value.startswith("ros2_")}
#: Distributions whose message definitions are known.
DISTROS = tuple(sorted(_STORES))
# The last one whose recordings say neither which distribution they are from nor what their messages are made of.
_SILENT = "humble"
# A definition in the IDL of ROS 2 comes with those it uses, each after such a line.
_RULE = "=" * 80 + "\n"
# For types that nobody knows: well formed, and equal to no hash.
_NO_HASH = f"RIHS01_{0:064x}"


class MessageError(CamfError):
    """A message in a recording whose bytes are not what its type says."""

    reason = "message"


class MessageTypes:
    """The types of one distribution, and ours."""

    def __init__(self, distro: str = "") -> None:
        """Take a distribution's definitions.

        ``distro`` is one of :data:`DISTROS`; the newest known one when empty, or when the recording names one that is
        not known: the few types that are decoded are the same in all.
        """
        self.distro = distro if distro in _STORES else ""
        self._store = get_typestore(_STORES.get(distro, Stores.LATEST))
        for name in (CHANNEL_WEIGHTS, SPOT, BOX, TEMPERATURES):
            text = share_file(f"msg/{name.rpartition('/')[2]}.msg").read_text(encoding="utf-8")
            self._store.register(get_types_from_msg(text, name))

    def make(self, name: str, /, **fields: Any) -> Any:
        """A message of a type; every field must be given, sequences of numbers as arrays of their type."""
        return self._store.types[name](**fields)

    def constant(self, name: str, constant: str) -> int:
        """A constant of a type."""
        return int(getattr(self._store.types[name], constant))

    def decode(self, data: bytes, name: str) -> Any:
        """Message of bytes.

        Raises:
            MessageError: If they are no message of the type.
        """
        try:
            return self._store.deserialize_cdr(data, name)
        except Exception as error:  # a corrupt length may end in any of them
            raise MessageError(
                f"{len(data)} bytes are no {name} ({error})", remedy="the recording is damaged, or its writer was"
            ) from error

    def encode(self, message: Any, name: str) -> memoryview:
        """Bytes of a message."""
        data: memoryview = self._store.serialize_cdr(message, name)
        return data

    def definition(self, name: str) -> tuple[str, str]:
        """Text and hash of a type that this store knows."""
        return self._store.generate_msgdef(name, ros_version=2)[0], self._store.hash_rihs01(name)

    def definition_of(self, connection: Connection) -> tuple[str, str]:
        """Text and hash of a recorded topic's type: the recording's own as far as it has them."""
        text, digest = connection.msgdef.data, connection.digest
        if connection.msgdef.format is MessageDefinitionFormat.NONE:
            if connection.msgtype not in self._store.types:
                return "", digest or _NO_HASH
            text, known = self.definition(connection.msgtype)
            return text, digest or known
        return text, digest or self._hash(connection)

    def _hash(self, connection: Connection) -> str:
        store, text = get_typestore(Stores.EMPTY), connection.msgdef.data
        try:
            if connection.msgdef.format is MessageDefinitionFormat.MSG:
                store.register(get_types_from_msg(text, connection.msgtype))
            else:
                for part in text.split(_RULE)[1:]:
                    store.register(get_types_from_idl(part.partition("\n")[2]))
            return str(store.hash_rihs01(connection.msgtype))
        except (TypesysError, KeyError):
            return _NO_HASH


def distro_of(wanted: str, recorded: str | None, *, silent: bool) -> str:
    """Which distribution's definitions a recording needs: what the user says, or else what the recording says.

    ``silent``: the recording has neither definitions nor hashes. Raises ParameterError if the user names one that is
    not known.
    """
    if wanted and wanted not in _STORES:
        raise ParameterError(f"distribution {wanted!r}", expected=f"one of {', '.join(DISTROS)}")
    return wanted or (_SILENT if silent else recorded or "")
