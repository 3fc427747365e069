"""The help page and About."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from vae_studio.ui.help_dialog import HelpDialog


class HelpControl(QObject):
    """Opens both beside the window, the help page once."""

    def __init__(self, version: str, window: QWidget) -> None:
        super().__init__(window)
        self._version = version
        self._window = window
        self._dialog: HelpDialog | None = None

    def show_help(self, actions: list[tuple[str, list[tuple[str, str]]]]) -> None:
        """Show the page; `actions` are the menus with their actions' names and shortcuts."""
        if self._dialog is None:
            self._dialog = HelpDialog(actions, self._window)
        self._dialog.show()
        self._dialog.raise_()

    def show_about(self) -> None:
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("About VAE Studio")
        box.setText(
            f"<b>VAE Studio {self._version}</b><p>Train variational auto-encoders, and walk through their "
            "latent space.<p>MNIST: Yann LeCun, Corinna Cortes, Christopher J. C. Burges (CC BY-SA 3.0)."
        )
        box.open()
