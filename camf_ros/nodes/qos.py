"""Quality of service of the topics."""

from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

#: Subscriptions to cameras: best effort accepts both kinds of publishers.
SENSOR_INPUT = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST, depth=5)
#: Publishers: reliable serves both kinds of subscriptions (RViz asks for reliable); a short queue, because an old
#: picture is worth nothing.
OUTPUT = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=2)
