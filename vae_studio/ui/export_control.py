"""Export from the window: the dialog, its previews and its files."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from vae_studio import paths, tasks
from vae_studio.core.latent import GridRequest, Region
from vae_studio.core.plane import Plane
from vae_studio.core.scene import Scene, View
from vae_studio.ui.export_dialog import ExportDialog
from vae_studio.ui.settings import Settings
from vae_studio.ui.workers import Failure, Job, Jobs


class ExportControl(QObject):
    """Shows one ExportDialog and puts what it asks for into the queue of jobs. What is exported is what was shown
    when the dialog was opened or shown again: training goes on meanwhile and changes nothing in it."""

    def __init__(self, jobs: Jobs, settings: Settings, window: QWidget) -> None:
        super().__init__(window)
        self._jobs = jobs
        self._settings = settings
        self._window = window
        self._dialog: ExportDialog | None = None
        self._opened: tasks.OpenedModel | None = None
        self._preview: Job | None = None
        self._export: Job | None = None  # the one under way
        self._plane: Plane | None = None

    def show(self, opened: tasks.OpenedModel, scene: Scene, view: View) -> None:
        """Open the dialog on this model and plane; `view` is the region that the map shows."""
        if self._dialog is None:
            self._dialog = self._make_dialog()
        self._opened, self._plane = opened, scene.plane
        self.set_view(view, scene)
        self._dialog.set_source(opened.name, scene.point, scene.plane, tuple(opened.model.image_shape[1:]))
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()

    def set_view(self, view: View, scene: Scene | None) -> None:
        """The map shows this region, of which the dialog takes note while it is one of its plane."""
        if self._dialog and scene is not None and scene.plane == self._plane:
            self._dialog.set_region(Region(view.left, view.right, view.bottom, view.top))

    def _make_dialog(self) -> ExportDialog:
        dialog = ExportDialog(self._window)
        dialog.set_options(self._settings.export_options)
        dialog.set_folder(self._settings.folder("export", paths.pictures()))
        dialog.preview_requested.connect(self._make_preview)
        dialog.export_requested.connect(self._make_file)
        dialog.cancel_requested.connect(self._cancel)
        dialog.show_file_requested.connect(self._show_in_folder)
        return dialog

    def _make_preview(self, request: GridRequest) -> None:
        if self._preview:
            self._preview.cancel()
        model = self._opened.model
        self._preview = self._jobs.submit(
            lambda: tasks.preview_grid(model, request), self._dialog.set_preview, self._preview_failed
        )

    def _make_file(self, request: GridRequest, path: str) -> None:
        opened = self._opened
        self._settings.export_options = self._dialog.options()
        self._settings.set_folder("export", Path(path).parent)
        self._export = self._jobs.submit(
            lambda: tasks.export_grid(
                opened.model, request, Path(path), opened.name, opened.sha256, opened.path.parent
            ),
            self._written,
            self._failed,
            self._dialog.show_progress,
        )

    def _written(self, written: tasks.Written) -> None:
        self._export = None
        self._dialog.show_done(str(written.path))

    def _failed(self, failure: Failure) -> None:
        self._export = None
        self._dialog.show_failed(failure.words)

    def _preview_failed(self, failure: Failure) -> None:
        """What keeps a preview from being made will be said again by the export, if one is under way."""
        if self._export is None:
            self._dialog.show_failed(failure.words)

    def _cancel(self) -> None:
        if self._export:
            self._export.cancel()
            self._export = None

    def _show_in_folder(self, path: str) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(path).parent)))
