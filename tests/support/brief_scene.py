"""A scene of the scripted actor that takes seconds to record."""

from convert.event_tuning.scenes import Scene

BRIEF = Scene("brief", ("neutral=1.2,happy=1.4",), scale=0.6, corruption=("jpeg", 0.4))
