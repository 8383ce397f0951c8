"""Pairs the messages of several topics by their time stamps: a stand-in for the package of this name in ROS 2.

camf_ros imports `message_filters` as any node does. This package takes its place on machines where the real one is not
to be had, with the same names and the same behaviour as far as camf_ros uses them. What that behaviour is,
`test/underlay/test_message_filters_contract.py` states, and it holds for both.

Stamps are whole nanoseconds, slop is seconds, queue sizes are messages for each input.
"""

from message_filters.filters import SimpleFilter, Subscriber
from message_filters.synchronizers import ApproximateTimeSynchronizer, TimeSynchronizer

__all__ = ["ApproximateTimeSynchronizer", "SimpleFilter", "Subscriber", "TimeSynchronizer"]
