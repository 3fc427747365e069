"""Frames by kind, as they come from the renderer; those of a model that is no longer on view go nowhere."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from vae_studio.core.scene import (
    EncodingsFrame,
    Frame,
    GlanceFrame,
    MapFrame,
    PicturesFrame,
    PointFrame,
    ProbeFrame,
    SpotsFrame,
    StripsFrame,
    TermsFrame,
)
from vae_studio.ui.session import Session

_CACHED_SECONDS = 2e-4  # a map drawn faster than this came from the cache and says nothing of the decoder


class FrameSorter(QObject):
    """Takes every frame, and hands on what belongs to the session's scene.

    Signals: one a kind of frame, with the frame; `map_decoded(float)`, the seconds that what is visible of the map
    took, whatever plane it was of.
    """

    point = Signal(object)
    map = Signal(object)
    map_decoded = Signal(float)
    probe = Signal(object)
    glance = Signal(object)
    spots = Signal(object)
    strips = Signal(object)
    terms = Signal(object)
    encodings = Signal(object)
    pictures = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session

    def take(self, frame: Frame) -> None:
        scene = self._session.scene
        if frame.version.lineage != scene.version.lineage:
            return
        match frame:
            case PointFrame():
                self.point.emit(frame)
            case MapFrame():
                if frame.plane == scene.plane:
                    self.map.emit(frame)
                if frame.complete and frame.seconds > _CACHED_SECONDS:
                    self.map_decoded.emit(frame.seconds)
            case ProbeFrame():
                self.probe.emit(frame)
            case GlanceFrame():
                self.glance.emit(frame)
            case SpotsFrame():
                self.spots.emit(frame)
            case StripsFrame():
                self.strips.emit(frame)
            case TermsFrame():
                self.terms.emit(frame)
            case EncodingsFrame():
                self.encodings.emit(frame)
            case PicturesFrame():
                self.pictures.emit(frame)
